"""See the package's description."""

import sys

from benchmarks.golden import FOLDER, moved, path, report_now, text
from dataflows.registry import machines
from simulator.terminal.diffs import print_difference
from workloads.files import write_whole

SHOWN = 12


def refresh() -> None:
    """Write every machine's golden report; those of machines that are gone are removed."""
    for old in FOLDER.glob("*.json"):
        if old.stem not in machines():
            old.unlink()
    for machine in machines():
        report = report_now(machine)
        write_whole(path(machine), text(report))
        print(f"{machine}: {report['total']['cycles']:,} cycles")


def check() -> int:
    """Print what moved; the number of machines where something did."""
    wrong = 0
    for machine in machines():
        found = moved(machine)
        if not found.accepted:
            wrong += 1
            print(f"\n{machine}:")
            print_difference(found, SHOWN)
    print(f"{len(machines()) - wrong} of {len(machines())} machines are as their golden reports say")
    return wrong


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(bool(check()))
    refresh()
