"""`CompiledRun`: the compiled event loop in the hands of Python."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np

from dataflows.kernels.compiled import Kernel
from dataflows.schedule import Tensor
from simulator.engine.arrivals import earliest_end
from simulator.engine.compiled.advance import advance
from simulator.engine.compiled.filling import carried
from simulator.engine.compiled.layout import ASKS_END, IDLE, TOO_LONG, Loop
from simulator.engine.compiled.machine import LoopMachine
from simulator.engine.compiled.tables import Tables
from simulator.engine.traffic import TensorTraffic, Traffic
from workloads.errors import InputError


class Came(NamedTuple):
    """One tensor's data for a tile, which are there (`arrivals.Arrived`)."""

    bursts: int
    asked_at: int
    first_at: int
    last_at: int


def is_ready(machine: LoopMachine) -> bool:
    """Whether the loop has its code, so that nobody waits for it to be compiled."""
    return cast("Kernel", advance).is_ready(Tables(machine, serial=True, blocking=False).loop)


def too_long() -> InputError:
    """What is said of a run that is longer than `LONGEST_CYCLES`."""
    return InputError("the run takes more than 2^44 cycles, which is longer than can be simulated")


def go_on(tables: Tables) -> bool:
    """Let the loop go on until it wants another layer, or is idle; whether it is idle.

    Raises `InputError` where the run is longer than the loop can count.
    """
    while True:
        loop = tables.loop
        advance(loop)
        status = int(loop.clock["status"][0])
        if status == ASKS_END:
            # Too close to a whole cycle for floating point.
            loop.clock["exact_end"] = _exact_end(loop)
        elif status == TOO_LONG:
            raise too_long()
        else:
            return status == IDLE


def _exact_end(loop: Loop) -> int:
    clock = loop.clock[0]
    row = loop.tiles[int(clock["tile"])]
    burst = int(clock["burst_bytes"])
    came = [
        Came(int(one["burst_bytes"]) // burst, int(one["asked_at"]), int(one["first_at"]), int(one["last_at"]))
        for one in loop.transfers[int(row["load"]) : int(row["end_load"])]
    ]
    in_step = bool(loop.layers[int(row["layer"])]["in_step"])
    return earliest_end(int(clock["begun_at"]), int(row["duration"]), came, in_step=in_step)


def traffic_of(tables: Tables) -> Traffic:
    """What ideal memory has carried, when all of it has come."""
    counts = np.zeros((len(Tensor), 4), np.int64)
    carried(tables.loop, tables.used("transfers"), counts)
    tensors = {tensor: TensorTraffic(*counts[tensor].tolist()) for tensor in Tensor}
    return Traffic.of_ideal(tensors, int(tables.loop.clock["burst_bytes"][0]))
