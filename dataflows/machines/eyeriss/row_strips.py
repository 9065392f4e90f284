"""How a layer's waves of rows are joined to strips: weights come once for a strip, or inputs once for all filters.

Long strips load few weights twice. Their inputs may not stay in the buffer, so that they come again for every block of
filters whose sums have room; shorter strips join more filters to a block. The papers leave that to their search, and so
does this: of strips of every length the one is taken that the dense layer's estimated cycles and bytes are least for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dataflows.machines.eyeriss.expected_time import Aim
from dataflows.machines.eyeriss.mapping import Mapping, Rows, Ways
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.group_packs import GroupPacks
from dataflows.tiling.strips import PixelStrips
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div


@dataclass(frozen=True, eq=False)
class LaidOut:
    """A layer as the machine runs it: stacked, its mapping, and the tiles that follow.

    joined  rounds of filters whose sums of a strip have room together: inputs that stream come once for them
    """

    layer: Layer
    way: Mapping
    packs: GroupPacks
    strips: PixelStrips
    joined: int


def best_strips(layer: Layer, way: Mapping, aim: Aim) -> LaidOut:
    """The strips of a layer, of those of every length."""
    shape = Rows(layer)

    def cost(laid: LaidOut) -> tuple[float, float]:
        strips = laid.strips
        repeats = ceil_div(ceil_div(layer.group_out_channels, way.filters * way.blocks), laid.joined)
        positions = int(strips.run_positions.sum()) * (repeats if strips.streams_inputs else 1)
        time, moved = aim.time(shape, Ways.of(way), np.array([strips.count]), np.array([positions]))
        return float(time[0]), float(moved[0])

    return min(_choices(shape, way, aim), key=cost)


def _choices(shape: Rows, way: Mapping, aim: Aim) -> Iterator[LaidOut]:
    limits = aim.limits
    layer, packs = shape.layer, GroupPacks(shape.layer, way.groups)
    wave = way.rows * layer.output_size[-1]
    position_bytes = bits_to_bytes(limits.value_bits * way.groups * layer.group_in_channels)
    # Where inputs stay, a buffer that they share with sums is halved.
    inputs = limits.input_room // (1 if limits.sum_room is not None else 2)
    sums = (limits.input_room - inputs if limits.sum_room is None else limits.sum_room) // limits.sum_bits
    outputs = sums // (way.groups * way.blocks * way.filters)
    if outputs >= wave:
        held = PixelStrips.of(layer, wave, inputs=inputs // 8 // position_bytes, outputs=outputs)
        if not held.streams_inputs:
            yield LaidOut(layer, way, packs, held, 1)
    most = int(aim.waves_together(shape, Ways.of(way))[0])
    waves = ceil_div(shape.rows, way.rows)
    length = min(most, waves)
    while length:
        streamed = PixelStrips.of(layer, wave, inputs=0, outputs=length * wave, streams=True)
        yield LaidOut(layer, way, packs, streamed, max(1, most // length) if way.groups == 1 else 1)
        length //= 2
