"""Random small schedules with every rule of the engine in play, for its twins."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from dataflows.schedule import CAUSES, BufferUse, Cause, LayerSchedule, Runs, Tensor
from dataflows.specs import DramSpec

WORK = (Cause.BUSY, Cause.INDEX, Cause.FILL)

streamed = st.sampled_from([False, False, True])
memories = st.builds(
    DramSpec,
    bandwidth_gbs=st.sampled_from([0.5, 1.0, 3.0, 16.0, float("inf")]),
    latency_ns=st.integers(0, 7).map(float),
    burst_bytes=st.sampled_from([1, 4, 8]),
)


@st.composite
def work(draw: st.DrawFn, tiles: int, pes: int) -> np.ndarray:
    """Cycles by tile, PE and cause; some PEs without work, or with none for a part of the tile."""
    cycles = np.zeros((tiles, pes, CAUSES), np.int64)
    for tile in range(tiles):
        longest = draw(st.sampled_from([0, 3, 12, 40]))
        for pe in range(pes):
            if draw(st.integers(0, 3)):
                for cause in WORK:
                    cycles[tile, pe, cause] = draw(st.integers(0, longest if cause is Cause.BUSY else 2))
                cycles[tile, pe, Cause.UNMAPPED] = draw(st.sampled_from([0, 0, 0, 1, 7]))
    return cycles


@st.composite
def loads_of(draw: st.DrawFn, tensor: Tensor, tiles: int) -> Runs:
    """Runs of one tensor: none, one or two a tile, some of them for later tiles too."""
    rows = [
        (tile, draw(st.integers(0, 30)), draw(st.integers(1, 24)), draw(st.integers(tile, tiles - 1)))
        for tile in range(tiles)
        for _ in range(draw(st.sampled_from([0, 1, 1, 2])))
    ]
    if not rows:
        return Runs.none()
    tile, address, size, last = np.array(rows, np.int64).T
    return Runs.per_tile(tensor, tile, address, size, last)


def fullest(loads: Runs, tiles: int) -> int:
    """Most bytes that live together, so the least capacity with which every tile fits."""
    return max(int(loads.size_bytes[(loads.tile <= tile) & (loads.last_tile >= tile)].sum()) for tile in range(tiles))


@st.composite
def schedules(
    draw: st.DrawFn, *, may_load: tuple[Tensor, ...] = (Tensor.INPUT, Tensor.WEIGHT), most_tiles: int = 6
) -> LayerSchedule:
    """A small schedule with every rule of the engine in play."""
    tiles, pes = draw(st.integers(1, most_tiles)), draw(st.integers(1, 3))
    cycles = draw(work(tiles, pes))
    loads = {tensor: draw(loads_of(tensor, tiles)) for tensor in may_load}
    results = draw(st.lists(st.sampled_from([0, 1, 5, 16, 24]), min_size=tiles, max_size=tiles))
    stores = Runs.per_tile(Tensor.OUTPUT, np.arange(tiles), np.array(draw(st.integers(0, 9))), np.array(results))
    as_made = draw(st.booleans())
    tight = {tensor: fullest(rows, tiles) for tensor, rows in loads.items()}
    tight[Tensor.OUTPUT] = draw(st.integers(1, 24)) if as_made else max(results)
    return LayerSchedule(
        pe_grid=(1, pes),
        lanes_per_pe=1,
        cycles=cycles,
        issued=cycles[:, :, Cause.BUSY],
        drain_cycles=np.array(draw(st.lists(st.integers(0, 9), min_size=tiles, max_size=tiles)), np.int64),
        accumulator_copies=draw(st.integers(1, 3)),
        loads=Runs.merge(Runs.none(), *loads.values()),
        stores=stores,
        buffers=tuple(
            BufferUse(tensor.key, tensor, max(1, room) + draw(st.sampled_from([0, 0, 3, 11, 1000])), draw(streamed))
            for tensor, room in tight.items()
        ),
        prefetch_tiles=draw(st.integers(0, 2)),
        expected_issued=int(cycles[:, :, Cause.BUSY].sum()),
        compulsory_bytes=0,
        operands_in_step=draw(st.booleans()),
        outputs_as_made=as_made,
    )
