"""Shape list: one list of kept columns for all filters, as shape-wise pruning leaves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.formats.storage import Format, Sizes, Stream, decode_rate, index_width, nonzero_counts


@dataclass(frozen=True, kw_only=True)
class Shape(Format):
    """The columns (c, [t,] r, s) where any filter has a non-zero, and there the values of every filter, zeros included.

    Scan order: kept columns, each with its K values. Every tensor can be stored; without the structure hardly a column
    falls away and the zeros in kept columns are fillers.
    Bits of Z kept columns of N, K filters, values of b bits: Z·(K·b + ceil(log2 N)).

    Zhu et al. (TVLSI 2020): one index serves all filters, and one kept column a cycle is matched to its activations.
    Index entries are the kept columns.
    """

    name: ClassVar[str] = "shape"
    title: ClassVar[str] = "one list of kept columns for all filters, dense values in them"

    decode_entries_per_cycle: int = decode_rate(1, "kept columns")

    def _sizes(self, tiles: np.ndarray) -> Sizes:
        _, filters, channels, positions = tiles.shape
        # OR over the filters: a column is kept where any of them has a non-zero.
        kept = nonzero_counts(np.bitwise_or.reduce(tiles.view(np.uint8), axis=1))
        # Example: 2 kept columns of 27 under 64 filters of 16 bits: 2 x (64 x 16 + 5) = 2058 bits.
        return Sizes.of(
            nonzero_counts(tiles),
            kept * filters,
            kept,
            values=kept * filters * self.value_bits,
            indices=kept * index_width(channels * positions),
        )

    def _streams(self, tensor: np.ndarray) -> dict[str, Stream]:
        rows = tensor.reshape(len(tensor), -1)
        kept = np.flatnonzero((rows != 0).any(axis=0))
        return {
            # Transposed, so that the K values of a column lie together: columns 1 and 4 of two filters are stored as
            # w(0, 1), w(1, 1), w(0, 4), w(1, 4).
            "values": Stream(rows[:, kept].T.reshape(-1), self.value_bits),
            "indices": Stream(kept, index_width(rows.shape[1])),
        }

    def _restore(self, streams: dict[str, np.ndarray], tensor: np.ndarray) -> None:
        rows = tensor.reshape(len(tensor), -1)
        rows[:, streams["indices"]] = streams["values"].reshape(-1, len(rows)).T
