"""Bitmap: one bit an element, and the non-zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.formats.storage import Format, Sizes, Stream, decode_rate, nonzero_counts
from workloads.options import whole
from workloads.whole_numbers import ceil_div


@dataclass(frozen=True, kw_only=True)
class Bitmap(Format):
    """A bit for each element, row by row, then the non-zeros in the same order.

    Bits of N elements with z non-zeros of b bits: N + z·b. A decoder finds the place of each value of a window by a
    prefix sum over the window's bits, one window a cycle (SparTen, Gondimalla et al., MICRO 2019, in chunks of
    128; the 64 here are an assumption). Index entries are windows.
    """

    name: ClassVar[str] = "bitmap"
    title: ClassVar[str] = "a bit for each element and the non-zeros"

    decode_entries_per_cycle: int = decode_rate(1, "windows of the bitmap")
    window: int = whole("elements whose bits are decoded together", 1, 65536, 64)

    def _sizes(self, tiles: np.ndarray) -> Sizes:
        nonzeros, elements = nonzero_counts(tiles), tiles[0].size
        # The last window takes a cycle as well, however few elements it has: 100 elements in windows of 64 are two
        # entries.
        windows = ceil_div(elements, self.window)
        return Sizes.of(nonzeros, nonzeros, windows, bitmap=elements, values=nonzeros * self.value_bits)

    def _streams(self, tensor: np.ndarray) -> dict[str, Stream]:
        # Indexing by a mask picks row by row, the order of the bits, so that value i belongs to the i-th set bit.
        mask = tensor != 0
        return {"bitmap": Stream(mask.reshape(-1).view(np.uint8), 1), "values": Stream(tensor[mask], self.value_bits)}

    def _restore(self, streams: dict[str, np.ndarray], tensor: np.ndarray) -> None:
        tensor.reshape(-1)[streams["bitmap"].view(np.bool_)] = streams["values"]
