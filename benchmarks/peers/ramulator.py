"""Ramulator 2.1 and our DRAM controller: the ten patterns under both maps.

Requests are given by their place (channel, rank, bank group, bank, row, column), which our address map says, so that
both see the same one. Ramulator's frontend ends a run when the last request was taken, not when its data have come: at
most 32 reads and 32 writes wait then, which is the difference to expect in clocks (below 1 %).
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.dram import Replayed, replays
from benchmarks.peers.peer import Comparison, Peer, timed
from simulator.dram.address_map import AddressMap
from simulator.dram.spec import BankedDramSpec

BURST_BYTES = 64
# The device and the controller of the agreement table; what is not named is Ramulator's default (open rows, buffers of
# 32, watermarks of 0.8 and 0.2). It runs in a Python of its own and prints its statistics as JSON.
SCRIPT = """
import json, sys, time
import ramulator as r
memory = r.memory_system.GenericDRAM(
    clock_ratio=1,
    channel_mapper=r.channel_mapper.PassThroughChannelMapper(),
    controllers=[r.controller.GenericDDR(
        dram=r.dram.DDR4(org_preset="DDR4_8Gb_x8", timing_preset="DDR4_2400U", nRFC=420, nREFI=9360),
        scheduler=r.scheduler.FRFCFSRowHit(),
        refresh_manager=r.refresh_manager.AllBank(),
        row_policy=r.row_policy.Open(),
        addr_mapper=r.addr_mapper.PassThroughAddrMapper(),
    )],
)
run = r.Simulation(r.frontend.ReadWriteTrace(clock_ratio=1, path=sys.argv[1]), memory)
start = time.perf_counter()
run.run()
seconds = time.perf_counter() - start
with open(sys.argv[2], "w") as file:
    json.dump({"seconds": seconds, "stats": run.stats}, file)
"""


def trace(replayed: Replayed) -> str:
    """One request a line by its place."""
    places = AddressMap.named(replayed.address_map, BankedDramSpec(address_map=replayed.address_map).device)
    line = replayed.address // BURST_BYTES
    columns = (
        line >> places.group_shift & places.group_mask, line >> places.bank_shift & places.bank_mask,
        line >> places.row_shift & places.row_mask, line >> places.column_shift & places.column_mask,
    )  # fmt: skip
    rows = zip(replayed.write.tolist(), *(column.tolist() for column in columns), strict=True)
    return "".join(f"{'W' if write else 'R'} 0,0,{','.join(map(str, place))}\n" for write, *place in rows)


def counts(text: str) -> tuple[float, int]:
    """Seconds of the run without its start, and clocks of the controller, of what the script wrote."""
    found = json.loads(text)
    controller = found["stats"]["memory_system"]["controller"]
    # One controller stands there by itself, several as a list.
    one = controller[0] if isinstance(controller, list) else controller
    return float(found["seconds"]), int(one["cycles"])


def measure(python: str) -> Iterator[Comparison]:
    """Every pattern: time without start, and clocks."""
    for replayed in replays():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "run.py").write_text(SCRIPT)
            (folder / "requests.trace").write_text(trace(replayed))
            timed([python, "run.py", "requests.trace", "stats.json"], folder)
            seconds, clocks = counts((folder / "stats.json").read_text())
        yield Comparison(replayed.name, replayed.seconds, seconds, "clocks", replayed.clocks, clocks)


PEER = Peer(
    "Ramulator 2", "https://github.com/CMU-SAFARI/ramulator2 (2.1, with its Python package)",
    "PRUNESIM_RAMULATOR_PYTHON", "python3", "ramulator",
    "65,536 requests a pattern, DDR4-2400; both without their start", measure,
)  # fmt: skip
