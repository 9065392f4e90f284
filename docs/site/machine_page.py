"""The page of a machine: what it is, a picture, parameters with their sources, what it cannot run, its figures."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Any

from pydantic import BaseModel

from dataflows.accelerator import Accelerator
from dataflows.schedule import LayerSchedule, Tensor
from simulator.terminal.probes import PROBES
from simulator.validation.figures import FigureSet
from workloads.source import Drawn, DrawnBatch, LayerSource
from workloads.workload import Workload

_SQUARES = 8  # of an array drawn at most along a side
_DENSITY = 0.5


def markdown(chosen: type[Accelerator]) -> str:
    """The page of a machine as Markdown."""
    machine = chosen()
    name = chosen.display or chosen.name
    lines = [
        f"# {name}",
        f"`{chosen.name}`: {chosen.title}.",
        f"![Memory, buffers and processing elements of {name}]({chosen.name}.svg)",
        inspect.cleandoc(sys.modules[chosen.__module__].__doc__ or ""),
        _against(chosen),
        "## Parameters",
        "What a paper says stands with its place; an *assumption* is what no paper says.",
        _table(("parameter", "default", "what it is"), _parameters(chosen.Spec, machine.spec)),
        *_built_of(machine),
        "## What it can run",
        _table(("layer", "", "why not"), _runs(machine)),
        "How it treats groups, and what of a layer lies on the chip before it starts: [all machines](../machines.md).",
        *_figures(chosen.name),
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def _against(chosen: type[Accelerator]) -> str:
    base = chosen.baseline_name
    if base is None:
        return "It is its own dense baseline."
    return f"Speedups are over its dense baseline, [`{base}`]({base}.md), at its own size."


def _parameters(kind: type[BaseModel], values: BaseModel, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for key, field in kind.model_fields.items():
        value = getattr(values, key)
        if isinstance(value, BaseModel):
            if key == "dram":  # one for all machines; what differs is its size
                yield f"`{prefix}dram.*`", f"`{value.bandwidth_gbs:g}` GB/s", field.description or "memory"  # type: ignore[attr-defined]
            else:
                yield from _parameters(type(value), value, f"{prefix}{key}.")
        else:
            yield f"`{prefix}{key}`", f"`{value}`", field.description or ""


def _built_of(machine: Accelerator) -> Iterator[str]:
    if machine.parts:
        yield "## What it is built of"
        rows = ((f"`{one.name}`", one.kind.value, f"{one.count:,}", _size(one), one.purpose) for one in machine.parts)
        yield _table(("component", "kind", "count", "size of each", "for"), rows)


def _size(one: Any) -> str:
    size = f"{one.words:,} x {one.bits} bits" if one.words > 1 else f"{one.bits} bits"
    banks = f", {one.banks} banks" if one.banks > 1 else ""
    ways = f", {one.inputs} to {one.outputs}" if one.inputs > 1 or one.outputs > 1 else ""
    return size + banks + ways


def _runs(machine: Accelerator) -> Iterator[tuple[str, str, str]]:
    for what, layer in PROBES.items():
        reason = machine.refusal(layer)
        yield what, "no" if reason else "yes", reason or ""


def _figures(name: str) -> Iterator[str]:
    """Published figures, and where ours leaves its goal."""
    known = _published()
    chosen = [figure for figure in known.figures if known.machine_of(figure) == name]
    yield "## Published against simulated"
    if not chosen:
        yield "No published figure is rebuilt on this machine."
        return
    yield (
        "A figure within its goal differs by less than that; of the others the recorded deviation is told, and what is "
        f"known of it in [deviations](../deviations.md). `prunesim validate --machine {name}` simulates all of them."
    )
    yield _table(("figure", "published", "simulated", "source"), (_figure(known, figure) for figure in chosen))


def _figure(known: FigureSet, figure: Any) -> tuple[str, str, str, str]:
    goal, outside = known.goal_of(figure), known.recorded.get(figure.id)
    published = f"{'at most ' if figure.most else ''}{figure.published:g} {figure.unit}"
    if outside is None:
        return f"`{figure.id}`", published, f"within {goal}", figure.source
    value = goal.value(outside.deviation, figure.published)
    return f"`{figure.id}`", published, f"{value:.4g} ({goal.text(outside.deviation)})", figure.source


@cache
def _published() -> FigureSet:
    return FigureSet.read()


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def picture(chosen: type[Accelerator]) -> str:
    """Memory, buffers with what passes through them, and the array, as the schedule of a small layer has them: SVG."""
    machine = chosen()
    plan = next(_schedules(machine))
    rows, columns = plan.pe_grid
    shown = min(rows, _SQUARES), min(columns, _SQUARES)
    side = 18
    height = max(60 + 46 * len(plan.buffers), 70 + side * shown[0], 120)
    bandwidth = machine.spec.dram.bandwidth_gbs
    memory = "without limit" if math.isinf(bandwidth) else f"{bandwidth:g} GB/s"
    parts = [_box(10, 30, 90, height - 50, ["DRAM", memory], "#DDDDDD")]
    for place, buffer in enumerate(plan.buffers):
        top = 30 + 46 * place
        parts.append(_box(150, top, 170, 38, [buffer.name.replace("_", " "), _room(buffer)], "#B9DDF4"))
        into = buffer.tensor is not Tensor.OUTPUT
        parts += [_arrow(100, 150, top + 19, right=into), _arrow(320, 380, top + 19, right=into)]
    for row in range(shown[0]):
        for column in range(shown[1]):
            parts.append(
                f'<rect x="{390 + side * column}" y="{50 + side * row}" width="{side - 3}" height="{side - 3}"/>'
            )
    count = f"{rows:,} x {columns:,} PEs" if rows * columns > 1 else "one PE"
    lanes = f"of {plan.lanes_per_pe:,} multiplier{'s' if plan.lanes_per_pe > 1 else ''}"
    more = " (some drawn)" if shown != (rows, columns) else ""
    said = f"{count} {lanes}{more}"
    parts.append(f'<text x="390" y="40">{said}</text>')
    width = 400 + max(8 * len(said), side * shown[1])
    style = "text {font: 13px sans-serif; fill: #222} rect {fill: #0072B2} .box, line {stroke: #444; stroke-width: 1.5}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<style>{style}</style><rect width="100%" height="100%" style="fill: #fff"/>{"".join(parts)}</svg>\n'
    )


def _schedules(machine: Accelerator) -> Iterator[LayerSchedule]:
    """Schedules of the layers that the machine can run."""
    for layer in PROBES.values():
        if machine.refusal(layer) is None:
            source = LayerSource(0, layer, Drawn(_DENSITY), DrawnBatch(_DENSITY))
            yield machine.schedule(Workload("probe", (source,)).trace(0))


def _room(buffer: Any) -> str:
    if buffer.streamed:
        return f"{buffer.tensor.key}s pass through"
    return f"{buffer.tensor.key}s, {buffer.capacity_bytes / 1024:,.4g} KiB"


def _box(x: int, y: int, width: int, height: int, lines: list[str], colour: str) -> str:
    texts = "".join(
        f'<text x="{x + width / 2:g}" y="{y + height / 2 + 5 + 16 * (place - (len(lines) - 1) / 2):g}" '
        f'text-anchor="middle">{escape(line)}</text>'
        for place, line in enumerate(lines)
    )
    return f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="4" style="fill: {colour}"/>{texts}'


def _arrow(start: int, end: int, y: int, *, right: bool) -> str:
    tip, back = (end, -7) if right else (start, 7)
    lines = (start, y, end, y), (tip, y, tip + back, y - 4), (tip, y, tip + back, y + 4)
    return "".join(f'<line x1="{a}" y1="{b}" x2="{c}" y2="{d}"/>' for a, b, c, d in lines)
