"""What DRAM channels have done, in counts and DRAM clocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.dram.activity import DramActivity
from simulator.dram.read_latency import ReadLatency
from simulator.dram.standards import DramStandard


@dataclass(frozen=True, eq=False)
class TagStatistics:
    """Traffic of one tag (a tensor), in bursts, over all channels.

    row_hits + row_misses + row_conflicts + forwarded = reads + writes, once all transfers have ended. A hit found its
    row open, a miss its bank closed, a conflict another row open; `forwarded` reads were answered by the write buffer.
    """

    reads: int
    writes: int
    row_hits: int
    row_misses: int
    row_conflicts: int
    forwarded: int
    useful_bytes: int
    wasted_bytes: int
    latency: ReadLatency


@dataclass(frozen=True, eq=False)
class DramStatistics:
    """Counts over all channels; `clocks` is how far they have come, `data_end_clock` when the last data ended.

    open_clocks   clocks of channels in which a row was open in any bank, of channels x clocks in all
    """

    tags: dict[str, TagStatistics]
    activates: int
    precharges: int
    refreshes: int
    open_clocks: int
    data_bus_clocks: int
    channels: int
    clocks: int
    data_end_clock: int
    standard: DramStandard

    def total(self, count: str) -> int:
        """Sum of one of the tags' integer counts, such as "row_hits"."""
        return sum(getattr(tag, count) for tag in self.tags.values())

    @property
    def activity(self) -> DramActivity:
        """What the devices have done."""
        forwarded = self.total("forwarded")
        return DramActivity(
            activates=self.activates,
            precharges=self.precharges,
            read_bursts=self.total("reads") - forwarded,
            write_bursts=self.total("writes"),
            forwarded_bursts=forwarded,
            refreshes=self.refreshes,
            open_clocks=self.open_clocks,
            closed_clocks=self.channels * self.clocks - self.open_clocks,
            burst_bytes=self.standard.burst_bytes,
        )

    @property
    def achieved_gbs(self) -> float:
        """Whole bursts moved until the last data ended, 10^9 bytes a second."""
        # Bytes a nanosecond are 10^9 bytes a second.
        # Up to the last data and not to the end of simulated time: DRAM that nobody asks anything achieves nothing.
        nanoseconds = self.data_end_clock * self.standard.tCK_ps / 1000
        return (self.total("useful_bytes") + self.total("wasted_bytes")) / nanoseconds if nanoseconds else 0.0

    @property
    def peak_gbs(self) -> float:
        """Every channel's bus always busy, 10^9 bytes a second."""
        # A burst every nBL clocks. DDR4-2400: 64 bytes in 4 x 833 ps are 19.2 x 10^9 bytes a second.
        return self.channels * self.standard.burst_bytes * 1000 / (self.standard.nBL * self.standard.tCK_ps)


def open_clocks(channels: np.ndarray, clock: int) -> int:
    """Clocks with a row open in any bank up to `clock`, to which CHANNEL structs (C,) stay as they are; all of them."""
    # Where rows are open still, the time since then has not been counted.
    since = np.where(channels["open_banks"] > 0, clock - channels["opened"], 0)
    return int((channels["open_clocks"] + since).sum())


def tag_statistics(channels: np.ndarray, stream: int, useful_bytes: int, burst_bytes: int) -> TagStatistics:
    """Statistics of one stream from CHANNEL structs (C,); wasted bytes are those of served bursts, ends included."""

    def total(field: str) -> int:
        return int(channels[field][:, stream].sum())

    return TagStatistics(
        reads=total("reads"),
        writes=total("writes"),
        row_hits=total("row_hits"),
        row_misses=total("row_misses"),
        row_conflicts=total("row_conflicts"),
        forwarded=total("forwarded"),
        useful_bytes=useful_bytes,
        # What was asked for in whole bursts and not used: the two ends of runs that are not aligned.
        wasted_bytes=burst_bytes - useful_bytes,
        latency=ReadLatency(total("latency_sum"), channels["latency"][:, stream].sum(axis=0)),
    )
