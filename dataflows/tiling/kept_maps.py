"""Maps that stay on the chip between layers: what of a layer's inputs and outputs crosses DRAM then.

A map that the machine's own activation memory holds stays there: outputs that fit never leave, inputs that fit were
left there by the layer before, but for the network's own input, which comes once. A map that does not fit comes, or
goes, as a `StripPlan` cuts it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dataflows.schedule import BufferUse, Runs, Tensor
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripTransfers
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.windows import inputs_read
from workloads.layer import Layer
from workloads.whole_numbers import boundaries


@dataclass(frozen=True)
class KeptMaps:
    """The maps of a layer beside a memory that has room for `room_bytes` of inputs, and for as many of outputs.

    layer          the layer as the machine runs it
    input_in_dram  whether the input is the network's own
    """

    layer: Layer
    input_in_dram: bool
    room_bytes: int
    value_bits: int

    @property
    def inputs_stay(self) -> bool:
        """Whether the inputs of the whole batch fit."""
        # The batch goes through a layer as a whole: the maps of all its images wait until the next layer begins.
        return self._fits(self.layer.input_count)

    @property
    def outputs_stay(self) -> bool:
        """Whether the outputs of the whole batch fit."""
        return self._fits(self.layer.output_count)

    @property
    def spills(self) -> bool:
        """Whether either does not."""
        return not (self.inputs_stay and self.outputs_stay)

    def _fits(self, values: int) -> bool:
        return bits_to_bytes(values * self.value_bits) <= self.room_bytes

    def input_positions(self, held: int) -> int:
        """Input positions that strips may read: as many as a map has twice where it stays, else `held`.

        Strips take half of the room for themselves, which must not cut a map that is there anyway.
        """
        # Half of it is then the map itself.
        return 2 * math.prod(self.layer.input_size) if self.inputs_stay else held

    def transfers(
        self,
        traffic: StripTraffic,
        buffers: tuple[BufferUse, ...],
        weight_bytes: int,
        *,
        resident: bool = False,
    ) -> StripTransfers:
        """What still crosses DRAM of a plan's traffic.

        weight_bytes  all weights of the layer, each once
        resident      whether they lie on the chip before the layer starts
        """
        return StripTransfers(
            self._loads(traffic, resident=resident),
            Runs.none() if self.outputs_stay else traffic.stores(),
            buffers,
            self._compulsory_bytes() + (0 if resident else weight_bytes),
            () if resident else traffic.notes(),
            spills=self.spills,
        )

    def _loads(self, traffic: StripTraffic, *, resident: bool) -> Runs:
        """Inputs, then weights."""
        every = traffic.loads()
        # The strips' own loads of a map that is there fall away. In their place comes the whole map, once, if it is the
        # network's.
        on_chip = np.zeros(len(every.tensor), np.bool_)
        for tensor, there in ((Tensor.INPUT, self.inputs_stay), (Tensor.WEIGHT, resident)):
            on_chip |= (every.tensor == tensor) & there
        runs = Runs(*(getattr(every, name)[~on_chip] for name in Runs.__dataclass_fields__))
        return Runs.merge(self._whole_maps(traffic.plan), runs) if self.inputs_stay and self.input_in_dram else runs

    def _whole_maps(self, plan: StripPlan) -> Runs:
        """Each image's and group's input map, once; they lie one after the other from address 0, as (n, g)."""
        values = np.tile(plan.channels * math.prod(self.layer.input_size), self.layer.batch)
        # Edges are rounded up and not sizes, so that sizes add up to the whole: three maps of 3 values of 4 bits end at
        # the bytes 2, 3 and 5.
        edges = bits_to_bytes(boundaries(values) * self.value_bits)
        # In DRAM images come first, among the tiles groups do.
        order = np.arange(len(values)).reshape(self.layer.batch, -1).T.reshape(-1)
        # A map takes its room from its first strip to its last.
        first, last = plan.tile_index[:, :, 0].reshape(-1), plan.tile_index[:, :, -1].reshape(-1)
        return Runs.per_tile(Tensor.INPUT, first, edges[order], np.diff(edges)[order], last_tile=last)

    def _compulsory_bytes(self) -> int:
        """Bytes of maps that must cross DRAM."""
        values = 0
        if self.input_in_dram or not self.inputs_stay:
            values += self.layer.batch * self.layer.in_channels * inputs_read(self.layer)
        if not self.outputs_stay:
            values += self.layer.output_count
        # Rounded down, as a bound from below has to be.
        return values * self.value_bits // 8
