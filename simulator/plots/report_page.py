"""The report page: one HTML file with tables, figures and the exact configuration, that needs nothing else to open."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import count
from typing import Any, NamedTuple

from simulator import plots
from simulator.plots.data import Held
from simulator.plots.graph_picture import graph_svg
from simulator.reports.columns import legend, notes_by_layers
from simulator.reports.described import title_of as title_of_reports
from simulator.reports.html_tables import (
    energy_columns,
    energy_table,
    factors_table,
    measures_columns,
    measures_table,
    size_table,
    table,
)
from simulator.reports.metrics import BASELINE, FACTORS, title_of
from simulator.reports.network_total import total_row
from simulator.reports.report import EVENTS, machine_label
from workloads.errors import InputError
from workloads.graph import Graph
from workloads.texts import toml_text

Reports = Sequence[Mapping[str, Any]]
Told = Callable[[int, int, str], None]


class Shown(NamedTuple):
    """A figure of a page: a kind with its options, and the caption; `several`: only where machines are compared."""

    kind: str
    caption: str
    options: Mapping[str, str] = {}
    several: bool = False


_FIGURES = {
    "causes": Shown("causes", "Where the PE-cycles of each accelerator went."),
    "layers": Shown("layers", "Where the cycles of each layer went."),
    "energy": Shown("energy", "Where the energy of each accelerator went."),
    "energy-components": Shown("energy", "The same by component.", {"by": "components"}),
    "energy-layers": Shown("energy-layers", "Where the energy of each layer went."),
    "utilization": Shown("utilization", "Utilization against weight sparsity: a point a layer."),
    "roofline": Shown(
        "roofline", "Layers under the limits of multipliers and DRAM; a point's area is its share of the cycles."
    ),
    "energy-roofline": Shown(
        "energy-roofline", "Energy of a product of two non-zeros, by layer; a point's area is its share of the energy."
    ),
    "imbalance": Shown(
        "imbalance", "How unevenly work falls: by layer, and by PE within its layer (middle half, and 5 to 95 %)."
    ),
    "heatmap": Shown("heatmap", "Busy cycles of every PE on the array's shape."),
    "pareto": Shown("pareto", "Cycles against DRAM traffic.", several=True),
    "pareto-energy": Shown(
        "pareto",
        "Energy, time and area; rings mark accelerators that no other beats in all three.",
        {"x": "time_us", "y": "energy.total_pj", "z": "area.total_mm2"},
        several=True,
    ),
    "inputs": Shown("inputs", "How far one input misleads: cycles of each layer on every input, around their mean."),
}
_SECTIONS = {"totals": "Totals", "figures": "Figures", "layers-of-machines": "Layers", "configuration": "Configuration"}
_LINKS = "".join(f'<a href="#{key}">{name}</a>' for key, name in _SECTIONS.items())
_OF_DENSITIES = {
    "speedup": Shown("speedup", "Speedup over each accelerator's dense baseline; where it crosses 1 is marked."),
    "energy-sparsity": Shown("energy-sparsity", "Energy against sparsity."),
}
_WIDTH_PT = re.compile(r'<svg\b[^>]*?\bwidth="([\d.]+)pt"')
_PIXELS_A_POINT = 4 / 3
_LEAST_SHARE = 0.65  # of a figure's own width
_MOST_BARS = 24  # side by side
_OF_TIMELINE = {
    "bandwidth": Shown("bandwidth", "DRAM bandwidth over time."),
    "gantt": Shown("gantt", "Fetch, compute and drain in the longest layer."),
}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 100rem; margin: 2rem auto; padding: 0 1rem; }
nav a { margin-right: 1rem; } figure { max-width: 78rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
p.about { margin-top: .3rem; color: #555; } figure { margin: 1.2rem 0; } figcaption, .legend { color: #555; font-size: 13px; }
figure { overflow-x: auto; } svg { max-width: 100%; height: auto; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .15rem .42rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #eee; }
th:first-child { text-align: left; font-weight: 500; position: sticky; left: 0; background: #fff; } thead th { white-space: normal; vertical-align: bottom; border-bottom: 1px solid #888; font-weight: 600; }
.facts td { text-align: left; white-space: normal; } tr.total > * { border-top: 1px solid #888; font-weight: 600; } summary { cursor: pointer; }
pre { background: #f6f6f6; padding: .8rem; font-size: 12.5px; overflow-x: auto; } code { font-size: 12.5px; overflow-wrap: anywhere; }
@media (max-width: 40rem) { h1 { font-size: 1.2rem; } body { margin-top: 1rem; } }
@media (prefers-color-scheme: dark) {
  body, th:first-child { color: #ddd; background: #1b1c1e; } h2, thead th { border-color: #666; } th, td { border-color: #383838; }
  p.about, figcaption, .legend { color: #aaa; } pre { background: #26282b; } a { color: #8ab4f8; } .scroll svg, figure svg { background: #fff; }
}
@media print { details > * { display: block; } .scroll { overflow: visible; } }
"""  # noqa: E501 (style sheets have long rows)


def report_page(reports: Reports, timeline: Mapping[str, Any] | None = None, told: Told | None = None) -> str:
    """The page of the JSON reports of a run or of a comparison; with a timeline, also its figures.

    told   is called with how many figures are drawn, of how many, and the one that comes next
    """
    title = escape(title_of_reports(reports))
    # One counter for the whole page: ids of SVG elements must differ between figures that stand in one document.
    ids = count()
    is_study = any(report.get("point") for report in reports)
    figures = _of_study(reports) if is_study else _FIGURES
    figures = {name: one for name, one in figures.items() if len(reports) > 1 or not one.several}
    body = [
        f"<h1>{title}</h1>",
        f'<p class="about">{escape(_about(reports))}</p>',
        f"<nav>{_LINKS}</nav>",
        f'<h2 id="totals">{escape(_totals_title(reports))}</h2>',
        *_totals(reports),
        '<h2 id="figures">Figures</h2>',
        *_figures(Held(reports), figures, ids, told),
        *(_figures(timeline, _OF_TIMELINE, ids) if timeline else ()),
        *_details(reports, is_study=is_study),
    ]
    return html_page(title, body)


def html_page(title: str, body: Iterable[str]) -> str:
    """A page of its own in the style of all; title and body are HTML already."""
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">{viewport}<title>{title}</title><style>{_STYLE}</style>'
    text = "\n".join(body)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n{text}\n</body></html>\n'


def _of_study(reports: Reports) -> Mapping[str, Shown]:
    """The figures of a study: those of its machines as far as bars fit, and curves over what it varies."""
    swept = dict.fromkeys(key for report in reports for key in report["point"])
    bars = {"causes", "energy"} if len(reports) <= _MOST_BARS else set[str]()
    chosen = {name: one for name, one in _FIGURES.items() if name in bars or one.several or name == "utilization"}
    chosen |= _OF_DENSITIES
    # In the order of the study, not that of a set, which differs from run to run.
    for key in (key for key in swept if key not in ("workload", "accelerator", "seed", "input")):
        for measure in ("time_us", "utilization"):
            caption = f"{title_of(measure).capitalize()} over {title_of(key)}: means, and bands over seeds."
            chosen[f"sweep-{key}-{measure}"] = Shown("sweep", caption, {"x": key, "y": measure})
    return chosen


def _details(reports: Reports, *, is_study: bool) -> Iterable[str]:
    """Layers and configuration of every report; of a study those of the first point of each machine."""
    first = list({report["accelerator"]["name"]: report for report in reversed(reports)}.values())[::-1]
    shown = first if is_study else reports
    words = ": the first point of each accelerator" if is_study and len(reports) > len(first) else ""
    yield f'<h2 id="layers-of-machines">Layers{words}</h2>'
    yield from (_layers(report, opened=len(reports) == 1) for report in shown)
    yield from _graphs(reports)
    yield f'<h2 id="configuration">Configuration{words}</h2>'
    yield from (_configuration(report) for report in shown)


def _label(report: Mapping[str, Any]) -> str:
    return machine_label(report["accelerator"]["name"], report.get("model", EVENTS))


def _baseline(reports: Reports) -> str:
    """The baseline that the machines have in common; empty where they have none."""
    names = {report.get(BASELINE, {}).get("name", "") for report in reports}
    return names.pop() if len(names) == 1 else ""


def _totals_title(reports: Reports) -> str:
    baseline = _baseline(reports)
    return f"Totals, and speedup over {baseline}" if baseline else "Totals"


def _totals(reports: Reports) -> Iterable[str]:
    """The machines' sizes, their totals, and what their speedups consist of."""
    totals = [(_label(report), report["total"] | _point_of(report)) for report in reports]
    sizes = {(_label(report), json.dumps(report.get("size", {}))): report.get("size", {}) for report in reports}
    yield _scroll(size_table([(name, size) for (name, _), size in sizes.items()]))
    baseline = _baseline(reports)
    yield _scroll(measures_table(totals, "accelerator", baseline))
    yield _legend(legend(measures_columns(totals, baseline)))
    if factors := factors_table(totals, "accelerator"):
        yield f"{_scroll(factors)}{_legend(legend(FACTORS))}"
    whole = [(_label(report), total_row(report) | _point_of(report)) for report in reports]
    if energy := energy_table(whole, "accelerator"):
        yield f"{_scroll(energy)}{_legend(legend(energy_columns(whole)))}"


def _point_of(report: Mapping[str, Any]) -> dict[str, Any]:
    return {"point": report["point"]} if report.get("point") else {}


def _legend(text: str) -> str:
    return f'<p class="legend">{escape(text)}</p>'


def settings_toml(values: Mapping[str, Any]) -> str:
    """A machine's settings in a report as TOML, as `prunesim run --config` reads it; what is not set is left out."""
    return toml_text(_with_numbers(values))


def _with_numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with infinity as a number: JSON has none, so that reports hold the word."""
    return {
        key: _with_numbers(value) if isinstance(value, Mapping) else math.inf if value == "inf" else value
        for key, value in values.items()
    }


def _about(reports: Reports) -> str:
    tools = dict.fromkeys(f"{report['tool']['name']} {report['tool']['version']}" for report in reports)
    seeds = ", ".join(dict.fromkeys(str(report["seed"]) for report in reports))
    titles = dict.fromkeys(str(report["workload"].get("title", "")) for report in reports)
    return " · ".join(part for part in (*titles, f"seed {seeds}", *tools) if part)


def _figures(data: Any, figures: Mapping[str, Shown], ids: Iterable[int], told: Told | None = None) -> Iterable[str]:
    """The figures that the data can be drawn as: a machine without memory traffic, say, has no roofline."""
    # In this order: `zip` asks the figures first and, when they are through, takes no number that nobody needs.
    for place, ((name, shown), number) in enumerate(zip(figures.items(), ids, strict=False)):
        if told is not None:
            told(place, len(figures), name)
        try:
            drawn = plots.svg_text(plots.plot_kind(shown.kind)(data, **shown.options))
        except InputError:
            continue
        caption = f"<figcaption>{escape(shown.caption)}</figcaption>"
        # Narrower than this its letters could not be read; a narrow window scrolls it.
        least = f"min-width: {_LEAST_SHARE * float(_WIDTH_PT.findall(drawn)[0]) * _PIXELS_A_POINT:.0f}px"
        said = f'<svg role="img" aria-label="{escape(shown.caption)}" style="{least}"'
        yield f'<figure id="{name}">{_own_ids(drawn, number).replace("<svg", said, 1)}{caption}</figure>'


def _own_ids(svg: str, number: int) -> str:
    """The same drawing with ids that no other figure of the page has.

    Pictures (of heat maps and their scales) lose theirs, which nothing refers to and which equal pictures share.
    """
    svg = re.sub(r' id="image\w+"', "", svg)
    # In the third figure `id="a"` becomes `id="f2-a"`, and so does every reference to it.
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>f{number}-", svg)


def _layers(report: Mapping[str, Any], *, opened: bool) -> str:
    name = escape(_label(report))
    rows = [(layer["name"], layer) for layer in report["layers"]] + [("total", report["total"])]
    notes = [f"<li>{escape(note)}</li>" for note in notes_by_layers(report["layers"])]
    listed = f"<ul>{''.join(notes)}</ul>" if notes else ""
    inside = _scroll(measures_table(rows, "layer", _baseline([report]))) + _scroll(factors_table(rows, "layer"))
    if energy := energy_table(rows, "layer"):
        inside += _scroll(energy)
    return f"<details{' open' if opened else ''}><summary>{name}</summary>{inside}{listed}</details>"


def _graphs(reports: Reports) -> Iterable[str]:
    """How the layers hang together, each network once; nothing where no report knows."""
    # A comparison's reports are of one network.
    known = {json.dumps(report["workload"]["graph"]): report for report in reports if report["workload"].get("graph")}
    if known:
        yield "<h2>Network</h2>"
    for report in known.values():
        graph = _graph(report["workload"])
        counts = f"{len(graph.layers)} layers, {len(graph.nodes) - len(graph.layers)} other nodes"
        yield f"<details><summary>{counts}</summary>{_scroll(graph_svg(graph))}</details>"


def _graph(workload: Mapping[str, Any]) -> Graph:
    try:
        return Graph.of_rows(workload["graph"])
    except InputError as error:
        raise InputError(f"graph of '{workload['name']}': {error}") from None


def _configuration(report: Mapping[str, Any]) -> str:
    """Everything that it takes to run this again, and the digest that tells whether it was the same."""
    settings = {key: value for key, value in report["accelerator"].items() if key != "name"}
    workload = [
        (key, "; ".join(map(str, value)) if isinstance(value, list) else str(value))
        for key, value in report["workload"].items()
        if key != "graph" and value not in ([], "")  # the graph is drawn
    ]
    equal = ",".join(f"{key}={value}" for key, value in report.get("equal", {}).items())
    sized = [("brought to the size", equal)] if equal else []
    facts = [*workload, *sized, ("seed", str(report["seed"])), ("digest of configuration and data", report["digest"])]
    name = escape(_label(report))
    listed = table(["workload", ""], facts).replace("<table>", '<table class="facts">', 1)
    return f"<h3>{name}</h3>{_scroll(listed)}<pre>{escape(settings_toml(settings))}</pre>"


def _scroll(inside: str) -> str:
    return f'<div class="scroll">{inside}</div>'
