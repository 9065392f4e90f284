"""Measure other simulators beside ours: `python -m benchmarks.peers [NAME]...`; all of them where none is named.

A simulator that is not installed is left out, and the command says where it is published and which variable of the
environment names its program; that is no failure. Each is given the same work as ours; times are of one run, results
stand beside each other.
"""

import argparse
import sys

from benchmarks.markdown import print_table
from benchmarks.peers import dnnsim, dramsim3, ramulator, scale_sim
from benchmarks.peers.peer import HEAD, Peer

PEERS = {
    "dnnsim": dnnsim.PEER,
    "dramsim3": dramsim3.PEER,
    "ramulator": ramulator.PEER,
    "scale-sim": scale_sim.PEER,
}


def compared(peer: Peer) -> bool:
    """Print the peer's table, or what is missing; whether it could be measured."""
    command = peer.command()
    if command is None:
        print(f"\n{peer.missing()}")
        return True
    try:
        print_table(f"{peer.name}: {peer.work}", [HEAD, *(one.row() for one in peer.measure(command))])
    except (RuntimeError, LookupError, OSError, ValueError, StopIteration) as error:
        # It is there, and is another version than this was written for, or broken.
        print(f"\n{peer.name}: could not be measured with {command}: {error!r}")
        return False
    return True


def main(arguments: list[str] | None = None) -> int:
    """Measure; 1 where a simulator that is installed could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PEERS))
    names = parser.parse_args(arguments).names or list(PEERS)
    if unknown := sorted(set(names) - set(PEERS)):
        parser.error(f"unknown simulator '{unknown[0]}': one of {', '.join(PEERS)}")
    measured = [compared(PEERS[name]) for name in names]
    return 0 if all(measured) else 1


if __name__ == "__main__":
    sys.exit(main())
