"""An explanation as one page of HTML: its sentences, what would help, and the parameters as a chart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from matplotlib.figure import Figure

from simulator.explain.knobs import Knob
from simulator.explain.layer import LayerExplanation, WhatIf
from simulator.explain.network import Explanation
from simulator.plots.report_page import html_page
from simulator.plots.style import legend_below, new_figure, svg_text
from simulator.reports.html_tables import table

_MOST_KNOBS = 16


def explanation_page(found: Explanation) -> str:
    """The page of an explanation; it needs nothing else to open."""
    title = escape(f"{found.workload} on {found.machine}, explained")
    body = [
        f"<h1>{title}</h1>",
        *(f"<p>{escape(sentence)}</p>" for sentence in found.sentences()),
        *(part for layer in found.layers for part in _layer(layer)),
        "<h2>Parameters</h2>",
        *_parameters(found),
        "<h2>What is not modelled</h2>",
        f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in found.notes)}</ul>",
    ]
    return html_page(title, body)


def _layer(layer: LayerExplanation) -> Iterable[str]:
    yield f"<h2>{escape(layer.name)}</h2>"
    yield f"<p><b>{escape(layer.headline())}</b></p>"
    yield from (f"<p>{escape(sentence)}</p>" for sentence in layer.sentences())
    if layer.what_ifs:
        yield f'<div class="scroll">{table(WhatIf.HEADINGS, [one.cells() for one in layer.what_ifs])}</div>'


def _parameters(found: Explanation) -> Iterable[str]:
    swaying = [knob for knob in found.knobs if knob.sways]
    names = ", ".join(layer.name for layer in found.layers)
    if swaying:
        caption = f"Change of the time of {names} with half and with twice of each parameter, one at a time."
        drawn = svg_text(tornado(swaying)).replace("<svg", f'<svg role="img" aria-label="{escape(caption)}"', 1)
        yield f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"
    rows = [(knob.key, knob.sentence().partition(" (")[2].removesuffix(")")) for knob in found.knobs]
    yield f'<div class="scroll">{table(["parameter", "change of time"], rows)}</div>'


def tornado(knobs: Sequence[Knob]) -> Figure:
    """A bar to either side for each parameter, those that sway most on top: the change of time halved and doubled."""
    shown = knobs[:_MOST_KNOBS]
    with new_figure(6.4, 1.2 + 0.3 * len(shown)) as figure:
        axes = figure.subplots()
        places = range(len(shown))
        for label, colour, times, values in (
            ("half", "#56B4E9", [knob.half_time for knob in shown], [knob.half for knob in shown]),
            ("double", "#D55E00", [knob.double_time for knob in shown], [knob.double for knob in shown]),
        ):
            widths = [0.0 if time is None else 100 * (time - 1) for time in times]
            axes.barh(places, widths, 0.6, label=label, color=colour, alpha=0.85)
            for place, width, value in zip(places, widths, values, strict=True):
                if width and value is not None:
                    axes.annotate(
                        f"{value:g}", (width, place), (3 if width > 0 else -3, 0), textcoords="offset points",
                        ha="left" if width > 0 else "right", va="center", fontsize=7,
                    )  # fmt: skip
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(places, [f"{knob.key} = {knob.value:g}" for knob in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.margins(x=0.12)
        axes.set_xlabel("change of time, % (left is faster)")
        legend_below(figure, axes)
        return figure
