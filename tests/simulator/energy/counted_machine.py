"""A machine that counts a few actions, so that what is priced can be worked out by hand."""

from __future__ import annotations

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.machines.dcnn import Dcnn
from dataflows.schedule import Tensor

WEIGHT_WORD_BITS = 16


class CountedDcnn(Dcnn):
    """DCNN with multipliers, accumulators, a weight buffer and an index that it has no use for."""

    def components(self):
        spec = self.spec
        multipliers = spec.pe_rows * spec.pe_columns * spec.multipliers_per_pe
        pes = spec.pe_rows * spec.pe_columns
        return (
            Component("multipliers", Kind.MULTIPLIER, multipliers, 16),
            Component("accumulators", Kind.REGISTERS, pes, 24, words=16, purpose="storage"),
            Component("weight_buffer", Kind.SRAM, 1, 64, words=1024, banks=4, purpose="storage"),
            Component("index", Kind.COUNTER, pes, 8, purpose="sparsity"),
        )

    def actions(self, trace, schedule, effectual_macs):
        counts = ActionCounts.of(self.components())
        counts.multiply(schedule, effectual_macs)
        issued = int(schedule.issued.sum())
        counts.access("accumulators", reads=issued, writes=issued)
        counts.access("weight_buffer", writes=-(-schedule.loads.bytes_of(Tensor.WEIGHT) // 8))
        counts.add("index", Action.COUNT, trace.layer.output_count)
        return counts
