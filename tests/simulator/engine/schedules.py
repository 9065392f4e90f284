"""Hand-made schedules, so that the event model is tested without any machine."""

import numpy as np

from dataflows.schedule import CAUSES, BufferUse, Cause, LayerSchedule, Runs, Tensor
from dataflows.specs import DramSpec

INFINITE = DramSpec(bandwidth_gbs=float("inf"), latency_ns=0.0)


def byte_a_cycle(latency_ns: float = 0.0) -> DramSpec:
    """Memory that moves one byte in a cycle of 1 ns, in bursts of one byte."""
    return DramSpec(bandwidth_gbs=1.0, latency_ns=latency_ns, burst_bytes=1)


def runs(tensor: Tensor, *rows: tuple[int, int] | tuple[int, int, int]) -> Runs:
    """Runs from (tile, bytes) or (tile, bytes, last tile)."""
    tile = [row[0] for row in rows]
    last = [row[2] if len(row) == 3 else row[0] for row in rows]
    return Runs.per_tile(
        tensor, np.array(tile), np.zeros(len(rows)), np.array([row[1] for row in rows]), np.array(last)
    )


def schedule(
    busy: list[list[int]],
    *,
    loads: Runs | None = None,
    stores: Runs | None = None,
    buffers: tuple[BufferUse, ...] = (),
    drain: list[int] | None = None,
    copies: int = 2,
    prefetch: int = 1,
) -> LayerSchedule:
    """One busy count per tile and PE; one lane a PE, so a busy cycle is one product."""
    work = np.array(busy, np.int64)
    cycles = np.zeros((*work.shape, CAUSES), np.int64)
    cycles[:, :, Cause.BUSY] = work
    return LayerSchedule(
        pe_grid=(1, work.shape[1]),
        lanes_per_pe=1,
        cycles=cycles,
        issued=work,
        drain_cycles=np.array(drain or [0] * len(busy), np.int64),
        accumulator_copies=copies,
        loads=loads or Runs.none(),
        stores=stores or Runs.none(),
        buffers=buffers,
        prefetch_tiles=prefetch,
        expected_issued=int(work.sum()),
        compulsory_bytes=0,
    )
