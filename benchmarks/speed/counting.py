"""What it takes to count and price actions: a network of small layers with energy and without."""

from collections.abc import Iterator

from benchmarks.speed.figures import Figure
from benchmarks.speed.sides import Sides

NETWORK = "blazepose"


def counting(sides: Sides) -> Iterator[Figure]:
    """The whole run of every machine, in alternation with the same run without energy."""
    for machine in sides.now.ask("prepare", "names"):
        layers = sides.now.ask("prepare", "network_able", NETWORK, machine)
        if not layers:
            continue
        without, counted = sides.measure(
            ("network_counted", NETWORK, machine, False), ("network_counted", NETWORK, machine, True)
        )
        added = (counted.now - without.now) / len(layers)
        shown = f"{added * 1e6:.0f} us a layer more"
        yield Figure(f"{machine} counted", counted, without.now, shown)
