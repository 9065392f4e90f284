"""Compressed sparse columns, interleaved over PEs: row i of the matrix lies on PE i mod PEs.

Source: Han et al., ISCA 2016 (EIE), section III. Each PE stores its share of a column as entries (value, zeros before
it among the PE's own rows). The number of zeros has few bits; a longer run is cut by fillers, entries of value zero
that stand for as many zeros as a number can tell apart. Zeros after a column's last non-zero take no entry.

Example: one PE whose rows are [5, 0], [0, 0], [0, 7] and [6, 0], runs of one bit (0 or 1 zeros). Column 0 is stored as
(5, 0), a filler (0, 1) for two zeros, (6, 0); column 1 as a filler and (7, 0). Pointers 0, 3, 5; two real entries and a
filler, one and a filler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices

_ELEMENT_NANOSECONDS = 0.25  # what one takes on one thread: `python -m benchmarks.threads`
_BAND = 4096  # columns counted together, so that their counters stay in the first-level cache


@dataclass(frozen=True, eq=False)
class ColumnEntries:
    """How many entries each PE stores of each column.

    kept     int32 (columns, PEs): non-zero weights
    fillers  int32 (columns, PEs)

    PEs without a row are left out.
    """

    kept: np.ndarray
    fillers: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray, pes: int, run_bits: int) -> Self:
        """Count the entries of a mask, bool (rows, columns); a number of zeros has `run_bits` bits."""
        rows, columns = mask.shape
        mapped = min(pes, rows)
        matrix = mask.view(np.uint8)
        counts = np.zeros((2, mapped, columns), np.int32)
        bands = [(pe, first) for first in range(0, columns, _BAND) for pe in range(mapped)]

        def count(index: int) -> None:
            pe, first = bands[index]
            kept, fillers = counts[:, pe, first : first + _BAND]
            _count(matrix[pe::pes, first : first + _BAND], run_bits, kept, fillers)

        run_slices(count, range(len(bands)), mask.size * _ELEMENT_NANOSECONDS)
        # Each thread has counted one PE's columns in a stretch of its own; the queues go column by column over all PEs.
        return cls(*(np.ascontiguousarray(part.T) for part in counts))

    @property
    def total(self) -> np.ndarray:
        """Int32 (columns, PEs): entries of both kinds."""
        return self.kept + self.fillers

    @property
    def per_pe(self) -> np.ndarray:
        """Int64 (PEs,): entries that each PE stores."""
        return self.total.sum(axis=0, dtype=np.int64)


@kernel
def _count(mask: np.ndarray, run_bits: int, kept: np.ndarray, fillers: np.ndarray) -> None:
    """Add to kept and fillers, int32 (columns,), the entries of one PE's rows; mask uint8 (rows, columns)."""
    zeros = np.zeros(mask.shape[1], np.int32)
    for i in range(mask.shape[0]):
        row = mask[i]
        for j in range(row.size):  # no branches, so that it runs on vectors
            one = np.int32(row[j])
            kept[j] += one
            # With runs of two bits a filler stands for four zeros: after nine zeros a weight comes behind two fillers.
            fillers[j] += (zeros[j] >> run_bits) * one
            # A non-zero (one = 1) ends the run, a zero lengthens it.
            zeros[j] = (zeros[j] + np.int32(1)) * (np.int32(1) - one)


@kernel
def encode(weights: np.ndarray, run_bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pointers (columns + 1,), values and runs (entries,) of one PE's rows, int64 (rows, columns)."""
    rows, columns = weights.shape
    span = 1 << run_bits
    pointers = np.zeros(columns + 1, np.int64)
    # An entry takes a row at least, a filler too, so that there are never more of them than weights and zeros together.
    values = np.zeros(weights.size, np.int64)
    runs = np.zeros(weights.size, np.int64)
    end = 0
    for j in range(columns):
        zeros = 0
        for i in range(rows):
            if weights[i, j] == 0:
                zeros += 1
                continue
            # A filler stands for span - 1 zeros before it and for the zero that it is.
            # Runs of one bit after five zeros: two fillers with a run of 1 and the weight with a run of 1, which is
            # read back as the row -1 + 2 + 2 + 2 = 5.
            while zeros >= span:
                runs[end] = span - 1
                end += 1
                zeros -= span
            values[end] = weights[i, j]
            runs[end] = zeros
            end += 1
            zeros = 0
        pointers[j + 1] = end
    return pointers, values[:end], runs[:end]


@kernel
def multiply(
    pointers: np.ndarray, values: np.ndarray, runs: np.ndarray, vectors: np.ndarray, outputs: np.ndarray
) -> None:
    """Add to outputs (vectors, rows) one PE's products with each of the vectors (vectors, columns), all int64.

    Zero activations are never broadcast; a row's number is the sum of the runs and entries before it.
    """
    for v in range(vectors.shape[0]):
        for j in range(vectors.shape[1]):
            if vectors[v, j] == 0:
                continue
            row = -1
            for entry in range(pointers[j], pointers[j + 1]):
                # A filler moves the row on, too, and adds a product of zero.
                row += runs[entry] + 1
                outputs[v, row] += values[entry] * vectors[v, j]
