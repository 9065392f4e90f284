"""What a run measures: each number once, with its names, its form and its sense, for tables, pages and figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from dataflows.schedule import Cause
from workloads.units import BYTES_PER_MB

Row = Mapping[str, Any]
"""A layer, a total or a machine's size, on one level with dotted keys, as `flat` gives it."""

STACK = "pe_cycle_stack."
PJ_PER_MILLIJOULE = 1e9
BASELINE, OVER_BASELINE = "baseline", "speedup_over_baseline"
"""What reports call a baseline that machines have in common (`common_baseline`), and the speedup over it."""
_PLAIN = frozenset({int, float, str, bool})
_TABLES = frozenset({"actions", "area", "energy", "network", "tops_per_watt"})
"""Keys of tables; where one is null none of its columns is there."""


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one level with dotted keys; lists and tuples are left out, for they have no column."""
    row: dict[str, Any] = {}
    _flatten(data, prefix, row)
    return row


def _flatten(data: Mapping[str, Any], prefix: str, row: dict[str, Any]) -> None:
    for key, value in data.items():
        kind = type(value)
        if kind in _PLAIN:  # most are; asking for abstract types takes long
            row[prefix + key] = value
        elif kind is dict or isinstance(value, Mapping):
            # {"dram": {"read_bytes": 3}} becomes {"dram.read_bytes": 3}.
            _flatten(value, f"{prefix}{key}.", row)
        elif not (isinstance(value, list | tuple) or (value is None and key in _TABLES)):
            row[prefix + key] = value


@dataclass(frozen=True)
class Metric:
    """One number of a row.

    column          where it stands in a row, which is its name in the JSON report; empty where none holds it
    heading         of its column in tables; empty where no table shows it
    form            how tables write it
    compute         what tables show where that is not the column as it stands
    meaning         what a legend says of the heading; empty where it speaks for itself
    title           what a figure's axis says; empty: the column's name
    more_is_better  of all others, costs and settings, less is; `sense_of` knows what is neither
    """

    column: str
    heading: str = ""
    form: str = "{:.2f}"
    compute: Callable[[Row], Any] | None = None
    meaning: str = ""
    title: str = ""
    more_is_better: bool = False

    def value(self, row: Row) -> Any:
        """What tables show of a row; None where it has none."""
        return row.get(self.column) if self.compute is None else self.compute(row)

    def written(self, value: Any) -> str:
        """A value as tables write it; a word (such as inf) stands as it is."""
        return "-" if value is None else value if isinstance(value, str) else self.form.format(value)

    def text(self, row: Row) -> str:
        """A row's value as tables write it."""
        return self.written(self.value(row))


def _share(part: str, whole: Callable[[Row], float]) -> Callable[[Row], float]:
    """A column over a whole; 0 where there is no whole."""

    def share(row: Row) -> float:
        every = whole(row)
        return row.get(part, 0) / every if every else 0.0

    return share


def _slots(row: Row) -> int:
    # The row of a network as one run says nothing of multipliers.
    return row.get("multipliers", 0) * row["cycles"]


def _pe_cycles(row: Row) -> int:
    return sum(row.get(STACK + cause.key, 0) for cause in Cause)


def _moved_mb(row: Row) -> float:
    return (row["dram.read_bytes"] + row["dram.write_bytes"]) / BYTES_PER_MB


def _energy_share(part: str) -> Callable[[Row], float | None]:
    """A part of the energy; None where a row has none, as of a machine without energy."""
    share = _share(part, lambda row: row["energy.total_pj"])
    return lambda row: None if row.get("energy.total_pj") is None else share(row)


def _band(row: Row) -> str | None:
    if row.get("energy.total_pj") is None:
        return None
    return "-".join(f"{row[f'energy.{end}_pj'] / PJ_PER_MILLIJOULE:,.3g}" for end in ("low", "high"))


CYCLES = Metric("cycles", "cycles", "{:,.0f}")
TIME = Metric("time_us", "ms", "{:,.3f}", lambda row: row["time_us"] / 1000, title="time, µs")
SPEEDUP = Metric(
    "speedup",
    "speedup",
    meaning="over the machine's own dense baseline",
    title="speedup over the dense baseline",
    more_is_better=True,
)


def over_baseline(label: str) -> Metric:
    """The speedup over a common baseline of that name."""
    return Metric(
        OVER_BASELINE,
        f"over {label}",
        meaning="in time, on the same layers",
        title=f"speedup over {label}",
        more_is_better=True,
    )


UTILIZATION = Metric(
    "utilization", "util", "{:.1%}", meaning="multiplier slots that held a product", more_is_better=True
)
EFFECTUAL = Metric(
    "effectual_utilization", "effectual", "{:.1%}", meaning="those with one of two non-zeros", more_is_better=True
)
IMBALANCE = Metric(
    "load_imbalance",
    "max/mean PE",
    meaning="busy cycles of the busiest PE over the mean of all, idle ones too, summed over barriers",
)
TRAFFIC = Metric("", "DRAM MB", "{:,.2f}", _moved_mb)
BOUND = Metric("bound_ratio", "cycles / bound", meaning="over the largest of the compute, fullest-PE and memory bounds")
EMPTY_LANES = Metric(
    "empty_lanes",
    "empty lanes",
    "{:.1%}",
    _share("fragmented_lanes", _slots),
    "multiplier slots without a product inside busy PEs; util and they make up busy",
)
NETWORK_TIME = Metric(
    "network.time_us",
    "network ms",
    "{:,.3f}",
    lambda row: None if row.get("network.time_us") is None else row["network.time_us"] / 1000,
    "all layers as one run",
    title="time of the network as one run, µs",
)
GAIN = Metric(
    "network.gain",
    "gain",
    "{:.3f}",
    meaning="cycles of the layers one by one over those of the network as one run",
    title="gain of the network as one run",
    more_is_better=True,
)
CAUSES = {
    cause: Metric(column, cause.key.replace("_", " "), "{:.1%}", _share(column, _pe_cycles))
    for cause in Cause
    # A loop over one value: it gives a name to what is used twice above.
    for column in (STACK + cause.key,)
}
"""The share of all PE-cycles by cause."""

FACTORS = (
    Metric("speedup_factors.size", "x size", meaning="multipliers and clock over the baseline's"),
    Metric(
        "speedup_factors.skipped",
        "x skipped",
        meaning="products the baseline issues over those issued here",
        more_is_better=True,
    ),
    Metric("speedup_factors.utilization", "x util", meaning="own utilization over the baseline's", more_is_better=True),
)
"""What a speedup is the product of."""

ENERGY = Metric(
    "energy.total_pj",
    "energy mJ",
    "{:,.4g}",
    lambda row: None if row.get("energy.total_pj") is None else row["energy.total_pj"] / PJ_PER_MILLIJOULE,
    title="energy, pJ",
)
POWER = Metric("power_mw", "mean mW", "{:,.4g}", title="mean power, mW")
EFFICIENCY = Metric(
    "tops_per_watt.dense",
    "TOPS/W",
    meaning="operations of all products, two each, over energy",
    title="10\u00b9\u00b2 operations a joule, all products",
    more_is_better=True,
)
EFFECTUAL_EFFICIENCY = Metric(
    "tops_per_watt.effectual",
    "effectual TOPS/W",
    meaning="operations of products of two non-zeros alone",
    title="10\u00b9\u00b2 operations a joule, effectual products",
    more_is_better=True,
)
ENERGY_VS_DENSE = Metric(
    "energy_vs_dense",
    "of dense",
    meaning="energy over the machine's own dense baseline's",
    title="energy over the dense baseline's",
)
ENERGY_BAND = Metric(
    "",
    "band mJ",
    "{}",
    _band,
    "what the sources of the prices leave open; published chips lie outside it, too (docs/energy.md)",
)
ENERGY_SHARES = (
    Metric("", "DRAM", "{:.1%}", _energy_share("energy.dram.total_pj")),
    Metric("", "multipliers", "{:.1%}", _energy_share("energy.components.multipliers")),
    Metric(
        "", "storage", "{:.1%}", _energy_share("energy.purposes.storage"), "buffers and registers, leakage included"
    ),
    Metric("", "sparsity", "{:.1%}", _energy_share("energy.purposes.sparsity"), "hardware for zeros, likewise"),
    Metric("", "leakage", "{:.1%}", _energy_share("energy.leakage_pj")),
)
"""Shares of the energy; storage and sparsity hold a part of the leakage each."""

AREA = Metric("area.total_mm2", "area mm2", "{:,.4g}", title="area, mm\u00b2")
AREA_SPARSITY = Metric("area.sparsity_share", "area for sparsity", "{:.1%}")

SIZE = (
    Metric("multipliers", "multipliers", "{:,}"),
    Metric("clock_ghz", "clock GHz", "{:g}"),
    Metric("on_chip_kib", "on-chip KiB", "{:,.1f}"),
    Metric("bandwidth_gbs", "GB/s", "{:,g}"),
    Metric("bits", "bits", "{}"),
)
"""The size of a machine, in rows of `NetworkReport.size`."""


def _most_lost_to(row: Row) -> str | None:
    """What left most multiplier slots without a product; with the utilization all of them make up 1."""
    losses = (EMPTY_LANES, *(metric for cause, metric in CAUSES.items() if cause is not Cause.BUSY))
    # What rounds to 0.0% is no loss to name, hence the comparison of texts below.
    most = max(losses, key=lambda metric: metric.value(row))
    return None if most.text(row) == most.written(0.0) else f"{most.heading} {most.text(row)}"


MOST_LOST = Metric("", "most lost to", compute=_most_lost_to)

_DRAWN = (
    TIME,
    SPEEDUP,
    over_baseline("the common baseline"),
    UTILIZATION,
    EFFECTUAL,
    Metric("dram.burst_bytes", title="DRAM traffic, bytes"),
    Metric("dram.read_bytes", title="read from DRAM, bytes"),
    Metric("dram.write_bytes", title="written to DRAM, bytes"),
    Metric("dram.efficiency", title="DRAM efficiency", more_is_better=True),
    NETWORK_TIME,
    GAIN,
    Metric("network.cycles", title="cycles of the network as one run"),
    Metric("network.inputs.interval_us", title="time from one input to the next, µs"),
    Metric("network.inputs.images_per_s", title="images a second, one behind the other", more_is_better=True),
    ENERGY,
    POWER,
    EFFICIENCY,
    EFFECTUAL_EFFICIENCY,
    ENERGY_VS_DENSE,
    Metric("energy_delay_product", title="energy-delay product, J\u00b7s"),
    AREA,
    Metric("network.energy.total_pj", title="energy of the network as one run, pJ"),
    Metric("network.power_mw", title="mean power of the network as one run, mW"),
    Metric(
        "network.tops_per_watt.dense",
        title="10\u00b9\u00b2 operations a joule, network as one run",
        more_is_better=True,
    ),
    Metric(
        "network.tops_per_watt.effectual",
        title="10\u00b9\u00b2 operations a joule, effectual products, network as one run",
        more_is_better=True,
    ),
    Metric("dram.achieved_gbs", title="DRAM bandwidth, GB/s", more_is_better=True),
)
_BY_COLUMN = {metric.column: metric for metric in (*_DRAWN, *FACTORS)}
_NEITHER = (
    "multipliers", "pes", "tiles", "dense_*", "weight_macs", "effectual_macs", "*_density", "speedup_factors.size",
    "*pe_cycle_stack.busy", "*buffer_peak_bytes.*", "dram.peak_gbs", "*.row_hits",
    "network.inputs.count", "network.inputs.images", "actions.*", "area.*sparsity_share", "*energy.sparsity_share",
)  # fmt: skip
"""Columns that say how large a machine or its work is; of them neither more nor less is better."""


_SETTINGS = {"weight_density": "density of weights", "activation_density": "density of activations"}
_WORDS = {"dram": "DRAM", "pe": "PE", "pes": "PEs"}
_UNITS = {
    "gbs": "GB/s", "hz": "Hz", "ghz": "GHz", "ns": "ns", "us": "\u00b5s", "ms": "ms", "bytes": "bytes", "kib": "KiB",
    "nm": "nm", "mm2": "mm\u00b2", "pj": "pJ", "mw": "mW",
}  # fmt: skip


def metric_of(column: str) -> Metric:
    """The metric of any column of a row, settings included."""
    return _BY_COLUMN.get(column) or Metric(column)


def sense_of(column: str) -> int:
    """1 for a column of which more is better, -1 where less is, 0 for the size of a machine or of its work."""
    if any(fnmatchcase(column, glob) for glob in _NEITHER):
        return 0
    return 1 if metric_of(column).more_is_better else -1


def title_of(column: str) -> str:
    """What an axis says of a column of a row."""
    if (title := metric_of(column).title) or (title := _SETTINGS.get(column)):
        return title
    unit = unit_of(column)
    words = column.rpartition("_")[0] if unit else column
    words = " ".join(_WORDS.get(word, word) for word in re.split(r"[_.]", words))
    return f"{words}, {unit}" if unit else words


def unit_of(column: str) -> str:
    """The unit that a column's name ends in; empty without one."""
    _, sign, ending = column.rpartition("_")
    return _UNITS.get(ending, "") if sign else ""
