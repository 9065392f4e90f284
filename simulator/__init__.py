"""WHEN it happens: discrete events, reports, plots and the command.

`import simulator` is quick: the names below are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "LayerReport": "simulator.report",
    "LayerSimulation": "simulator.layer_simulation",
    "NetworkReport": "simulator.report",
    "Observer": "simulator.layer_simulation",
    "simulate": "simulator.network_simulation",
}

__all__ = ["LayerReport", "LayerSimulation", "NetworkReport", "Observer", "simulate"]  # noqa: F822 (see __getattr__)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'simulator' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
