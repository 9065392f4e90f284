"""Boxes of output positions, cut along every axis, and the input positions that they load."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np

from dataflows.tiling.windows import places_read
from workloads.layer import Axes, Layer


@dataclass(frozen=True, eq=False)
class OutputBoxes:
    """One image's output positions in boxes; those at the far edges may be smaller.

    sides          by axis the output positions of the boxes along it
    outputs        int64 (boxes,): output positions of each box
    loaded         int64 (boxes,): input positions in its runs, of one channel; padding is not loaded
    run_box        int64 (runs,): the box that reads a run of input positions; ascending
    run_start      int64 (runs,): first position of the run in the map ([d,] h, w) of one channel
    run_positions  int64 (runs,): positions in the run

    Example: a 3x3 kernel with padding over 4 x 4 positions in boxes of 2 x 2. Each has 4 outputs and reads 3 x 3
    inputs, three runs of three: those of the first box begin at 0, 4 and 8, those of the second, beside it, at 1, 5 and
    9. Boxes of 2 x 4 read whole rows, 12 positions in one run: `run_start` [0, 4].
    """

    sides: tuple[tuple[range, ...], ...]
    outputs: np.ndarray
    loaded: np.ndarray
    run_box: np.ndarray
    run_start: np.ndarray
    run_positions: np.ndarray

    @property
    def count(self) -> int:
        """Number of boxes."""
        return len(self.outputs)

    @property
    def members(self) -> np.ndarray:
        """Int64 ([O·]P·Q,): output positions, box after box, each by its number in the map."""
        size = tuple(axis[-1].stop for axis in self.sides)
        numbers = np.arange(math.prod(size)).reshape(size)
        return np.concatenate(
            [numbers[tuple(slice(side.start, side.stop) for side in box)].reshape(-1) for box in product(*self.sides)]
        )

    @classmethod
    def of(cls, layer: Layer, size: Axes) -> Self:
        """Boxes of at most `size` positions an axis, the last axis innermost."""
        sides = tuple(
            # Ten rows in boxes of four are cut into 0-3, 4-7 and 8-9.
            tuple(range(start, min(start + step, total)) for start in range(0, total, step))
            for total, step in zip(layer.output_size, size, strict=True)
        )
        outputs = np.ones(1, np.int64)
        for axis in sides:
            outputs = np.multiply.outer(outputs, [len(side) for side in axis]).reshape(-1)
        # Boxes side by side in a row of boxes read the same rows.
        across = len(sides[-1])
        rows = [_runs_read(layer, row, sides[-1]) for row in product(*sides[:-1])]
        run_box = np.concatenate([box + number * across for number, (box, _, _) in enumerate(rows)])
        run_start, run_positions = (np.concatenate([row[column] for row in rows]) for column in (1, 2))
        # A box whose windows all lie in the padding has no run, and loads 0 positions.
        loaded = np.bincount(run_box, run_positions, len(outputs)).astype(np.int64)
        return cls(sides, outputs, loaded, run_box, run_start, run_positions)


def _runs_read(
    layer: Layer, row: tuple[range, ...], across: tuple[range, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Int64 (runs,) three times, box by box: number of the box in its row, start and positions of what it reads.

    row     output slices, if there are such, and rows of the boxes of a row;  across  output columns of each

    A run is a row that a window reads, from the first column read to the last. Neighbouring rows of full width make
    one run.
    """
    *slices, rows = (places_read(layer, axis, side) for axis, side in enumerate(row))
    height, width = layer.input_size[-2:]
    columns = [places_read(layer, layer.axes - 1, side) for side in across]
    # A kernel of one column with a stride of 2 reads the columns 0, 2 and 4 for three outputs; the run has all five.
    first = np.array([own[0] if len(own) else 0 for own in columns])
    length = np.array([own[-1] - own[0] + 1 if len(own) else 0 for own in columns])
    maps = (slices[0] if slices else np.zeros(1, np.int64)) * height
    # By box, slice and row. In a map 5 wide the columns 1 to 3 of rows 1 and 2 are two runs of three, from 6 and 11.
    start = (maps[:, None] + rows) * width + first[:, None, None]
    shape = start.shape
    apart = np.ones(shape, np.bool_)
    # Rows of full width that follow one another are one stretch of the map; narrower ones never are. Read whole, the
    # rows 1 and 2 of that map are one run of ten positions from 5 on.
    apart[:, :, 1:] = (np.diff(rows) > 1) | (length < width)[:, None, None]
    apart &= (length > 0)[:, None, None]
    box, positions = np.broadcast_arrays(np.arange(len(across))[:, None, None], length[:, None, None], start)[:2]
    heads = np.flatnonzero(apart)
    kept = np.flatnonzero(np.broadcast_to((length > 0)[:, None, None], shape))
    # How many rows a run has: those that are read from its head to the next one.
    counts = np.diff(np.searchsorted(kept, heads), append=len(kept))
    return box.reshape(-1)[heads], start.reshape(-1)[heads], positions.reshape(-1)[heads] * counts
