"""WHEN it happens: discrete events, reports, plots and the command.

`import simulator` is quick: the names below are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.engine.layer_simulation import LayerSimulation
    from simulator.engine.observer import Observer
    from simulator.network_simulation import simulate
    from simulator.reports.report import LayerReport, NetworkReport
    from simulator.studies.store import load_results

_HOMES = {
    "LayerReport": "simulator.reports.report",
    "LayerSimulation": "simulator.engine.layer_simulation",
    "NetworkReport": "simulator.reports.report",
    "Observer": "simulator.engine.observer",
    "load_results": "simulator.studies.store",
    "simulate": "simulator.network_simulation",
}

__all__ = ["LayerReport", "LayerSimulation", "NetworkReport", "Observer", "load_results", "simulate"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'simulator' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
