"""Whole networks on every machine against computing their layers densely; masks are drawn or read before."""

from collections.abc import Iterator

from benchmarks.speed.figures import Figure
from benchmarks.speed.sides import Sides

NETWORKS = ("vgg16@deep-compression", "resnet50@str-90.23", "googlenet@scnn", "blazepose")
LEAST_DENSE_ROUNDS, MOST_DENSE_ROUNDS, DENSE_SECONDS = 3, 60, 0.15  # of a layer
ROUNDS = 4


def networks(sides: Sides) -> Iterator[Figure]:
    """Schedules of all layers, and the whole checked report; a machine that refuses layers runs the others."""
    machines = sides.now.ask("prepare", "names")
    for network in NETWORKS:
        dense: dict[int, float] = {}
        for machine in machines:
            layers = sides.now.ask("prepare", "network_able", network, machine)
            if not layers:
                continue
            for index in layers:
                if index not in dense:  # every machine's layers against the same times
                    dense[index] = dense_seconds(sides, network, index)
            schedule, report = sides.measure(
                ("network_schedule", network, machine), ("network_report", network, machine), most=ROUNDS
            )
            yardstick = sum(dense[index] for index in layers)
            shown = f"{len(layers)} layers"
            yield Figure(f"{network} {machine} schedule", schedule, yardstick, shown)
            shown = f"{shown}, {report.now / len(layers) * 1e3:.1f} ms each, {report.result:,} cycles"
            yield Figure(f"{network} {machine} report", report, yardstick, shown)


def dense_seconds(sides: Sides, network: str, index: int) -> float:
    """A layer computed densely; best of many, since threads that wait for one another make small ones seem slow."""
    task = "network_layer_dense", network, index
    sides.now.ask("prepare", *task)
    times: list[float] = []
    while len(times) < LEAST_DENSE_ROUNDS or (len(times) < MOST_DENSE_ROUNDS and sum(times) < DENSE_SECONDS):
        times.append(sides.now.ask("time", *task))
    sides.now.ask("forget")
    return min(times)
