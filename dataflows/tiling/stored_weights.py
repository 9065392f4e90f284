"""Weights of a machine kept in another storage format: what DRAM moves then, and what its decoder costs.

The format's exact bits replace the machine's own; its decoder steps through index entries at its own rate. A decoder
slower than the PEs that it feeds holds them up, and that wait is `index`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import AfterValidator

from dataflows.schedule import Cause
from dataflows.tiling.dram_layout import bits_to_bytes
from workloads import formats

NATIVE = "native"


def _known(text: str) -> str:
    if text != NATIVE:
        formats.parse(text)  # raises an error that names the format, the key and what is allowed
    return text


WeightFormat = Annotated[str, AfterValidator(_known)]
"""`native`, or a storage format such as `csc` or `relative:index_bits=4`."""


def value_bits_of(text: str, native_bits: int) -> int:
    """Bits of a stored value in a format, or in the machine's own."""
    return native_bits if text == NATIVE else formats.parse(text).value_bits


@dataclass(frozen=True, eq=False)
class FormattedWeights:
    """Slices of a layer's output channels, each stored on its own in a format.

    size_bytes     int64 (slices,)
    decode_cycles  int64 (slices,): cycles that the decoder needs for one pass over a slice
    """

    size_bytes: np.ndarray
    decode_cycles: np.ndarray

    @classmethod
    def of(cls, text: str, mask: np.ndarray, bounds: np.ndarray) -> Self:
        """Slices bounds[i]:bounds[i + 1] of a weight mask (K, C/G, ...); equal bounds make an empty slice."""
        chosen = formats.parse(text)
        # Empty slices are left out and stay zero: of the bounds 0, 4, 4, 8 the format sees 0, 4, 8.
        filled = np.diff(bounds) > 0
        sizes = chosen.sizes(mask, row_bounds=np.append(bounds[:-1][filled], bounds[-1]))
        columns = []
        for column in (bits_to_bytes(sizes.bits[:, 0]), chosen.decode_cycles(sizes.index_entries[:, 0])):
            whole = np.zeros(len(filled), np.int64)
            whole[filled] = column
            columns.append(whole)
        return cls(*columns)


def filter_by_filter(text: str, mask: np.ndarray, entry_bits: int) -> np.ndarray:
    """Bits of each kernel of a weight mask (K, C/G, ...) when every kernel is stored on its own: int64 (K, C/G).

    Native kernels hold their non-zeros at `entry_bits` each; a run of zeros inside one kernel needs no filler.
    """
    if text == NATIVE:
        return mask.reshape(*mask.shape[:2], -1).sum(axis=2, dtype=np.int64) * entry_bits
    rows, channels = (np.arange(size + 1) for size in mask.shape[:2])
    return formats.parse(text).tile_bits(mask, rows, channels)


def spread(totals: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Int64 (rows, places): each row's total in whole numbers by its shares; the first place of a row without any."""
    reached = np.cumsum(shares, axis=1, dtype=np.int64)
    whole = np.maximum(reached[:, -1:], 1)
    # The running sum is rounded and not each part, which keeps the total: 10 by the shares 1, 1, 1 is 3, 3 and 4. A row
    # without shares reaches its total at once, in the first place.
    marks = np.where(reached[:, -1:] > 0, totals[:, None] * reached // whole, totals[:, None])
    return np.diff(marks, axis=1, prepend=0)


def wait_for_decoder(cycles: np.ndarray, decode_cycles: np.ndarray) -> None:
    """Lengthen tiles that end before their decoder does; in place.

    cycles         int64 (tiles, PEs, CAUSES), as in a schedule
    decode_cycles  int64 (tiles,) of a decoder that feeds all PEs, or (tiles, PEs) where each has its own
    """
    # A decoder for all PEs holds a tile up only beyond its slowest PE, one of a PE's own that PE alone. A PE without
    # work waits for neither: it has nothing to decode.
    # PEs of 5 and 3 cycles whose common decoder takes 7 get 2 more each, and meet after 7. With decoders of their own
    # that take 7 and 2 cycles only the first PE gets 2.
    local = cycles.sum(axis=2)
    slowest = local if decode_cycles.ndim == 2 else local.max(axis=1, keepdims=True)
    needed = decode_cycles if decode_cycles.ndim == 2 else decode_cycles[:, None]
    cycles[:, :, Cause.INDEX] += np.where(local > 0, np.maximum(needed - slowest, 0), 0)
