"""See the package's description."""

import sys
from collections.abc import Sequence

from benchmarks.golden import FOLDER, moved, path, report_now, text
from dataflows.registry import machine, machines
from simulator.terminal.diffs import print_difference
from workloads.files import write_whole

SHOWN = 12


def refresh(names: Sequence[str]) -> None:
    """Write these machines' golden reports; those of machines that are gone are removed."""
    for old in FOLDER.glob("*.json"):
        if old.stem not in machines():
            old.unlink()
    for name in names:
        report = report_now(name)
        write_whole(path(name), text(report))
        print(f"{name}: {report['total']['cycles']:,} cycles")


def check(names: Sequence[str]) -> int:
    """Print what moved; the number of machines where something did."""
    wrong = 0
    for name in names:
        found = moved(name)
        if not found.accepted:
            wrong += 1
            print(f"\n{name}:")
            print_difference(found, SHOWN)
    print(f"{len(names) - wrong} of {len(names)} machines are as their golden reports say")
    return wrong


if __name__ == "__main__":
    chosen = [machine(name).name for name in sys.argv[1:] if name != "--check"] or list(machines())
    if "--check" in sys.argv:
        sys.exit(bool(check(chosen)))
    refresh(chosen)
