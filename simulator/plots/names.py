"""What pictures call machines, workloads and settings: as papers write them, with units, without `key=value`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dataflows.names import display_name as machine_name
from simulator.reports.metrics import title_of, unit_of
from workloads.catalog import display_name as workload_name

__all__ = ["machine_name", "setting_text", "settings_text", "workload_name", "workloads_text"]

_GIGA = 1e9
_SWITCH = {"True": "on", "False": "off"}


def workloads_text(names: Iterable[Any]) -> str:
    """Workloads as titles have them, each once; what has no name is left out."""
    return ", ".join(dict.fromkeys(workload_name(str(name)) for name in names if name))


def setting_text(key: str, value: Any) -> str:
    """A setting and its value, as in "queue depth 8", "DRAM bandwidth 12.8 GB/s" or "balance off"."""
    if key == "workload":
        return workload_name(str(value))
    unit = unit_of(key)
    title = title_of(key).removesuffix(f", {unit}")
    if unit == "Hz" and isinstance(value, int | float):
        value, unit = value / _GIGA, "GHz"
    shown = f"{value:g}" if isinstance(value, float) else _SWITCH.get(str(value), str(value))
    return f"{title} {shown} {unit}".rstrip()


def settings_text(row: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """The settings of a row that it has; None is one of other machines, which rows of one table have as well."""
    return [setting_text(key, row[key]) for key in keys if row.get(key) is not None]
