"""A layer on a machine and its cycles, worked out by hand from the machine's description.

No kernel and no schedule was read for them: formulas come from docstrings and settings. Most were written down before
the simulator was asked; a machine's file says which were not. Memory is infinitely fast and buffers take whatever comes,
so that cycles are the machine's own. Masks are chosen such that what a description leaves open does not matter. Where
derivation and simulator differed one of the two, or the description, was mended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest

from dataflows.registry import create
from simulator.network_simulation import MachineRun
from tests.conformance.hand_derived.masks import Maker, drawn_by
from workloads.layer import Layer
from workloads.trace import LayerTrace

_OWN_CYCLES = {"dram": {"bandwidth_gbs": inf, "latency_ns": 0.0}, "buffers": {"port_bytes": 1 << 30}}
"""Neither memory nor the ports of buffers ever hold a machine up."""


@dataclass(frozen=True)
class Pair:
    """A layer on a machine: masks of its shapes (or values), settings over the defaults, and the derived cycles."""

    machine: str
    layer: Layer
    cycles: int
    settings: dict[str, Any] = field(default_factory=dict)
    weights: Maker | None = None
    activations: Maker | None = None

    def __str__(self) -> str:
        return f"{self.machine}-{self.layer.name}"

    def simulated(self) -> int:
        """Cycles that the simulator gives."""
        weights = drawn_by(self.weights, self.layer.weight_shape)
        activations = drawn_by(self.activations, self.layer.input_shape)
        run = MachineRun(create(self.machine, {**_OWN_CYCLES, **self.settings}))
        return run.layer(LayerTrace(self.layer, weights, activations)).cycles


def each_pair(pairs: Sequence[Pair]) -> pytest.MarkDecorator:
    """Run the test for each of the pairs."""
    return pytest.mark.parametrize("pair", pairs, ids=str)
