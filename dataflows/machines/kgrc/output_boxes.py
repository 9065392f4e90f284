"""Boxes of output positions, cut along every axis, and the input positions that they load."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.tiling.windows import places_read
from workloads.layer import Axes, Layer


@dataclass(frozen=True, eq=False)
class OutputBoxes:
    """One image's output positions in boxes; those at the far edges may be smaller.

    outputs        int64 (boxes,): output positions of each box
    loaded         int64 (boxes,): input positions in its runs, of one channel; padding is not loaded
    members        int64 ([O·]P·Q,): output positions, box after box, each by its number in the map
    run_box        int64 (runs,): the box that reads a run of input positions; ascending
    run_start      int64 (runs,): first position of the run in the map ([d,] h, w) of one channel
    run_positions  int64 (runs,): positions in the run

    Example: a 3x3 kernel with padding over 4 x 4 positions in boxes of 2 x 2. Each has 4 outputs and reads 3 x 3
    inputs, three runs of three: those of the first box begin at 0, 4 and 8, those of the second, beside it, at 1, 5 and
    9. Boxes of 2 x 4 read whole rows, 12 positions in one run: `run_start` [0, 4].
    """

    outputs: np.ndarray
    loaded: np.ndarray
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
            # Ten rows in boxes of four are cut into 0-3, 4-7 and 8-9.
            [range(start, min(start + step, total)) for start in range(0, total, step)]
            for total, step in zip(layer.output_size, size, strict=True)
        ]
        numbers = np.arange(math.prod(layer.output_size)).reshape(layer.output_size)
        outputs, members, runs = [], [], []
        for box, sides in enumerate(itertools.product(*cuts)):
            outputs.append(math.prod(len(side) for side in sides))
            members.append(numbers[tuple(slice(side.start, side.stop) for side in sides)].reshape(-1))
            runs += [(box, *run) for run in _runs_read(layer, sides)]
        # The reshape keeps three columns where no box reads anything, all of them in the padding.
        run_box, run_start, run_positions = np.array(runs, np.int64).reshape(-1, 3).T
        # A box whose windows all lie in the padding has no run, and loads 0 positions.
        loaded = np.bincount(run_box, run_positions, len(outputs)).astype(np.int64)
        return cls(np.array(outputs), loaded, np.concatenate(members), run_box, run_start, run_positions)


def _runs_read(layer: Layer, sides: tuple[range, ...]) -> Iterator[tuple[int, int]]:
    """(start, positions) of a box's runs: rows that a window reads, from the first column read to the last.

    Neighbouring rows of full width make one run.
    """
    *slices, rows, columns = (places_read(layer, axis, side) for axis, side in enumerate(sides))
    if not len(rows) or not len(columns):
        return
    height, width = layer.input_size[-2:]
    # A kernel of one column with a stride of 2 reads the columns 0, 2 and 4 for three outputs; the run has all five.
    first, length = int(columns[0]), int(columns[-1] - columns[0]) + 1
    # Rows of full width that follow one another are one stretch of the map; narrower ones never are.
    apart = np.flatnonzero(np.diff(rows) > 1) + 1 if length == width else np.arange(1, len(rows))
    # In a map 5 wide rows 1 and 2 are one run of ten positions from 5 on if they are read whole; of their columns 1 to
    # 3 they are two runs of three, from 6 and 11.
    joined = [(int(part[0]), len(part)) for part in np.split(rows, apart)]
    for d in slices[0].tolist() if slices else (0,):
        yield from (((d * height + row) * width + first, count * length) for row, count in joined)
