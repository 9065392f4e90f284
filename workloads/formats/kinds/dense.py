"""Dense: every element is stored, no index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.formats.storage import Format, Sizes, Stream, decode_rate, nonzero_counts


@dataclass(frozen=True, kw_only=True)
class Dense(Format):
    """Every element, row by row.

    Bits of N elements of b bits: N·b. There is nothing to decode.
    """

    name: ClassVar[str] = "dense"
    title: ClassVar[str] = "every element, zeros included"

    decode_entries_per_cycle: int = decode_rate(0, "index entries (it has none)")

    def _sizes(self, tiles: np.ndarray) -> Sizes:
        elements = tiles[0].size
        return Sizes.of(nonzero_counts(tiles), elements, 0, values=elements * self.value_bits)

    def _streams(self, tensor: np.ndarray) -> dict[str, Stream]:
        # A copy, so that the encoded tensor does not change with the array that it was made from.
        return {"values": Stream(tensor.flatten(), self.value_bits)}

    def _restore(self, streams: dict[str, np.ndarray], tensor: np.ndarray) -> None:
        tensor.reshape(-1)[:] = streams["values"]
