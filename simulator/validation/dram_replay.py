"""`replay`: a list of requests offered as fast as a single channel takes them."""

from __future__ import annotations

import numpy as np

from simulator.dram.channels import DramChannels
from simulator.dram.spec import BankedDramSpec
from simulator.dram.statistics import DramStatistics


def replay(spec: BankedDramSpec, address: np.ndarray, write: np.ndarray, *, first_clock: int = 0) -> DramStatistics:
    """Statistics after all requests have been served.

    address  int64 (requests,), bytes; one burst is asked for at each
    write    bool (requests,)
    Every clock from `first_clock` on the next request in order is offered, and again until it is accepted.
    """
    burst = spec.device.burst_bytes
    write = np.asarray(write, np.bool_)
    line = np.asarray(address, np.int64) // burst
    # Where runs of neighbouring bursts in one direction start, and where the last one ends.
    starts = np.ones(len(line) + 1, np.bool_)
    # Place 0 and the end stay true: lines 4 5 6 9, all reads, start runs at 0 and 3 and end at 4.
    np.logical_or(line[1:] - line[:-1] != 1, write[1:] != write[:-1], out=starts[1:-1])
    first = np.flatnonzero(starts)
    # Lengths are the differences of starts and end: 0, 3 and 4 make runs of 3 and 1 bursts.
    bursts, first = first[1:] - first[:-1], first[:-1]
    channels = DramChannels(spec, ["requests"])
    channels.submit("all", line[first] * burst, bursts * burst, write=write[first], cycle=first_clock, tag="requests")
    channels.advance()
    return channels.statistics()
