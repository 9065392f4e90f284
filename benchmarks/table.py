"""Print the table of speeds: `make bench`. Every time stands beside a result that is asserted, and beside a ratio.

    python -m benchmarks.table [--only PART]... [--before CHECKOUT] [--cpu]

The yardstick of layers and networks is the time that numpy needs to compute them densely (im2col and matrix product,
float32, the same cores): a simulator that needs less than that costs less than running the network. Limits are ratios
to a yardstick of the same run (`benchmarks/speed/limits.py`). With --before another checkout of the project is measured
in alternation with this one, and its results must be the same. The command ends with 1 where a limit is not met or a
result is another one than before, and says which.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.markdown import print_table
from benchmarks.speed.counting import counting
from benchmarks.speed.dram import dram
from benchmarks.speed.figures import Figure, Part, faults
from benchmarks.speed.layers import growth, layer
from benchmarks.speed.memory import memory
from benchmarks.speed.networks import networks
from benchmarks.speed.sides import HERE, Side, Sides
from benchmarks.speed.starts import starts
from benchmarks.speed.sweeps import sweeps

DENSE = "numpy, dense"
PARTS = (
    Part("layer", "VGG-16 conv3_2, weights 0.3 and activations 0.4 dense", "ms", 1e3, DENSE, layer),
    Part("networks", "Whole networks", "ms", 1e3, DENSE, networks),
    Part("counting", "Counting and pricing actions", "ms", 1e3, "the run without energy", counting),
    Part("growth", "Growth of a schedule's time with its layer", "exponent", 1, None, growth),
    Part("starts", "Commands from the shell", "s", 1, "importing numpy", starts),
    Part("sweeps", "Points of a study of examples/tiny.toml", "ms a point", 1e3, "100,000 turns of Python", sweeps),
    Part("dram", "Requests to the DRAM controller", "ns", 1e9, "picking the oldest of 32", dram),
    Part("memory", "Peak memory of a run", "MB", 1e-6, "2 traces + 200 MB", memory),
)


def measured(part: Part, sides: Sides) -> list[Figure]:
    """Print the part's table; its figures."""
    found: list[Figure] = []
    compared = sides.before is not None

    def rows() -> Iterator[tuple[str, ...]]:
        yield part.head(compared=compared)
        for figure in part.figures(sides):
            found.append(figure)
            show("")  # the row's place on a terminal
            yield part.row(figure, compared=compared)

    print_table(part.title, rows())
    return found


def show(text: str) -> None:
    """What is being measured, on one line of the terminal, if there is one."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def busy(load: float, cores: int | None) -> str:
    """What a person must know where others use the machine as well; empty where it is quiet."""
    if cores is None or load <= cores / 2:
        return ""
    return (
        f"warning: {load:.1f} processes want {cores} cores: times are too long, and those of numpy's threads most of "
        "all, so that ratios to it are too small; believe before / now, and --cpu"
    )


def checkout(text: str) -> Path:
    """A folder that holds the project."""
    folder = Path(text).resolve()
    if not (folder / "simulator" / "__main__.py").is_file():
        raise argparse.ArgumentTypeError(f"'{text}': no checkout of the project, which has a simulator/__main__.py")
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    keys = [part.key for part in PARTS]
    parser.add_argument("--only", action="append", choices=keys, help="one part of the table; may be given again")
    parser.add_argument("--before", type=checkout, metavar="CHECKOUT", help="another checkout, measured in alternation")
    parser.add_argument("--cpu", action="store_true", help="processor time of all threads, for a machine that is busy")
    options = parser.parse_args(arguments)
    clock = "cpu" if options.cpu else "wall"
    before = Side("before", options.before, clock) if options.before else None
    if warning := busy(os.getloadavg()[0], os.cpu_count()):
        print(warning, file=sys.stderr)
    missed: list[str] = []
    with Sides(Side("now", HERE, clock), before, show) as sides:
        for part in PARTS:
            if part.key in (options.only or keys):
                missed += faults(part.key, measured(part, sides))
    show("")
    print("\nAll limits are met." if not missed else "\n".join(["", f"Not met ({len(missed)}):", "", *missed]))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
