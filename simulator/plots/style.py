"""One style for all figures, and files from figures.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; markers, line styles and hatches differ
as well, so that a figure survives a black-and-white printer.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatterSciNotation, NullLocator

from dataflows.schedule import Cause
from simulator.plots.wrapping import fit_titles, text_width, wrapped
from workloads.errors import InputError
from workloads.files import write_whole
from workloads.notices import tell
from workloads.whole_numbers import ceil_div

FORMATS = ("png", "svg", "pdf")
IDEAL = "ideal"  # the bound of machines with its multipliers; drawn as a bound, not as one of them

# Parts of PE-cycles, from useful to lost: label, fill, hatch. The first two split what the report calls busy.
PARTS: dict[str, tuple[str, str, str]] = {
    "products": ("busy: multipliers used", "#0072B2", ""),
    "fragmented": ("busy: lanes left empty", "#56B4E9", ""),
    Cause.INDEX.key: ("index and fillers", "#F0E442", ""),
    Cause.BANK_CONFLICT.key: ("bank conflicts", "#E69F00", "//"),
    Cause.DRAIN.key: ("drain", "#CC79A7", ""),
    Cause.IMBALANCE.key: ("imbalance", "#D55E00", ""),
    Cause.MEMORY.key: ("waiting for DRAM", "#009E73", "\\\\"),
    Cause.PORT.key: ("waiting for a port", "#6A3D9A", "\\\\"),
    Cause.BUFFER.key: ("waiting for a buffer", "#999999", "xx"),
    Cause.FILL.key: ("pipeline fill", "#444444", ""),
    Cause.UNMAPPED.key: ("no work mapped", "#DDDDDD", ".."),
}
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
VISIBLE_SHARE = 0.0005  # of a bar; a legend entry for less would only take room
JOULES_PER_PJ = 1e-12
_LEGEND_COLUMNS = 5
_NARROW_INCHES = 5
_MOST_COLUMNS = 3  # of panels
_LONG_AXIS = 100  # from its least to its most
_LEGEND_ROW, _LEGEND_HANDLE = 0.17, 0.5  # inches of a row, and of an entry beside its text
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))
_FONT_SIZE = 9.0
_STYLE: dict[Any, Any] = {
    "font.size": _FONT_SIZE,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # a name with dollars is a name
    "svg.hashsalt": "prunesim",  # the same data gives the same file
    "svg.fonttype": "none",  # text stays text: small files, searchable
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Paper:
    """What a figure is made for; None leaves a kind's own choice.

    width_inches, height_inches  of the file; texts and legends then have to do with them
    dpi        dots an inch of a png
    font_size  in points, of labels; all other texts in proportion
    title      above the figure, in place of its own
    """

    width_inches: float | None = None
    height_inches: float | None = None
    dpi: int = 160
    font_size: float = _FONT_SIZE
    title: str | None = None

    @property
    def scale(self) -> float:
        """Of texts, over those of the common style."""
        return self.font_size / _FONT_SIZE


class _Shown(Figure):
    """A figure that a notebook shows where it is a cell's result."""

    def _repr_png_(self) -> bytes:
        return _drawn(self, "png")


_PAPER: ContextVar[Paper] = ContextVar("paper", default=Paper())  # noqa: B039 (frozen)


@contextmanager
def on_paper(paper: Paper) -> Generator[None]:
    """Figures that are drawn inside the block are made for this paper."""
    before = _PAPER.set(paper)
    try:
        yield
    finally:
        _PAPER.reset(before)


@contextmanager
def new_figure(width_inches: float, height_inches: float, *, titles_fit: bool = False) -> Generator[Figure]:
    """An empty figure, drawn on in the common style inside the block; it needs no display.

    titles_fit   the width was chosen for the titles of panels, which need not be measured again
    """
    paper = _PAPER.get()
    with rc_context(_STYLE):
        figure = _Shown(figsize=(paper.width_inches or width_inches, paper.height_inches or height_inches))
        yield figure
        if paper.scale != 1:
            for text in figure.findobj(Text):
                text.set_fontsize(float(text.get_fontsize()) * paper.scale)
        if paper.title is not None:
            _entitle(figure, paper.title)
        if not titles_fit or paper != Paper():
            fit_titles(figure, grows=paper.height_inches is None)


def _entitle(figure: Figure, title: str) -> None:
    """Put a title in the place of a figure's own: over its only panel, or over all of them."""
    if len(figure.axes) == 1:
        figure.axes[0].set_title(title)
    else:
        figure.suptitle(title, fontsize=10 * _PAPER.get().scale)


def machine_styles(machines: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and line style of each machine; the ideal machine is a black dashed line."""
    styles: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(name for name in dict.fromkeys(machines) if name != IDEAL):
        # 7 and 3 have no common factor, so a colour meets all 7 markers before a pair comes again: 49 machines.
        turn = place // len(_COLOURS)  # of the colours; the same colour comes with another marker and line each time
        styles[name] = {
            "color": _COLOURS[place % len(_COLOURS)],
            "marker": _MARKERS[(place + 3 * turn) % len(_MARKERS)],
            "linestyle": _LINES[(place + 2 * turn) % len(_LINES)],
        }
    return styles | {IDEAL: {"color": "black", "marker": "", "linestyle": "--"}}


class _PowerFormatter(LogFormatterSciNotation):
    """Powers with raised digits in place of mathematical notation, which names must not be taken for."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        # matplotlib writes 1000 as "$\mathdefault{10^{3}}$"; without the notation and with a raised 3 it is a name like
        # others.
        text = super().__call__(x, pos).replace("\\mathdefault{", "").replace("\\times", "\u00d7").strip("$")
        plain = re.sub(r"\^\{([-\u2212\d]+)\}", lambda found: found[1].translate(_RAISED), text)
        return plain.strip("{}")


_RAISED = str.maketrans("0123456789-\u2212", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b\u207b")


def scale_log(axes: Axes, which: str, base: int = 10) -> None:
    """Make the axis "x" or "y" logarithmic."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log", base=base)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(_PowerFormatter(base=base))
    axis.set_minor_formatter(_PowerFormatter(base=base, labelOnlyBase=False, minor_thresholds=(1, 0.4)))


def thin_ticks(axes: Axes) -> None:
    """Leave out the ticks between powers on logarithmic axes that are long enough without, or of little room.

    Many panels draw faster so.
    """
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        if axis.get_scale() == "log" and high >= (10 if is_narrow() else _LONG_AXIS) * low:
            axis.set_minor_locator(NullLocator())


def write_between_powers(axis: Axis, write: Callable[[float], str]) -> None:
    """Label ticks between the powers of ten of a logarithmic axis as well, as many as have room."""

    def text(at: float, _: float) -> str:
        low, high = axis.get_view_interval()
        digits = "23456789" if high < 5 * low else "25" if high < 400 * low else ""
        return write(at) if f"{at:.0e}"[0] in digits else ""

    axis.set_minor_formatter(text)


def text_inches(texts: Iterable[str], size: float = 8) -> float:
    """Width of the widest of some texts in a size in points, as this paper scales it."""
    return max((text_width(text, size * _PAPER.get().scale) for text in texts if text.strip()), default=0.0)


def wrap_to_paper(text: str, margin_inches: float, size: float = 8) -> str:
    """A text in lines as wide as this paper, without a margin."""
    paper = _PAPER.get()
    return wrapped(text, (paper.width_inches or math.inf) - margin_inches, size * paper.scale)


def is_narrow() -> bool:
    """Whether figures are made for a column of a paper, where panels do not fit side by side."""
    width = _PAPER.get().width_inches
    return width is not None and width < _NARROW_INCHES


def legend_below(figure: Figure, *panels: Axes) -> None:
    """One legend under everything else, in as many columns as the figure is wide for; the figure grows by its rows."""
    found = [axes.get_legend_handles_labels() for axes in panels]
    handles, labels = (list(chain.from_iterable(one)) for one in zip(*found, strict=True))
    if not handles:
        return
    widths = {columns: _legend_inches(labels, columns) for columns in range(_LEGEND_COLUMNS, 0, -1)}
    columns = next((columns for columns, width in widths.items() if width <= figure.get_figwidth()), 1)
    if _PAPER.get().width_inches and widths[columns] > figure.get_figwidth():
        room = figure.get_figwidth() - 2 * _LEGEND_HANDLE * _PAPER.get().scale
        labels = [wrapped(label, room, 8 * _PAPER.get().scale) for label in labels]
    width = figure.get_figwidth() if _PAPER.get().width_inches else max(figure.get_figwidth(), widths[columns])
    lines = sum(label.count("\n") for label in labels) + ceil_div(len(labels), columns)
    rows = _LEGEND_ROW * _PAPER.get().scale * lines
    figure.set_size_inches(width, figure.get_figheight() + (0 if _PAPER.get().height_inches else rows))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)


def _legend_inches(labels: Sequence[str], columns: int) -> float:
    """Width of a legend in so many columns, which are filled one after the other."""
    # As matplotlib fills them: seven entries in three columns are three, two and two.
    rows, longer = divmod(len(labels), columns)
    ends = [0, *accumulate(rows + (column < longer) for column in range(columns))]
    handle = _LEGEND_HANDLE * _PAPER.get().scale
    return sum(text_inches(labels[a:b]) + handle for a, b in pairwise(ends)) + handle


def grid_columns(panels: int) -> int:
    """In how many columns so many panels stand; in a column of a paper one below the other."""
    return 1 if is_narrow() else min(panels, _MOST_COLUMNS)


def panel_grid(figure: Figure, panels: int, **options: Any) -> list[Axes]:
    """Axes for so many panels in `grid_columns`, row by row; places left over are taken away."""
    # Five panels in at most three columns are two rows, whose sixth place goes.
    columns = grid_columns(panels)
    grid = figure.subplots(ceil_div(panels, columns), columns, squeeze=False, **options)
    for axes in grid.flat[panels:]:
        axes.remove()
    return list(grid.flat[:panels])


def require_format(path: Path) -> str:
    """The format that a file's ending stands for. Raises `InputError` when it is none of `FORMATS`."""
    ending = path.suffix.lstrip(".").lower()
    if ending not in FORMATS:
        raise InputError(f"{path}: cannot draw a '{ending}' file, must end in one of: {', '.join(FORMATS)}")
    return ending


def save(figure: Figure, path: Path) -> None:
    """Write a figure as png, svg or pdf, by the file's ending. Raises `InputError` for another ending."""
    write_whole(path, _drawn(figure, require_format(path)))


def svg_text(figure: Figure) -> str:
    """A figure as an SVG element, to stand inside a page of HTML."""
    # What stands before the element is a document's head, which no page can have inside it.
    text = _drawn(figure, "svg").decode()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


@contextmanager
def _laid_out(figure: Figure) -> Generator[None]:
    """Lay a figure out before the block saves it: saving would draw it once more for that, and lay it out twice."""
    engine = figure.get_layout_engine()
    if engine is None:
        yield
        return
    engine.execute(figure)
    figure.set_layout_engine(None)
    try:
        yield
    finally:
        figure.set_layout_engine(engine)  # for what is drawn on it later


def _drawn(figure: Figure, ending: str) -> bytes:
    stream = BytesIO()
    # Without the date of drawing, so that the same data give the same bytes.
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[ending]
    style: dict[Any, Any] = {**_STYLE, "figure.constrained_layout.use": False}
    with rc_context(style), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        with _laid_out(figure):
            figure.savefig(stream, format=ending, dpi=_PAPER.get().dpi, metadata=metadata)
    # Of letters that the font lacks, or of names that leave no room: a line each, without the place in the source.
    for line in dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught):
        tell(f"warning: {line}")
    return stream.getvalue()
