"""docs/scnn.md: its tables and pictures say what is recorded, and its last columns what readings explain."""

import re

import pytest

from benchmarks import results as tables
from benchmarks.experiments import scnn_bars
from simulator.plots.published import picture
from simulator.plots.style import svg_text
from simulator.validation.figure_rows import Figure, Goal, Reading
from simulator.validation.results import Result
from simulator.validation.sensitivity import Effect
from tests.project import ROOT

PUBLISHED = scnn_bars.published()
DOCUMENT = ROOT / "docs" / "scnn.md"
IMAGES = ROOT / "docs" / "images"
GROUPS = {
    "scnn-layers": scnn_bars.LAYERS,
    "scnn-networks": scnn_bars.NETWORKS,
    "scnn-sweep": scnn_bars.SWEEP,
    "scnn-analytical": scnn_bars.ANALYTICAL,
}
DRAWINGS = sorted({figure.drawing for figure in PUBLISHED.figures if figure.drawing})


def rows_of(name):
    """A table of the document: {first cell: {heading: cell}}."""
    head, _, *lines = tables.tables_in(DOCUMENT)[name].splitlines()
    headings, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in (head, *lines))
    return {row[0]: dict(zip(headings, row, strict=True)) for row in rows}


def texts_of(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def deviations(drawing):
    """What is recorded of a drawing's figures, as it is drawn; figures within their goals are not recorded."""
    own = [figure for figure in PUBLISHED.figures if figure.drawing == drawing and figure.id in PUBLISHED.recorded]
    return [PUBLISHED.goal_of(figure).text(PUBLISHED.recorded[figure.id].deviation) for figure in own]


@pytest.mark.parametrize("name", GROUPS)
def test_a_table_says_in_bold_what_is_recorded(name):
    rows = rows_of(name)
    seen = 0
    for group, drawings in GROUPS[name].items():
        for figure in scnn_bars.part(drawings).figures:
            place = f"{group} {PUBLISHED.drawings[figure.drawing].place_of(figure)}".strip()
            bold = re.findall(r"\*\*(.+)\*\*", rows[place][figure.series])
            recorded, goal = PUBLISHED.recorded.get(figure.id), PUBLISHED.goal_of(figure)
            assert bold == ([] if recorded is None else [goal.text(recorded.deviation).replace("%", " %")]), figure.id
            seen += 1
    assert seen == sum(bool(cell) for row in rows.values() for cell in list(row.values())[1:])


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_picture_is_shown_and_says_what_is_recorded(drawing):
    texts = texts_of((IMAGES / f"{drawing}.svg").read_text(encoding="utf-8"))
    assert f"(images/{drawing}.svg)" in DOCUMENT.read_text(encoding="utf-8")
    if PUBLISHED.drawings[drawing].kind == "bars":
        assert [text for text in deviations(drawing) if text not in texts] == []


@pytest.mark.nightly
@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_picture_is_what_the_command_draws_today(drawing):
    drawn = svg_text(picture(PUBLISHED.drawings[drawing], scnn_bars.measured(drawing)))
    assert texts_of((IMAGES / f"{drawing}.svg").read_text(encoding="utf-8")) == texts_of(drawn)


FIGURE = Figure(
    id="bar", study="s", metric="speedup", unit="x", published=4.0, kind="k", source="nobody",
    drawing="scnn-figure-9-vgg16", series="speedup over DCNN", where={"layers": "conv1_1"},
)  # fmt: skip
GOAL = Goal(relative=0.1)


@pytest.fixture
def one_bar(monkeypatch):
    """One bar of 4 that is 2 here, and readings that give other values by (parameter, label)."""

    def measure(values):
        readings = {key: Reading(machine="scnn", parameter=key[0], label=key[1], changes={}) for key in values}
        chosen = PUBLISHED.__class__((FIGURE,), {}, {"k": GOAL}, tuple(readings.values()), drawings=PUBLISHED.drawings)
        monkeypatch.setattr(scnn_bars, "published", lambda: chosen)
        monkeypatch.setattr(scnn_bars, "LAYERS", {"VGG-16": ("scnn-figure-9-vgg16",)})
        monkeypatch.setattr(scnn_bars, "measured", lambda *_: (Result(FIGURE, "scnn", 2.0, GOAL),))
        found = [Effect(FIGURE, GOAL, readings[key], value, 2.0) for key, value in values.items()]
        monkeypatch.setattr(scnn_bars, "effects", lambda _: found)

    return measure


def test_a_bar_has_its_published_and_its_simulated_value(one_bar):
    one_bar({})
    assert list(scnn_bars.layers()) == [("layer", "speedup over DCNN"), ("VGG-16 conv1_1", "4 · 2 (**-50.0 %**)")]


def test_of_a_parameters_readings_the_one_that_leaves_least_is_shown(one_bar):
    one_bar({("depth", "0"): 1.0, ("depth", "4"): 3.5, ("depth", "64"): 6.5, ("hash", "mix"): 2.05, ("Kc", "4"): 1.0})
    head, row = scnn_bars.explained()
    assert head == ("layer", "bar", "deviation", "depth", "hash", "Kc")
    assert row == ("VGG-16 conv1_1", "speedup over DCNN", "-50.0 %", "75 %", "", "-50 %")
