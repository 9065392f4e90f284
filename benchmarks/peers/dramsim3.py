"""DRAMsim3 and our DRAM controller: the ten patterns under both maps.

DRAMsim3's program runs for as many clocks as it is told, so it is told the clocks that it is known to need and some
more; that it served every request in them is asserted, and activates are compared. Its time holds the reading of the
trace, and its start.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.dram import Replayed, replays
from benchmarks.peers.peer import Comparison, Peer, timed

MORE_CLOCKS = 1.05
# Fields from the highest bit to the lowest: channel, rank, then ours.
MAPS = {"RoBaBgCo": "chrarobabgco", "RoBaCoBg": "chrarobacobg"}
SECTIONS = {
    "dram_structure": {
        "protocol": "DDR4", "bankgroups": 4, "banks_per_group": 4, "rows": 65_536, "columns": 1024,
        "device_width": 8, "BL": 8,
    },
    "timing": {
        "tCK": 0.833, "AL": 0, "CL": 17, "CWL": 12, "tRCD": 17, "tRP": 17, "tRAS": 39, "tRFC": 420, "tRFC2": 312,
        "tRFC4": 192, "tREFI": 9360, "tRPRE": 1, "tWPRE": 1, "tRRD_S": 4, "tRRD_L": 6, "tWTR_S": 3, "tWTR_L": 9,
        "tFAW": 26, "tWR": 18, "tWR2": 19, "tRTP": 9, "tCCD_S": 4, "tCCD_L": 6, "tCKE": 6, "tCKESR": 12, "tXS": 432,
        "tXP": 8, "tRTRS": 2,
    },
    "power": {
        "VDD": 1.2, "IDD0": 48, "IDD2P": 25, "IDD2N": 34, "IDD3P": 37, "IDD3N": 43, "IDD4W": 123, "IDD4R": 135,
        "IDD5AB": 250, "IDD6x": 31,
    },
    "system": {
        "channel_size": 8192, "channels": 1, "bus_width": 64, "queue_structure": "PER_BANK", "cmd_queue_size": 8,
        "trans_queue_size": 32, "row_buf_policy": "OPEN_PAGE", "refresh_policy": "RANK_LEVEL_SIMULTANEOUS",
        "unified_queue": "False",
    },
    "other": {"epoch_period": 0, "output_level": 1},
}  # fmt: skip


def configuration(address_map: str) -> str:
    """The device and the controller of the agreement table as a configuration file."""
    sections = {**SECTIONS, "system": {**SECTIONS["system"], "address_mapping": MAPS[address_map]}}
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for name, values in sections.items()
    )


def trace(replayed: Replayed) -> str:
    """One request a line, all of them wanted from clock 0 on, so that each is offered until it is taken."""
    rows = zip(replayed.address.tolist(), replayed.write.tolist(), strict=True)
    return "".join(f"0x{address:x} {'WRITE' if write else 'READ'} 0\n" for address, write in rows)


def counts(text: str) -> tuple[int, int, int]:
    """Reads and writes that are done, and activates, over the channels of its JSON."""
    channels = [values for values in json.loads(text).values() if isinstance(values, dict)]
    keys = ("num_reads_done", "num_writes_done", "num_act_cmds")
    reads, writes, activates = (sum(int(channel[key]) for channel in channels) for key in keys)
    return reads, writes, activates


def measure(program: str) -> Iterator[Comparison]:
    """Every pattern: time, and activates."""
    for replayed in replays():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "device.ini").write_text(configuration(replayed.address_map))
            (folder / "requests.trace").write_text(trace(replayed))
            clocks = str(round(replayed.their_clocks * MORE_CLOCKS))
            seconds = timed([program, "device.ini", "-c", clocks, "-t", "requests.trace", "-o", "."], folder)
            reads, writes, activates = counts((folder / "dramsim3.json").read_text())
        if reads + writes != len(replayed.address):
            raise RuntimeError(
                f"{replayed.name}: {reads + writes} of {len(replayed.address)} requests in {clocks} clocks"
            )
        yield Comparison(replayed.name, replayed.seconds, seconds, "activates", replayed.activates, activates)


PEER = Peer(
    "DRAMsim3", "https://github.com/umd-memsys/DRAMsim3", "PRUNESIM_DRAMSIM3", "dramsim3main", None,
    "65,536 requests a pattern, DDR4-2400; ours in this process, theirs a process each", measure,
)  # fmt: skip
