"""One large layer on every machine, and how time grows with the size of a layer."""

from collections.abc import Iterator

import numpy as np

from benchmarks.speed.figures import Figure
from benchmarks.speed.sides import Measured, Sides, Task

CONV3_2 = (256, 256, 56)
SERIES = {  # input channels, filters, size of the map
    "products": [(64, 64, 56), (128, 128, 56), (256, 256, 56), (512, 512, 56)],
    "input channels": [(64, 64, 56), (128, 64, 56), (256, 64, 56), (512, 64, 56)],
    "map size": [(64, 64, 14), (64, 64, 28), (64, 64, 56), (64, 64, 112)],
}


def able(sides: Sides, *shapes: tuple[int, ...]) -> list[str]:
    """The machines that run all of these convolutions."""
    names = sides.now.ask("prepare", "names")
    return [name for name in names if all(sides.now.ask("prepare", "layer_able", name, *shape) for shape in shapes)]


def layer(sides: Sides) -> Iterator[Figure]:
    """VGG-16 conv3_2: its schedule on every machine, and everything up to the checked report."""
    products = sides.now.ask("prepare", "layer_products", *CONV3_2)
    found, dense = {}, float("inf")
    for machine in able(sides, CONV3_2):
        yardstick, *found[machine] = sides.measure(
            ("layer_dense", *CONV3_2), ("layer_schedule", machine, *CONV3_2), ("layer_report", machine, *CONV3_2)
        )
        # One yardstick for all: on a machine that is busy the best of all rounds is nearest to the truth.
        dense = min(dense, yardstick.now)
    for machine, (schedule, report) in found.items():
        rate = products / schedule.now / 1e9
        yield Figure(f"{machine} schedule", schedule, dense, f"{rate:.1f} G effectual products/s")
        yield Figure(f"{machine} report", report, dense, f"{report.result:,} cycles")


def growth(sides: Sides) -> Iterator[Figure]:
    """The slope of log time over log products in three series of layers, for every machine's schedule."""
    for name, shapes in SERIES.items():
        products = [sides.now.ask("prepare", "layer_products", *shape) for shape in shapes]
        for machine in able(sides, *shapes):
            tasks: list[Task] = [("layer_schedule", machine, *shape) for shape in shapes]
            times = sides.measure(*tasks)
            before = [one.before for one in times if one.before is not None]
            yield Figure(
                f"{machine}, {name}",
                Measured(
                    exponent(products, [one.now for one in times]),
                    exponent(products, before) if len(before) == len(times) else None,
                    equal=all(one.equal for one in times),
                ),
                shown=", ".join(f"{one.now * 1e3:.1f}" for one in times) + " ms",
            )


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """The slope of a line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
