"""Small descriptions and layers for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflows.described.files import described_machine
from dataflows.described.machine import Described
from dataflows.schedule import Cause, LayerSchedule
from workloads.layer import Layer
from workloads.trace import LayerTrace

TIME = ({"dims": "G"}, {"dims": "N"}, {"dims": "P Q"}, {"dims": "K"}, {"dims": "R S C"})
COMPRESSED = {"weights": "bitmap", "activations": "bitmap"}


def level(dims: str, size: int, at: str) -> dict[str, Any]:
    return {"dims": dims, "size": size, "at": at}


def mapping(*behind: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The usual levels in time, with others behind the level of some dims."""
    levels = []
    for one in TIME:
        levels += [one, *(other for dims, other in behind if dims == one["dims"])]
    return levels


def described(**tables: Any) -> Described:
    return described_machine({"name": "test", **tables})()


def pointwise(weights: list[list[int]], activations: list[list[int]]) -> LayerTrace:
    """A 1x1 kernel: filters by channels, and positions by channels."""
    layer = Layer.conv(
        "by-hand",
        in_channels=len(weights[0]),
        out_channels=len(weights),
        input_size=(1, len(activations)),
        kernel_size=1,
    )
    inputs = np.array(activations, bool).T.reshape(layer.input_shape)
    return LayerTrace(layer, np.array(weights, bool).reshape(layer.weight_shape), inputs)


def of_pe(schedule: LayerSchedule, pe: int) -> dict[str, int]:
    """Cycles of a PE by cause, those that it has."""
    cycles = schedule.cycles[:, pe].sum(axis=0)
    return {cause.key: int(cycles[cause]) for cause in Cause if cycles[cause]}
