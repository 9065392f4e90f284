"""Step index: the distance from each non-zero to the one before it, inside windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from workloads.formats.kinds.gaps import GapCode, all_fillers
from workloads.formats.storage import Format, Sizes, Stream, as_tensor, decode_rate, nonzero_counts
from workloads.options import whole
from workloads.whole_numbers import boundaries


@dataclass(frozen=True, kw_only=True)
class Step(Format):
    """Rows cut into windows; there each non-zero with its distance to the one before, in k = `index_bits` bits.

    The first distance of a window is counted from its first element, so it may be 0. A field holds at most 2^k - 1:
    where a distance D is longer, (D - 1) // (2^k - 1) fillers, stored zeros, bridge it. Each window stores how many
    entries it has. Scan order: row by row (a filter), window by window.
    Bits of n non-zeros and f fillers of b bits, M rows of N elements, windows of w:
    (n + f)·(b + k) + M·ceil(N / w)·(floor(log2 w) + 1).

    Cambricon-X (Zhang et al., MICRO 2016): step indexing, chosen there over a bitmap ("direct indexing") as cheaper;
    its selector finds up to 16 neurons a cycle in a window. The widths of window, index and count are assumptions;
    with the 8 bits here a window of 256 never needs a filler. Index entries are the stored values, fillers included.
    """

    name: ClassVar[str] = "step"
    title: ClassVar[str] = "non-zeros with the distance to the one before, counted anew in each window"

    decode_entries_per_cycle: int = decode_rate(16, "stored values")
    index_bits: int = whole("bits of a distance", 1, 16, 8)
    window: int = whole("elements of a row that one selector sees", 1, 65536, 256)

    @classmethod
    def variants(cls, value_bits: int) -> tuple[Self, ...]:
        """See `Format`: distances of 1 to 8 bits."""
        return tuple(cls(value_bits=value_bits, index_bits=bits) for bits in range(1, 9))

    @classmethod
    def variant_bits(cls, mask: np.ndarray, value_bits: int) -> Iterator[tuple[Self, int]]:
        """See `Format`: all of them, whose windows are the same, from one look at the runs of zeros."""
        variants, nonzeros = cls.variants(value_bits), int(np.count_nonzero(mask))
        windows = variants[0]._windows(as_tensor(mask))  # noqa: SLF001 (its own class)
        lists = windows.reshape(-1, windows.shape[-1])
        reaches = [variant._code.reach for variant in variants]  # noqa: SLF001 (its own class)
        fillers = all_fillers(0, reaches, lists)
        for variant, more in zip(variants, fillers, strict=True):
            counts = len(lists) * variant.window.bit_length()
            yield variant, (nonzeros + more) * (value_bits + variant.index_bits) + counts

    @property
    def _code(self) -> GapCode:
        # A field tells the distance itself, so that one bit pattern, 0, is spent on a window's first element: 2^k - 1
        # at most.
        return GapCode(origin=0, reach=(1 << self.index_bits) - 1)

    def _windows(self, tiles: np.ndarray) -> np.ndarray:
        """(..., C, X) as (..., windows, elements), padded with zeros; a view where nothing is padded."""
        rows = tiles.reshape(*tiles.shape[:-2], -1)
        # A row shorter than a window is a window of its own and is not filled up. Filled up windows cost nothing
        # either: zeros after the last non-zero have no entries.
        window = min(self.window, rows.shape[-1])
        short = -rows.shape[-1] % window
        if short:
            rows = np.pad(rows, (*[(0, 0)] * (rows.ndim - 1), (0, short)))
        return rows.reshape(*rows.shape[:-1], -1, window)

    def _sizes(self, tiles: np.ndarray) -> Sizes:
        windows = self._windows(tiles)
        lists = windows.reshape(-1, windows.shape[-1])
        nonzeros = nonzero_counts(tiles)
        entries = nonzeros + self._code.fillers(lists).reshape(len(tiles), -1).sum(axis=1)
        return Sizes.of(
            nonzeros,
            entries,
            entries,
            values=entries * self.value_bits,
            indices=entries * self.index_bits,
            # A window of 256 may hold 0 to 256 entries, which takes 9 bits; 8 would not tell a full window from an
            # empty one.
            # A row of 300 elements has two windows, the second one filled up: 18 bits of counts.
            counts=len(lists) // len(tiles) * self.window.bit_length(),
        )

    def _streams(self, tensor: np.ndarray) -> dict[str, Stream]:
        windows = self._windows(tensor)
        values, steps, bounds = self._code.encode(windows.reshape(-1, windows.shape[-1]))
        return {
            "values": Stream(values, self.value_bits),
            "indices": Stream(steps, self.index_bits),
            "counts": Stream(np.diff(bounds), self.window.bit_length()),
        }

    def _restore(self, streams: dict[str, np.ndarray], tensor: np.ndarray) -> None:
        # Windows of a tensor of zeros, which the lists are written into; what lies beyond the rows' ends is cut off.
        padded = np.zeros_like(self._windows(tensor))
        bounds = boundaries(streams["counts"])
        self._code.decode(streams["values"], streams["indices"], bounds, padded.reshape(-1, padded.shape[-1]))
        rows = tensor.reshape(len(tensor), -1)
        rows[:] = padded.reshape(len(tensor), -1)[:, : rows.shape[1]]
