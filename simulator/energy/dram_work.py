"""`DramWork`: what is priced of a memory's activity, in bytes and times that fit ranks of any bus and row."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dataflows.specs import DramSpec
from simulator.dram.activity import DramActivity
from simulator.dram.spec import BankedDramSpec
from simulator.energy.dram_power import DramPart
from workloads.units import PICOSECONDS_PER_NANOSECOND


@dataclass(frozen=True, slots=True)
class DramWork:
    """What ranks of a part did.

    activated_bytes       of the rows opened: a part's price of a row holds for a row of its own size
    read_bytes, written_bytes   of whole bursts
    refreshes             ranks refreshed
    open_ns, closed_ns    time of ranks with a row open in any bank, and with all closed
    """

    activated_bytes: float
    read_bytes: float
    written_bytes: float
    refreshes: float
    open_ns: float
    closed_ns: float


def dram_work(activity: DramActivity, dram: DramSpec, part: DramPart, time_us: float) -> DramWork:
    """The work of a memory of either kind, if `part` is what it is made of."""
    return _banked(activity, dram, part) if dram.kind == "banked" else _streaming(activity, dram, part, time_us)


def _banked(activity: DramActivity, dram: DramSpec, part: DramPart) -> DramWork:
    """As it was counted."""
    device = BankedDramSpec.of(dram).device
    # Devices side by side make up the bus: a channel of half the part's bus has half its devices. Example: a pseudo
    # channel of HBM2, 64 bits wide, is half of the part's channel.
    ranks = device.channel_bits / part.bus_bits
    clock_ns = device.tCK_ps / PICOSECONDS_PER_NANOSECOND
    return DramWork(
        activated_bytes=activity.activates * device.columns * device.channel_bits / 8,
        read_bytes=activity.read_bursts * activity.burst_bytes,
        written_bytes=activity.write_bursts * activity.burst_bytes,
        refreshes=activity.refreshes * ranks,
        open_ns=activity.open_clocks * clock_ns * ranks,
        closed_ns=activity.closed_clocks * clock_ns * ranks,
    )


def _streaming(activity: DramActivity, dram: DramSpec, part: DramPart, time_us: float) -> DramWork:
    """Ideal memory, as if all bytes came in one stream (assumption).

    Every row is opened once for all its bytes and is open while they move at peak bandwidth; there are as many ranks as
    the bandwidth needs; they are refreshed as time goes by. Parts of rows and of refreshes count as such, so that
    layers add up.
    """
    read_bytes, written_bytes = (
        count * activity.burst_bytes for count in (activity.read_bursts, activity.write_bursts)
    )
    moved = read_bytes + written_bytes
    # 30 GB/s at parts of 19.2 GB/s are two ranks; a memory that is not modelled (inf) has one.
    ranks = math.ceil(dram.bandwidth_gbs / part.peak_gbs) if math.isfinite(dram.bandwidth_gbs) else 1
    # 10^9 bytes a second are a byte a ns.
    open_ns, on_ns = moved / part.peak_gbs, ranks * time_us * 1000
    return DramWork(
        activated_bytes=moved,
        read_bytes=read_bytes,
        written_bytes=written_bytes,
        refreshes=on_ns / part.refresh_ns,
        open_ns=open_ns,
        closed_ns=max(0.0, on_ns - open_ns),
    )
