"""Boxes of output positions, cut along every axis, and the input positions that they read."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.windows import read_range
from workloads.layer import Axes, Layer


@dataclass(frozen=True, eq=False)
class OutputBoxes:
    """One image's output positions in boxes; those at the far edges may be smaller.

    outputs        int64 (boxes,): output positions of each box
    spans          int64 (boxes,): input positions from the first to the last that it reads, padding included
    members        int64 ([O·]P·Q,): output positions, box after box, each by its number in the map
    run_box        int64 (runs,): the box that reads a run of input positions; ascending
    run_start      int64 (runs,): first position of the run in the map ([d,] h, w) of one channel
    run_positions  int64 (runs,): positions in the run
    """

    outputs: np.ndarray
    spans: np.ndarray
    members: np.ndarray
    run_box: np.ndarray
    run_start: np.ndarray
    run_positions: np.ndarray

    @property
    def count(self) -> int:
        """Number of boxes."""
        return len(self.outputs)

    @classmethod
    def of(cls, layer: Layer, size: Axes) -> Self:
        """Boxes of at most `size` positions an axis, the last axis innermost."""
        cuts = [
            [range(start, min(start + step, total)) for start in range(0, total, step)]
            for total, step in zip(layer.output_size, size, strict=True)
        ]
        numbers = np.arange(math.prod(layer.output_size)).reshape(layer.output_size)
        outputs, spans, members, runs = [], [], [], []
        for box, sides in enumerate(itertools.product(*cuts)):
            outputs.append(math.prod(len(side) for side in sides))
            spans.append(
                math.prod(
                    (len(side) - 1) * stride + span
                    for side, stride, span in zip(sides, layer.stride, layer.kernel_span, strict=True)
                )
            )
            members.append(numbers[tuple(slice(side.start, side.stop) for side in sides)].reshape(-1))
            runs += [(box, *run) for run in _runs_read(layer, sides)]
        columns = np.array(runs, np.int64).reshape(-1, 3).T
        return cls(np.array(outputs), np.array(spans), np.concatenate(members), *columns)


def _runs_read(layer: Layer, sides: tuple[range, ...]) -> list[tuple[int, int]]:
    """(start, positions) of the input rows inside the map that a box reads; rows of full width make one run."""
    *slices, rows, columns = (
        range(*read_range(layer, axis, side.start, side.stop - 1)) for axis, side in enumerate(sides)
    )
    height, width = layer.input_size[-2:]
    if not rows or not columns:
        return []
    step = len(rows) if len(columns) == width else 1
    return [
        ((d * height + row) * width + columns.start, step * len(columns))
        for d in (slices[0] if slices else range(1))
        for row in range(rows.start, rows.stop, step)
    ]
