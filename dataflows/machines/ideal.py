"""`ideal`: the bound of all machines with its multipliers and clock. Each does one effectual product in every cycle.

Its size is a setting (1,024 multipliers as SCNN by default): machines with more of them may well be faster.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from dataflows.accelerator import Accelerator
from dataflows.expected import ExpectedWork
from dataflows.hardware.actions import MULTIPLIERS, ActionCounts
from dataflows.hardware.components import Component, Kind
from dataflows.schedule import CAUSES, Cause, LayerSchedule, Runs
from dataflows.sizing import Scaling
from dataflows.specs import AcceleratorSpec, Count, DramSpec
from dataflows.truth.convolution import reference_convolution
from dataflows.truth.products import count_products, expected_products
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


class IdealSpec(AcceleratorSpec):
    """Parameters of the ideal machine."""

    multipliers: Count = Field(
        1024, description="multipliers, as many as SCNN has; set those of the machine that it is compared with"
    )
    skip: Literal["both", "nothing"] = Field(
        "both", description="both: only products of two non-zeros cost a slot; nothing: every product does (dense)"
    )
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=float("inf")),  # type: ignore[call-arg]
        description="nothing is ever transferred",
    )


class Ideal(Accelerator[IdealSpec]):
    """Products over multipliers, perfectly balanced, data always at hand: what zeros can give a machine of its size.

    One PE with all multipliers as its lanes, so the only loss is the last cycle's empty lanes. Its dense baseline is
    itself without skipping.
    """

    name: ClassVar[str] = "ideal"
    title: ClassVar[str] = (
        "bound for machines of its 1,024 multipliers (a setting): effectual products, balanced, no memory"
    )
    Spec = IdealSpec
    baseline_name: ClassVar[str | None] = "ideal"
    scaling: ClassVar[Scaling] = Scaling(
        factors=("multipliers",), growing=("multipliers",), unsized="data is always at hand, without buffers"
    )

    analytical_keys: ClassVar[tuple[str, ...]] = ("multipliers", "skip")

    def baseline_settings(self) -> dict[str, Any]:
        """The same multipliers, skipping nothing."""
        # Alike but for the skipping: its speedup is dense products over effectual ones, but for the
        # last cycle's empty lanes.
        return {"multipliers": self.spec.multipliers, "skip": "nothing"}

    def idle_settings(self) -> dict[str, str]:
        """Data is always at hand."""
        idle = ("value_bits", "prefetch_tiles", "write_back", "overlap", "pooling")
        tables = {"buffers": type(self.spec.buffers), "dram": type(self.spec.dram)}
        inner = [f"{table}.{key}" for table, spec in tables.items() for key in spec.model_fields]
        return dict.fromkeys((*idle, *inner), "this machine moves no data")

    def stored_map_bytes(self, values: int, nonzeros: int) -> int:
        """None: maps are always at hand."""
        del values, nonzeros
        return 0

    def issued_products(self, trace: LayerTrace) -> int:
        """Those of two non-zeros, or all of them."""
        # Padding is part of the dense count: a machine that skips nothing multiplies its zeros, too.
        return count_products(trace).effectual_macs if self.spec.skip == "both" else trace.layer.dense_macs

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile of ceil(products / multipliers) busy cycles."""
        products = self.issued_products(trace)
        cycles = np.zeros((1, 1, CAUSES), np.int64)
        # Rounded up: the last products take a whole cycle and leave lanes empty.
        cycles[0, 0, Cause.BUSY] = ceil_div(products, self.spec.multipliers)
        return LayerSchedule(
            pe_grid=(1, 1),
            lanes_per_pe=self.spec.multipliers,
            cycles=cycles,
            issued=np.full((1, 1), products, np.int64),
            drain_cycles=np.zeros(1, np.int64),
            accumulator_copies=1,
            loads=Runs.none(),
            stores=Runs.none(),
            buffers=(),
            prefetch_tiles=self.spec.prefetch_tiles,
            expected_issued=products,
            compulsory_bytes=0,
        )

    def components(self) -> tuple[Component, ...]:
        """Multipliers, whose operands are at hand."""
        return (Component(MULTIPLIERS, Kind.MULTIPLIER, self.spec.multipliers, self.spec.value_bits),)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """Products of two non-zeros, and all others where nothing is skipped."""
        del trace
        counts = ActionCounts.of(self.parts)
        counts.multiply(schedule, effectual_macs)
        return counts

    def expected_work(self, layer: Layer, weight_density: float, activation_density: float) -> ExpectedWork:
        """Expected products over multipliers."""
        _, effectual = expected_products(layer, weight_density, activation_density)
        products = np.array([effectual if self.spec.skip == "both" else float(layer.dense_macs)])
        return ExpectedWork((1, 1), self.spec.multipliers, products / self.spec.multipliers, products)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """The ideal machine has no order of its own: the reference convolution."""
        return reference_convolution(layer, weights, activations)
