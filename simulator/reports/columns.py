"""What tables show of layers and totals, and of the sizes of machines: columns on figures of the JSON report."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dataflows.schedule import Cause

Row = Mapping[str, Any]
Columns = dict[str, Callable[[Row], str]]

_BYTES_PER_MB = 1e6
_NUMBER = re.compile(r"\d+")


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _factor(name: str) -> Callable[[Row], str]:
    return lambda row: _ratio(row["speedup_factors"][name])


def _losses(row: Row) -> dict[str, float]:
    """Shares of all multiplier slots by what left them without a product; with the utilization they make up 1."""
    stack, slots = row["pe_cycle_stack"], row["multipliers"] * row["cycles"]
    every = sum(stack.values()) or 1
    shares = {cause.key.replace("_", " "): stack[cause.key] / every for cause in Cause if cause is not Cause.BUSY}
    return {"empty lanes": row["fragmented_lanes"] / slots if slots else 0.0, **shares}


def _most_lost_to(row: Row) -> str:
    name, share = max(_losses(row).items(), key=lambda loss: loss[1])
    return "-" if _percent(share) == _percent(0) else f"{name} {_percent(share)}"


TIMES: Columns = {
    "cycles": lambda row: f"{row['cycles']:,}",
    "ms": lambda row: f"{row['time_us'] / 1000:,.3f}",
    "speedup": lambda row: _ratio(row["speedup"]),
}
FACTORS: Columns = {"x size": _factor("size"), "x skipped": _factor("skipped"), "x util": _factor("utilization")}
UTILIZATION: Columns = {"util": lambda row: _percent(row["utilization"])}
MORE: Columns = {
    "effectual": lambda row: _percent(row["effectual_utilization"]),
    "max/mean PE": lambda row: f"{row['load_imbalance']:.2f}",
    "DRAM MB": lambda row: f"{(row['dram']['read_bytes'] + row['dram']['write_bytes']) / _BYTES_PER_MB:,.2f}",
}
BOUND: Columns = {"cycles / bound": lambda row: _ratio(row["bound_ratio"])}
MOST_LOST: Columns = {"most lost to": _most_lost_to}
SIZE: Columns = {
    "multipliers": lambda size: _number(size["multipliers"], "{:,}"),
    "clock GHz": lambda size: _number(size["clock_ghz"], "{:g}"),
    "on-chip KiB": lambda size: _number(size["on_chip_kib"], "{:,.1f}"),
    "GB/s": lambda size: _number(size["bandwidth_gbs"], "{:,g}"),
    "bits": lambda size: _number(size["bits"], "{}"),
}
LEGEND = (
    "speedup: over the machine's own dense baseline. util: multiplier slots that held a product; effectual: of "
    "two non-zeros. max/mean PE: busy cycles of the busiest PE over the mean of all, idle ones too, summed over "
    "barriers. Then the share of PE-cycles by cause; imbalance there: PEs with work waiting for slower ones. empty "
    "lanes: multiplier slots without a product inside busy PEs; util and they make up busy."
)
FACTORS_LEGEND = (
    "speedup = x size (multipliers and clock over the baseline's) x skipped (products the baseline issues over those "
    "issued here) x util (own utilization over the baseline's)."
)
BOUND_LEGEND = "cycles / bound: over the largest of the compute, fullest-PE and memory bounds."


def _number(value: Any, form: str) -> str:
    return "-" if value is None else str(value) if isinstance(value, str) else form.format(value)


def cause_columns(rows: Sequence[Row]) -> Columns:
    """The share of PE-cycles of each cause that any row has, and beside busy the share of empty lanes."""
    columns: Columns = {}
    for cause in Cause:
        if any(row["pe_cycle_stack"][cause.key] for row in rows):
            columns[cause.key.replace("_", " ")] = _cause(cause.key)
        if cause is Cause.BUSY and any(row["fragmented_lanes"] for row in rows):
            columns["empty lanes"] = lambda row: _percent(_losses(row)["empty lanes"])
    return columns


def _cause(key: str) -> Callable[[Row], str]:
    return lambda row: _percent(row["pe_cycle_stack"][key] / (sum(row["pe_cycle_stack"].values()) or 1))


def notes_by_layers(layers: Sequence[Row], *, alike: bool = False) -> list[str]:
    """Each note of a machine once, with the layers that it is about.

    With `alike` notes that differ in numbers only are one, in the words of the first layer.
    """
    about: dict[str, list[tuple[str, str]]] = {}
    for layer in layers:
        for note in layer["notes"]:
            key = _NUMBER.sub("#", note) if alike else note
            about.setdefault(key, []).append((layer["name"], note))
    return [_note(told) for told in about.values()]


def _note(told: Sequence[tuple[str, str]]) -> str:
    """One line of (layer, note) that are alike."""
    (first, note), more = told[0], len(told) - 1
    same = len({text for _, text in told}) == 1
    if same and more <= 1:
        return f"{', '.join(name for name, _ in told)}: {note}"
    layers = f"{more} more layer{'' if more == 1 else 's'}"
    return f"{first} and {layers}{'' if same else ' with other numbers'}: {note}"
