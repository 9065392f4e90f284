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
from dataflows.kernels.lanes import LANES
from dataflows.kernels.threads import run_slices
from workloads.whole_numbers import ceil_div

_ELEMENT_NANOSECONDS = 0.25  # what one takes on one thread: `python -m benchmarks.threads`
_BAND = 1024  # columns counted together, so that their counters stay in the first-level cache, results in the second
_BYTE_ROWS = 127  # rows of a PE of which a byte holds every count, and no shift by 7 bits leaves anything


@dataclass(frozen=True, eq=False)
class ColumnEntries:
    """How many entries each PE stores of each column.

    entries  uint32 (columns, PEs / LANES, LANES): non-zero weights and fillers
    fillers  uint32, likewise
    pes      PEs that have rows; those behind them fill the last lanes and have no entry
    """

    entries: np.ndarray
    fillers: np.ndarray
    pes: int

    @classmethod
    def of(cls, mask: np.ndarray, pes: int, run_bits: int) -> Self:
        """Count the entries of a mask, bool (rows, columns); a number of zeros has `run_bits` bits."""
        rows, columns = mask.shape
        mapped = min(pes, rows)
        matrix = mask.view(np.uint8)
        entries, fillers = np.zeros((2, columns, ceil_div(mapped, LANES) * LANES), np.uint32)

        def count(band: tuple[int, int]) -> None:
            first, end = band
            _count(matrix[:, first:end], run_bits, mapped, entries[first:end], fillers[first:end])

        bands = [(first, min(first + _BAND, columns)) for first in range(0, columns, _BAND)]
        run_slices(count, bands, mask.size * _ELEMENT_NANOSECONDS)
        return cls(entries.reshape(columns, -1, LANES), fillers.reshape(columns, -1, LANES), mapped)

    @property
    def per_pe(self) -> np.ndarray:
        """Int64 (PEs,): entries that each PE stores."""
        return self.entries.sum(axis=0, dtype=np.int64).reshape(-1)[: self.pes]


@kernel
def _count(mask: np.ndarray, run_bits: int, pes: int, entries: np.ndarray, fillers: np.ndarray) -> None:
    """Fill entries and fillers (columns, at least `pes`) from some columns of a mask, uint8 (rows, columns)."""
    columns = mask.shape[1]
    if mask.shape[0] > _BYTE_ROWS * pes:
        _count_rows(mask, run_bits, pes, np.zeros((3, columns), np.uint32), entries, fillers)
    else:
        # Bytes let a vector of the processor hold most columns.
        _count_rows(mask, min(run_bits, 7), pes, np.zeros((3, columns), np.uint8), entries, fillers)


@kernel
def _count_rows(
    mask: np.ndarray, run_bits: int, pes: int, counters: np.ndarray, entries: np.ndarray, fillers: np.ndarray
) -> None:
    """See `_count`; counters, of a type that holds the rows of a PE, (3, columns)."""
    number, (zeros, filled, every) = counters.dtype.type, (counters[0], counters[1], counters[2])
    for pe in range(pes):
        zeros[:] = 0
        filled[:] = 0
        every[:] = 0
        for i in range(pe, mask.shape[0], pes):
            for j in range(zeros.size):  # no branches, so that it runs on vectors
                one = number(mask[i, j])
                # With runs of two bits a filler stands for four zeros: after nine zeros a weight comes behind two
                # fillers.
                more = number(number(zeros[j] >> run_bits) * one)
                filled[j] = number(filled[j] + more)
                every[j] = number(every[j] + more + one)
                # A non-zero (one = 1) ends the run, a zero lengthens it.
                zeros[j] = number(number(zeros[j] + number(1)) * number(number(1) - one))
        for j in range(zeros.size):
            entries[j, pe] = every[j]
            fillers[j, pe] = filled[j]


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
