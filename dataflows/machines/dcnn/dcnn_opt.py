"""DCNN-opt: DCNN that saves energy where zeros are, and no cycle of its multipliers.

Source: Parashar et al., ISCA 2017, section on the evaluated architectures: a multiplier whose operand is zero is gated,
and activations are compressed where they cross the border to DRAM.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.machines.dcnn.dcnn import Dcnn
from dataflows.machines.dcnn.dcnn_spec import DcnnSpec
from dataflows.schedule import LayerSchedule, Tensor
from dataflows.tiling.dram_layout import bits_to_bytes
from workloads.formats.kinds.gaps import GapCode
from workloads.trace import LayerTrace


class DcnnOptSpec(DcnnSpec):
    """Parameters of DCNN-opt: those of DCNN, and the compression of activations in DRAM."""

    zero_run_bits: int = Field(
        4, ge=1, le=16, description="bits of the zero-run field of an activation in DRAM (assumption: SCNN's, Table II)"
    )


class DcnnOpt(Dcnn):
    """DCNN with gated multipliers and activations compressed in DRAM; in its SRAM and datapath it is DCNN.

    An activation in DRAM is a non-zero with the run of zeros before it, as SCNN stores it; 2^bits zeros in a row take a
    placeholder. A map, or a tile's share of the outputs, that would be larger than as it is goes as it is (assumption).
    Placeholders of outputs, whose places are not known, are not counted. The bytes of a compressed map are read in
    equal slices, as DCNN reads those of a dense one. Coding takes no cycles: one value a lane and cycle is assumed.

    The adder tree and the accumulators work in every step, since only multipliers are gated (assumption).
    """

    name = "dcnn-opt"
    display = "DCNN-opt"
    title = "DCNN-opt: DCNN whose multipliers zeros gate, activations compressed in DRAM (ISCA 2017)"
    Spec = DcnnOptSpec
    spec: DcnnOptSpec
    baseline_name = "dcnn"
    skips_zeros = True  # no cycle of the multipliers, but bytes, and cycles with them
    gates_zeros = True

    def baseline_settings(self) -> dict[str, Any]:
        """DCNN of the same array and SRAM."""
        return {key: getattr(self.spec, key) for key in ("pe_rows", "pe_columns", "multipliers_per_pe", "sram_bytes")}

    def stored_map_bytes(self, values: int, nonzeros: int) -> int:
        """Entries of non-zeros, or the map as it is."""
        return bits_to_bytes(min(nonzeros * self._entry_bits, values * self.spec.value_bits))

    def components(self) -> tuple[Component, ...]:
        """DCNN's, and the coders between SRAM and DRAM, one a lane of a PE."""
        lanes, bits = self.spec.multipliers_per_pe, self.spec.zero_run_bits
        return *super().components(), Component("zero_run_coders", Kind.COUNTER, lanes, bits, purpose="sparsity")

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """DCNN's; the coders see each value that crosses the border."""
        counts = super().actions(trace, schedule, effectual_macs)
        counts.add("zero_run_coders", Action.COUNT, sum(self.moved_values(trace, schedule)))
        return counts

    def moved_values(self, trace: LayerTrace, schedule: LayerSchedule) -> tuple[int, int]:
        """As DCNN's: all values of a map come as often as DCNN's would, whatever bytes they take."""
        layer = trace.layer
        times = self._times_read(layer, self.planned(layer)) if schedule.loads.bytes_of(Tensor.INPUT) else 0
        return times * layer.input_count, layer.output_count if schedule.stores.total_bytes else 0

    @property
    def _entry_bits(self) -> int:
        return self.spec.value_bits + self.spec.zero_run_bits

    def _stored_input_bytes(self, trace: LayerTrace) -> int:
        images = trace.activation_mask.reshape(trace.layer.batch, -1)
        # One list an image: 33 zeros before a non-zero take 33 // 16 = 2 placeholders with 4 bits.
        fillers = GapCode(origin=-1, reach=1 << self.spec.zero_run_bits).fillers(images)
        bits = (np.count_nonzero(images, axis=1) + fillers) * self._entry_bits
        return int(bits_to_bytes(np.minimum(bits, images.shape[1] * self.spec.value_bits)).sum())

    def _stored_output_bits(self, outputs: np.ndarray, density: float) -> np.ndarray:
        nonzeros = np.ceil(outputs * density).astype(np.int64)
        return np.minimum(nonzeros * self._entry_bits, outputs * self.spec.value_bits)
