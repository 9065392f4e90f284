"""Networks of two or three layers worked out by hand from docs/network.md, for its engine and its twin.

Memory moves one byte a cycle in bursts of one byte, without latency. So a load of n bytes that is asked for in cycle a and
held up by none begins to be there in a + 1 and is there in a + n; a tile of d cycles on it that starts in s ends in
s + d, or d / n behind its last byte where that is later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dataflows.schedule import BufferUse, LayerSchedule, Runs, Tensor
from simulator.engine.network_layers import NetworkLayer, Overlap, Read
from tests.simulator.engine.schedules import runs, schedule

INPUTS, WEIGHTS = BufferUse("inputs", Tensor.INPUT, 100), BufferUse("weights", Tensor.WEIGHT, 100)
RESULTS = BufferUse("results", Tensor.OUTPUT, 100)
TIGHT, FORTY = replace(RESULTS, capacity_bytes=10), replace(RESULTS, capacity_bytes=40)
BUFFERS = (INPUTS, WEIGHTS, RESULTS)


@dataclass(frozen=True, eq=False)
class ByHand:
    """A network, and by layer its beginning, its end and the first PE's cycles by cause, without those that are 0."""

    name: str
    layers: list[NetworkLayer]
    expected: list[tuple[int, int, dict[str, int]]]
    overlap: Overlap = "weights"
    write_back: Literal["overlapped", "blocking"] = "overlapped"


def weights(*rows: tuple[int, int]) -> Runs:
    """Weights from (tile, bytes)."""
    return runs(Tensor.WEIGHT, *rows)


def inputs(*rows: tuple[int, int]) -> Runs:
    """Inputs from (tile, bytes)."""
    return runs(Tensor.INPUT, *rows)


def results(*rows: tuple[int, int]) -> Runs:
    """Results from (tile, bytes)."""
    return runs(Tensor.OUTPUT, *rows)


def busy(cycles: list[int], *loads: Runs, **options: object) -> LayerSchedule:
    """Tiles of one PE, with the buffers that all layers share unless others are given."""
    both = {"loads": Runs.merge(Runs.none(), *loads), "buffers": BUFFERS}
    return schedule([[one] for one in cycles], **(both | options))  # pyright: ignore[reportArgumentType]


def network(*layers: LayerSchedule | tuple[LayerSchedule, list[Read], list[int]]) -> list[NetworkLayer]:
    """Layers, where need be with what they read and add."""
    full = [layer if isinstance(layer, tuple) else (layer, [], []) for layer in layers]
    return [NetworkLayer(f"{i}", plan, tuple(reads), tuple(adds)) for i, (plan, reads, adds) in enumerate(full)]


def in_line(tensor: Tensor, *sizes: int) -> Runs:
    """One run a tile, each behind the one before in memory."""
    return Runs.per_tile(tensor, np.arange(len(sizes)), np.cumsum(sizes) - sizes, np.array(sizes))


# Layer 0 starts with its first weight in 1 and ends in 21; its results are written from 21 to 31.
MAKER = busy([20], weights((0, 10)), stores=results((0, 10)))
# Its inputs stand before its weights.
READER = busy([10], inputs((0, 10)), weights((0, 10)))
CHAIN = network(MAKER, (READER, [Read(0)], []))

# Two tiles of ten cycles, from 1 to 11 and from 11 to 21, whose results are written from 11 to 19 and from 21 to 29.
HALVES = busy([10, 10], inputs((0, 2)), stores=in_line(Tensor.OUTPUT, 8, 8))
IN_HALVES = busy([10, 10], in_line(Tensor.INPUT, 8, 8))

# Ends in 21; its weights are there in 15.
FIFTEEN = busy([20], weights((0, 15)))
TEN = busy([10], weights((0, 10)))

# Two tiles, from 1 to 11 and from 11 to 21.
TWO = busy([10, 10], weights((0, 4)))
THIRTY = busy([10], weights((0, 30)))

SUM = replace(busy([10], stores=results((0, 5)), drain=[3]), operands=inputs((0, 10)))


def with_buffer(plan: LayerSchedule, use: BufferUse) -> LayerSchedule:
    """Another buffer for one tensor."""
    return replace(plan, buffers=tuple(use if one.tensor == use.tensor else one for one in BUFFERS))


def streams(plan: LayerSchedule, prefetch: int = 1) -> LayerSchedule:
    """Weights that take no room."""
    return replace(with_buffer(plan, replace(WEIGHTS, streamed=True)), prefetch_tiles=prefetch)


# Layer 1 asks for its second tile's weights when its first tile ends; that is drained nine cycles later.
OVERTAKING = network(
    busy([1], stores=results((0, 24))),
    busy([1, 40], weights((1, 4)), stores=results((0, 5)), drain=[9, 0], prefetch=0),
)


NETWORKS = [
    # R2: weights are asked for before the inputs, which have to wait. R3: in 1, when layer 0 begins; they come behind
    # its own, from 10 to 20. R4: inputs when its results are written, in 31, from 31 to 41. R1, R9: layer 1 begins in 21
    # and waits for its inputs; asked for in 31 they let it start in that cycle (R10), for the first of its loads is
    # there. Its ten cycles begin with the first input in 32 and end in 42.
    ByHand("weights ahead", CHAIN, [(0, 21, {"busy": 20, "memory": 1}), (21, 42, {"busy": 10, "memory": 11})]),
    # R8: both are asked for in 31, inputs first. Layer 0 waits for its writes until then; layer 1 starts in 32. Its last
    # weight comes in 51, and a tenth of its work behind it.
    ByHand(
        "serial",
        CHAIN,
        [(0, 31, {"busy": 20, "memory": 11}), (31, 52, {"busy": 10, "memory": 11})],
        overlap="serial",
    ),
    # R2: the second tile's weights are held up by the inputs before them: they are asked for in 31 and come from 41 to
    # 61. The first tile ends in 42 as above, the second starts then and ends a cycle behind the last of its 20 bytes.
    ByHand(
        "held up by inputs",
        network(MAKER, (busy([10, 10], inputs((0, 10)), weights((0, 10), (1, 20)), prefetch=2), [Read(0)], [])),
        [(0, 21, {"busy": 20, "memory": 1}), (21, 62, {"busy": 20, "memory": 11 + 10})],
    ),
    # R4 with tiles: the first half of the inputs, up to byte 8, needs the stores that begin below 8, the first tile's:
    # asked for in 19. Two bytes come by 21, the results of the second tile go first (they are more urgent), six more
    # come from 29 to 35. Layer 1 starts in 21 and ends its first tile 10 / 8 behind 35, in 37. The second half, asked
    # for when the other results are written in 29, comes from 35 to 43: in time for the work from 37 to 47.
    ByHand(
        "tiles",
        network(HALVES, (IN_HALVES, [Read(0, in_order=True)], [])),
        [(0, 21, {"busy": 20, "memory": 1}), (21, 47, {"busy": 20, "memory": 6})],
        overlap="tiles",
    ),
    # The same in another order needs all results: inputs from 29 to 37, start in 30, end in 40; the second half, asked
    # for when the first tile starts (R3), comes by 45.
    ByHand(
        "tiles out of order",
        network(HALVES, (IN_HALVES, [Read(0)], [])),
        [(0, 21, {"busy": 20, "memory": 1}), (21, 50, {"busy": 20, "memory": 9})],
        overlap="tiles",
    ),
    # R5: in a buffer of 25 bytes the next layer's ten have room beside the fifteen, and come from 15 to 25.
    ByHand(
        "room beside",
        network(*(with_buffer(plan, replace(WEIGHTS, capacity_bytes=25)) for plan in (FIFTEEN, TEN))),
        [(0, 21, {"busy": 20, "memory": 1}), (21, 31, {"busy": 10})],
    ),
    # In one of 24 bytes they wait for the end of layer 0, come from 21 to 31, and let layer 1 start in 22.
    ByHand(
        "no room beside",
        network(*(with_buffer(plan, replace(WEIGHTS, capacity_bytes=24)) for plan in (FIFTEEN, TEN))),
        [(0, 21, {"busy": 20, "memory": 1}), (21, 32, {"busy": 10, "memory": 1})],
    ),
    # So they do when the buffer bears another name.
    ByHand(
        "another buffer",
        network(FIFTEEN, with_buffer(TEN, replace(WEIGHTS, name="other"))),
        [(0, 21, {"busy": 20, "memory": 1}), (21, 32, {"busy": 10, "memory": 1})],
    ),
    # R3: what takes room waits for room alone, so that 30 bytes are asked for when layer 0 begins in 1 and come from 4 to
    # 34. Layer 1 ends a cycle behind them.
    ByHand("ahead", network(TWO, THIRTY), [(0, 21, {"busy": 20, "memory": 1}), (21, 35, {"busy": 10, "memory": 4})]),
    # Layer 1 has its first weight in 11, finds its inputs on the chip and begins when layer 0 has been drained, in 30; not
    # before then are the weights of layer 2 asked for (R3), though there is room and nothing else to move: from 30 to 50.
    ByHand(
        "no further ahead",
        network(busy([10], drain=[20]), (busy([5], weights((0, 2))), [Read(0)], []), busy([10], weights((0, 20)))),
        [(0, 10, {"busy": 10}), (10, 35, {"busy": 5, "memory": 1, "drain": 19}), (35, 51, {"busy": 10, "memory": 6})],
    ),
    # A stream waits for the start of the tile before, in 11, and comes by 41.
    ByHand(
        "stream",
        network(streams(TWO), streams(THIRTY)),
        [(0, 21, {"busy": 20, "memory": 1}), (21, 42, {"busy": 10, "memory": 11})],
    ),
    # Without prefetch for its end, in 21, room or not: from 21 to 51.
    ByHand(
        "no prefetch",
        network(TWO, replace(THIRTY, prefetch_tiles=0)),
        [(0, 21, {"busy": 20, "memory": 1}), (21, 52, {"busy": 10, "memory": 1 + 20})],
    ),
    # R6: of two copies and one the smaller number counts: layer 1 waits until layer 0 is drained, from 10 to 40.
    ByHand(
        "fewer copies",
        network(busy([10], drain=[30]), busy([10, 10], copies=1)),
        [(0, 10, {"busy": 10}), (10, 60, {"busy": 20, "drain": 30})],
    ),
    # So it does from one to two; inside layer 1 two count, and the second tile computes while the first is drained, from
    # 50 to 80, for which the end of the network waits.
    ByHand(
        "more copies",
        network(busy([10], drain=[30], copies=1), busy([10, 10], drain=[30, 0])),
        [(0, 10, {"busy": 10}), (10, 80, {"busy": 20, "drain": 30 + 20})],
    ),
    # R7: layer 1's operands are asked for when layer 0 has been made, in 20, and come by 30. It is drained in 23 and
    # written from 30 to 35. R9: the last layer waits at the network's end.
    ByHand(
        "sum",
        network(busy([10], stores=results((0, 10))), (SUM, [], [0])),
        [(0, 10, {"busy": 10}), (10, 35, {"busy": 10, "drain": 3, "memory": 12})],
    ),
    # A layer behind it with one copy of accumulators waits from 20 to 23 for the drain and to 30 for the operands.
    ByHand(
        "behind a sum",
        network(busy([10], stores=results((0, 10))), (SUM, [], [0]), busy([5], copies=1)),
        [(0, 10, {"busy": 10}), (10, 20, {"busy": 10}), (20, 35, {"busy": 5, "drain": 3, "memory": 7})],
    ),
    # R1: with blocking write-back layer 0 lasts until it is drained in 15 and written in 25. R5: layer 1's weights have a
    # buffer that nobody used before; they are asked for when layer 0 is computed, in 10, and come from 10 to 15 and,
    # behind its results, from 25 to 40.
    ByHand(
        "blocking",
        network(busy([10], stores=results((0, 10)), drain=[5]), busy([10], weights((0, 20)))),
        [(0, 25, {"busy": 10, "drain": 5, "memory": 10}), (25, 41, {"busy": 10, "memory": 6})],
        write_back="blocking",
    ),
    # R4: inputs that lie on the chip need no load, but layer 0 must have been drained.
    ByHand(
        "on the chip",
        network(busy([10], drain=[20], copies=5), (busy([10], copies=5), [Read(0)], [])),
        [(0, 10, {"busy": 10}), (10, 40, {"busy": 10, "drain": 20})],
    ),
    # R5: results have room in another buffer when those of layer 0 have been drained in 14 and written in 24. Layer 1
    # computes from 24 to 34 and is written in 39.
    ByHand(
        "another buffer of results",
        network(
            busy([10], stores=results((0, 10)), drain=[4]),
            with_buffer(busy([10], stores=results((0, 5))), replace(RESULTS, name="other")),
        ),
        [(0, 10, {"busy": 10}), (10, 39, {"busy": 10, "buffer": 4, "memory": 10 + 5})],
    ),
    # So they do where they only pass through it; a tile without results does not.
    ByHand(
        "another stream of results",
        network(
            busy([10], stores=results((0, 10)), drain=[4], copies=3),
            with_buffer(busy([2, 10], stores=results((1, 5)), copies=3), replace(RESULTS, streamed=True)),
        ),
        [(0, 10, {"busy": 10}), (10, 39, {"busy": 12, "buffer": 2, "memory": 10 + 5})],
    ),
    # R5, R7: results that leave as they are made wait for their operands, which come from 1 to 5, and leave from 5 to 9,
    # though their tile is drained until 22. In 9 the second tile of layer 1 has room beside nothing: it waits 3 cycles
    # for what is only being drained, 4 for what is being written. It has left by 17 and is drained behind the first.
    ByHand(
        "room before the drain",
        network(
            with_buffer(busy([1]), TIGHT),
            (
                replace(
                    with_buffer(busy([1, 1], stores=results((0, 4), (1, 8)), drain=[20, 0]), TIGHT),
                    operands=inputs((0, 4)),
                    outputs_as_made=True,
                ),
                [],
                [0],
            ),
        ),
        [(0, 1, {"busy": 1}), (1, 22, {"busy": 2, "buffer": 3, "memory": 4, "drain": 12})],
    ),
    # R7: layer 1's first results wait for operands, asked for when layer 0 is written in 6 and there in 10. They leave
    # from 10 to 14, before the 30 bytes of the second tile, which wait since 3 and are less urgent. In 14 there is room
    # for the third tile, long before these have left from 14 to 44; its own results leave from 44 to 52.
    ByHand(
        "a later write ends first",
        network(
            with_buffer(busy([1], stores=results((0, 5)), copies=3), FORTY),
            (
                replace(
                    with_buffer(busy([1, 1, 1], stores=results((0, 4), (1, 30), (2, 8)), copies=3), FORTY),
                    operands=inputs((0, 4)),
                ),
                [],
                [0],
            ),
        ),
        [(0, 1, {"busy": 1}), (1, 52, {"busy": 3, "memory": 11 + 37})],
    ),
    # R8: the end of a layer with `serial` is that of a layer alone: drains first, then writes.
    ByHand(
        "serial drains",
        network(busy([10], stores=results((0, 5)), drain=[5]), busy([10])),
        [(0, 20, {"busy": 10, "drain": 5, "memory": 5}), (20, 30, {"busy": 10})],
        overlap="serial",
    ),
    # Layer 1 begins when all is written, in 25; its weights come from 26 to 30.
    ByHand(
        "loads before results",
        OVERTAKING,
        [(0, 25, {"busy": 1, "memory": 24}), (25, 67, {"busy": 41, "memory": 1})],
        overlap="serial",
    ),
    # It begins in 1, but its weights, asked for in 2, wait for the results of layer 0 until 25 and then for those of its own
    # first tile, which are more urgent; they come from 30 to 34.
    ByHand("results before loads", OVERTAKING, [(0, 1, {"busy": 1}), (1, 71, {"busy": 41, "memory": 29})]),
]
