"""SCNN: planar tiles that stay where they are, Cartesian products of compressed vectors, banked accumulators.

Source: Parashar et al., "SCNN: An Accelerator for Compressed-sparse Convolutional Neural Networks", ISCA 2017. Each PE
keeps a planar tile of the input. For each group of output channels and each (virtual) input channel it multiplies every
vector of I activations with every vector of F weights, and scatters the F x I products over the banks of its
accumulators. Weights are broadcast through a FIFO in every PE, in which a channel's block stays until it is done.

The rules of a step, a stall and a wait stand in `bank_queues`, the tiling in `planar_map`, the lists in
`nonzero_lists`, what fits on the chip in `activation_rams`, fully connected layers in `fully_connected`, and the
analytical model of the paper's density sweeps in `expected_work`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.expected import ExpectedWork
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.machines.scnn.expected_work import ANALYTICAL_KEYS, expected_planar, expected_sliced
from dataflows.machines.scnn.fully_connected import sliced_outputs
from dataflows.machines.scnn.hardware import count_products, scnn_components
from dataflows.machines.scnn.issued_products import issued_products
from dataflows.machines.scnn.nonzero_lists import as_bytes
from dataflows.machines.scnn.planar_schedule import executed_outputs, plan_of, planar_schedule
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.machines.scnn.sliced_schedule import sliced_schedule
from dataflows.schedule import LayerSchedule
from dataflows.sizing import Scaling
from dataflows.tiling.stored_weights import value_bits_of
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


class Scnn(Accelerator[ScnnSpec]):
    """The SCNN machine, and with `skip` its two one-sided relatives."""

    name = "scnn"
    display = "SCNN"
    title = "SCNN: planar tiles, Cartesian products of compressed vectors, banked accumulators (ISCA 2017)"
    Spec = ScnnSpec
    baseline_name = "dcnn"
    needs_constant_weights = (
        "its weights are compressed before the run, channel by channel and for blocks of filters, and its "
        "post-processing compresses another layer's results by planar tiles, which is no such form"
    )
    scaling = Scaling(
        factors=("pe_rows", "pe_columns", "weights_per_vector", "activations_per_vector"),
        growing=("pe_rows", "pe_columns"),
        buffers={"iaram_bytes": "pes", "oaram_bytes": "pes"},
        reason="PEs of F x I multipliers are added (assumption)",
    )

    analytical_keys = ANALYTICAL_KEYS

    def baseline_settings(self) -> dict[str, Any]:
        """DCNN of the same array."""
        spec = self.spec
        return {
            "pe_rows": spec.pe_rows,
            "pe_columns": spec.pe_columns,
            # 16 of 4 x 4, which DCNN takes for one dot product.
            "multipliers_per_pe": spec.weights_per_vector * spec.activations_per_vector,
        }

    def least_weight_bits(self) -> int:
        """A value of the format in which DRAM holds weights."""
        return value_bits_of(self.spec.weight_format, self.spec.value_bits)

    def stored_map_bytes(self, values: int, nonzeros: int) -> int:
        """Entries of non-zeros with their zero runs, as in the OARAM; fillers of long runs are not known beforehand."""
        rams = self.spec.rams
        return int(rams.bytes_of(values if rams.stores_zeros else nonzeros))

    def refusal(self, layer: Layer) -> str | None:
        """Volumes are refused, and kernels so large that the accumulators cannot hold one output channel's region."""
        if layer.axes != 2:
            return "its planar tiles and accumulators have two spatial axes, the layer has three"
        # Accumulators bound a slice of output channels as well, but that is cut into rounds and never refused.
        if not _is_sliced(layer) and plan_of(self.spec, layer) is None:
            return (
                f"one position's products reach more outputs than the {self.spec.accumulator_entries} accumulator "
                "entries of a PE hold"
            )
        return super().refusal(layer)

    def issued_products(self, trace: LayerTrace) -> int:
        """Every weight that is kept with every activation of its channel and phase, outside the map, too."""
        return issued_products(
            trace.layer, as_bytes(trace.weight_mask), as_bytes(trace.activation_mask), self.spec.keeps
        )

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each image, sub-tile and group of output channels, in this order."""
        self.require(trace.layer)
        return (sliced_schedule if _is_sliced(trace.layer) else planar_schedule)(self.spec, trace)

    def with_inputs_from_dram(self, trace: LayerTrace, schedule: LayerSchedule) -> LayerSchedule:
        """The same work, and the IARAMs filled from DRAM."""
        if _is_sliced(trace.layer):
            return super().with_inputs_from_dram(trace, schedule)
        return planar_schedule(self.spec, replace(trace, input_in_dram=True), schedule)

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return scnn_components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """Its products are of two non-zeros, inside the map or not, but for zeros of a side that is not skipped."""
        del effectual_macs  # those inside the map alone
        layer, counts = trace.layer, ActionCounts.of(self.parts)
        nonzero = schedule.expected_issued
        if any(self.spec.keeps):
            masks = as_bytes(trace.weight_mask), as_bytes(trace.activation_mask)
            nonzero = issued_products(layer, *masks, (False, False))
        counts.multiply(schedule, nonzero)
        count_products(counts, self.spec, layer, schedule, trace.output_density)
        return counts

    def expected_work(self, layer: Layer, weight_density: float, activation_density: float) -> ExpectedWork:
        """The model of the paper's density sweeps; see the module `expected_work`."""
        self.require(layer)
        expected = expected_sliced if _is_sliced(layer) else expected_planar
        return expected(self.spec, layer, weight_density, activation_density)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs by the machine's own lists and tiles, products outside the map included and dropped."""
        self.require(layer)
        if _is_sliced(layer):
            return sliced_outputs(layer, weights, activations, ceil_div(layer.out_channels, self.spec.pes))
        return executed_outputs(self.spec, layer, weights, activations)


def _is_sliced(layer: Layer) -> bool:
    """Fully connected geometry, whatever the layer is called."""
    return max(layer.input_size) == 1 and max(layer.kernel_size) == 1
