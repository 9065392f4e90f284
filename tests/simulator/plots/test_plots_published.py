"""Published figures beside simulated ones: what is drawn, that it can be read, and the command that writes it."""

import math
import re
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from simulator.plots.published import picture, write
from simulator.validation.figure_rows import Drawing, Figure, Goal
from simulator.validation.figures import FigureSet
from simulator.validation.results import Result
from tests.validation.own_figures import OWN, own_figures

PUBLISHED = FigureSet.read()
BARS = Drawing(id="bars", title="two layers", along="layers")
LINES = Drawing(id="lines", title="a sweep", kind="lines", along="density", x="density", y="speedup", log=True)
GOAL = Goal(relative=0.1)
DRAWINGS = '[[drawing]]\nid = "fc"\ntitle = "fully connected layers"\n'
DRAWN = OWN.format(published=0.3) + 'drawing = "fc"\nseries = "utilization"\nlabel = "fc7"\n'


def result(published, simulated, place, *, series="SCNN", goal=GOAL, drawing=BARS, **more):
    figure = Figure(
        id=f"{series}-{place}", study="s", metric="speedup", unit="x", published=published, kind="k", source="nobody",
        drawing=drawing.id, series=series, where={drawing.along: place}, **more,
    )  # fmt: skip
    return Result(figure, "m", simulated, goal)


def near(name):
    """Every figure of a drawing with a value that is off in turns by nothing, by the goal, and by thrice the goal."""
    own = [figure for figure in PUBLISHED.figures if figure.drawing == name]
    found = []
    for number, figure in enumerate(own):
        goal = PUBLISHED.goal_of(figure)
        off = (0, 1, -1, 3, -3)[number % 5] * goal.allowed(figure.published)
        found.append(Result(figure, "m", max(0.0, goal.value(off, figure.published)), goal))
    return found


def bars_of(axes):
    """(left, width, height) of the bars in the order in which they were drawn."""
    return [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in axes.patches]


def whiskers_of(axes):
    return [tuple(path.vertices[:, 1]) for lines in axes.collections for path in lines.get_paths()]


def test_bars_stand_in_pairs_with_their_goals_and_deviations():
    own = [result(2.0, 2.1, "conv1"), result(4.0, 3.0, "conv2"), result(9.0, 9.0, "conv2", series="oracle")]
    speedup, oracle = picture(BARS, own).axes
    heights = [height for _, _, height in bars_of(speedup)]
    assert heights == [2.0, 2.1, 4.0, 3.0]
    (one, width, _), (other, _, _), *_ = bars_of(speedup)
    assert (other - one, one + width) == (pytest.approx(width), pytest.approx(0))  # side by side around their place
    assert whiskers_of(speedup) == [pytest.approx((1.8, 2.2)), pytest.approx((3.6, 4.4))]
    assert [text.get_text() for text in speedup.texts] == ["+5.0%", "-25.0%"]
    assert [text.get_text() for text in oracle.texts] == ["+0.0%"]
    assert bars_of(oracle)[0][0] == pytest.approx(1 - width)  # below the same layer
    assert [label.get_text() for label in oracle.get_xticklabels()] == ["conv1", "conv2"]
    assert (speedup.get_ylabel(), oracle.get_ylabel()) == ("SCNN", "oracle")


def test_bars_outside_their_goals_look_different():
    (axes,) = picture(BARS, [result(2.0, 2.1, "conv1"), result(2.0, 3.0, "conv2")]).axes
    _, within, _, outside = axes.patches
    assert within.get_facecolor() != outside.get_facecolor()
    assert (within.get_hatch(), bool(outside.get_hatch())) == (None, True)
    names = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert names == ["published", "its goal", "simulated, within its goal", "simulated, outside its goal"]


def test_the_whisker_of_a_share_is_not_below_nothing_and_that_of_a_limit_begins_there():
    share = Goal(relative=0.0, absolute=0.05)
    own = [result(0.01, 0.02, "a", goal=share), result(0.2, 0.1, "b", goal=Goal(relative=0.0), most=True)]
    (axes,) = picture(BARS, own).axes
    assert whiskers_of(axes) == [pytest.approx((0, 0.06)), pytest.approx((0, 0.2))]
    assert [text.get_text() for text in axes.texts] == ["+0.010", "-50.0%"]


def test_a_value_that_is_none_leaves_its_place_empty():
    (axes,) = picture(BARS, [result(2.0, math.nan, "conv1"), result(1.0, 1.0, "conv2")]).axes
    assert axes.get_ylim()[1] == pytest.approx(2.2 * 1.12)


def test_lines_join_simulated_values_by_place_and_markers_are_published():
    sweep = [(0.5, 2.0, 1.5), (0.1, 9.0, 8.0), (1.0, 1.0, 1.0)]
    own = [result(p, s, x, drawing=LINES) for x, p, s in sweep]
    own += [result(p / 2, s / 2, x, drawing=LINES, series="SparseW") for x, p, s in sweep]
    (axes,) = picture(LINES, own).axes
    simulated, published, *others = axes.lines
    assert [tuple(point) for point in simulated.get_xydata()] == [(0.1, 8.0), (0.5, 1.5), (1.0, 1.0)]
    assert [tuple(point) for point in published.get_xydata()] == [(0.1, 9.0), (0.5, 2.0), (1.0, 1.0)]
    assert (simulated.get_marker(), published.get_linestyle(), published.get_markerfacecolor()) == ("", "None", "white")
    assert simulated.get_color() != others[0].get_color()
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (pytest.approx(0.9), pytest.approx(9.9))
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("density", "speedup", "log")


def texts_of(axes):
    """All texts of axes; of tick labels those inside the limits, as matplotlib keeps more than it draws."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    yield from (*axes.texts, axes._left_title, axes.xaxis.label, axes.yaxis.label)
    yield from (label for label in axes.get_xticklabels() if left <= label.get_position()[0] <= right)
    yield from (label for label in axes.get_yticklabels() if low <= label.get_position()[1] <= high)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED.drawings)
def test_no_text_of_a_shipped_drawing_is_cut_off_or_lies_on_another(name):
    drawn = picture(PUBLISHED.drawings[name], near(name))
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    page = drawn.bbox
    texts = [text for axes in drawn.axes for text in texts_of(axes)]
    texts += [text for legend in drawn.legends for text in legend.get_texts()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_visible() and text.get_text()]
    assert drawn.axes[0].get_title("left") in dict(boxes)
    for text, box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1, text
        assert page.y0 <= box.y0 < box.y1 <= page.y1, text
    for (one, a), (other, b) in combinations(boxes, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), f"'{one}' lies on '{other}'"


@pytest.mark.parametrize("name", PUBLISHED.drawings)
def test_every_shipped_drawing_has_figures_and_every_pair_a_place_of_its_own(name):
    drawing = PUBLISHED.drawings[name]
    own = [figure for figure in PUBLISHED.figures if figure.drawing == name]
    places = [(figure.series, drawing.place_of(figure)) for figure in own]
    assert len(places) > 1
    assert len(set(places)) == len(places)
    units = {figure.series: {other.unit for other in own if other.series == figure.series} for figure in own}
    assert all(len(some) == 1 for some in units.values())


def test_the_same_results_give_the_same_file(tmp_path):
    name = "scnn-figure-9-alexnet"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        assert list(write(tmp_path / folder, "svg", near(name), PUBLISHED.drawings)) == [
            tmp_path / folder / f"{name}.svg"
        ]
    assert (tmp_path / "a" / f"{name}.svg").read_bytes() == (tmp_path / "b" / f"{name}.svg").read_bytes()


def drawn_folder(path, figures=DRAWN, drawings=DRAWINGS):
    own_figures(path, figures)
    (path / "drawings.toml").write_text(drawings)
    return path


@pytest.mark.parametrize(("ending", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_the_command_draws_figures_of_ones_own(cli, tmp_path, ending, begins):
    folder, pictures = drawn_folder(tmp_path / "own"), tmp_path / "new" / "pictures"
    run = cli("validate", "--figures", folder, "--plot", pictures, "--plot-format", ending)
    assert run.code == 1  # the deviation is not recorded, and is drawn all the same
    assert [path.name for path in pictures.iterdir()] == [f"fc.{ending}"]
    content = (pictures / f"fc.{ending}").read_bytes()
    assert content.startswith(begins)
    if ending == "svg":
        assert {"fc7", "utilization"} <= set(re.findall(r">([^<>]+)</text>", content.decode()))


@pytest.mark.parametrize(
    ("figures", "drawings", "line"),
    [
        (
            DRAWN.replace('drawing = "fc"', 'drawing = "fd"'),
            DRAWINGS,
            "figure 'rtl': drawing = 'fd': did you mean 'fc'?",
        ),
        (DRAWN.replace('label = "fc7"\n', ""), DRAWINGS + 'along = "layers"\n', "needs a label or where.layers"),
        (DRAWN, DRAWINGS + 'kind = "lines"\nalong = "density"\n', "drawing = 'fc': where.density must be a number"),
        (DRAWN, DRAWINGS + 'kind = "pie"\n', "drawing.0: kind = 'pie': must be 'bars' or 'lines'"),
    ],
)
def test_a_wrong_drawing_is_refused_with_one_clear_line(cli, tmp_path, figures, drawings, line):
    run = cli("validate", "--figures", drawn_folder(tmp_path / "own", figures, drawings))
    assert run.code == 2
    assert line in run.err
    assert len(run.err.splitlines()) == 1


def test_a_folder_that_cannot_be_is_refused_before_anything_is_simulated(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("simulator.validation.results.results", lambda *_: pytest.fail("simulated"))
    (tmp_path / "file").write_text("mine")
    folder = drawn_folder(tmp_path / "own")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        run = cli("validate", "--figures", folder, "--plot", place)
        assert (run.code, len(run.err.splitlines())) == (2, 1)
        assert f"{place}: cannot be written" in run.err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("more", [["--renew"], ["--markdown", "d.md"]])
def test_what_draws_nothing_cannot_be_asked_to(cli, tmp_path, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.md").write_text("")
    run = cli("validate", "--figures", drawn_folder(tmp_path / "own"), "--plot", tmp_path / "pictures", *more)
    assert run.code == 2
    assert run.err.strip().endswith("--plot: cannot be given with --renew or --markdown, which draw nothing")
    assert not (tmp_path / "pictures").exists()


def test_figures_without_a_drawing_cannot_be_drawn(cli, tmp_path):
    run = cli("validate", "--machine", "cambricon-x", "--plot", tmp_path / "pictures")
    assert run.code == 2
    assert run.err.strip().endswith("--plot: none of these figures belongs to a drawing")
    assert not (tmp_path / "pictures").exists()
