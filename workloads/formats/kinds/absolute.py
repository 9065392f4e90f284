"""What CSR and CSC share: lists of non-zeros with their place in the list, and where each list starts."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from workloads.formats.storage import Format, Sizes, Stream, decode_rate, index_width, nonzero_counts
from workloads.options import whole


@dataclass(frozen=True, kw_only=True)
class Absolute(Format):
    """Lists of (place, value), one list a row or a column, with list bounds as pointers."""

    decode_entries_per_cycle: int = decode_rate(1, "stored values")
    pointer_bits: int = whole("bits of a pointer to the start of a list", 1, 64, 32)

    @abstractmethod
    def _lists(self, tensor: np.ndarray) -> np.ndarray:
        """A view of (K, C, X) as (lists, length)."""

    def _sizes(self, tiles: np.ndarray) -> Sizes:
        nonzeros = nonzero_counts(tiles)
        self._check_pointers(self.pointer_bits, nonzeros)
        # All tiles have one shape, so that the first one tells how many lists each has and how long they are.
        lists, length = self._lists(tiles[0]).shape
        # Example: 3 rows of 1024 columns with 5 non-zeros of 16 bits: values 5 x 16, indices 5 x 10, pointers 4 x 32
        # bits.
        return Sizes.of(
            nonzeros,
            nonzeros,
            nonzeros,
            values=nonzeros * self.value_bits,
            indices=nonzeros * index_width(length),
            pointers=(lists + 1) * self.pointer_bits,
        )

    def _streams(self, tensor: np.ndarray) -> dict[str, Stream]:
        lists = self._lists(tensor)
        # Both are in storage order, list after list: [[7 0 5] [0 0 0] [0 3 0]] has owners 0 0 2 and places 0 2 1.
        owner, place = np.nonzero(lists)
        self._check_pointers(self.pointer_bits, np.array(len(place)))
        # Owners rise, so that list i starts at the first owner of at least i: 0 0 2 gives 0 2 2 3. An empty list has
        # two equal pointers, and the last pointer is the number of entries.
        pointers = np.searchsorted(owner, np.arange(len(lists) + 1))
        return {
            "values": Stream(lists[owner, place], self.value_bits),
            "indices": Stream(place, index_width(lists.shape[1])),
            "pointers": Stream(pointers, self.pointer_bits),
        }

    def _restore(self, streams: dict[str, np.ndarray], tensor: np.ndarray) -> None:
        lists = self._lists(tensor)
        # The differences of 0 2 2 3 are 2 0 1, the lengths of the lists; repeating the lists' numbers by them gives 0 0
        # 2 again.
        owner = np.repeat(np.arange(len(lists)), np.diff(streams["pointers"]))
        lists[owner, streams["indices"]] = streams["values"]
