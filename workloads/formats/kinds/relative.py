"""Relative index: the zeros before each non-zero in a few bits, with stored zeros in longer runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from workloads.formats.kinds.gaps import GapCode, all_fillers
from workloads.formats.storage import Format, Sizes, Stream, as_tensor, decode_rate, nonzero_counts
from workloads.options import choice, whole


@dataclass(frozen=True, kw_only=True)
class Relative(Format):
    """Each non-zero with the zeros before it in k = `index_bits` bits; a filler, a stored zero, every 2^k zeros.

    z zeros before a non-zero cost z // 2^k fillers; zeros after the last one cost nothing. Scan order: "tensor", one
    list through all rows; "rows" or "columns", a list each, in which counting starts anew, with pointers to the lists.
    Bits of n non-zeros and f fillers of b bits: (n + f)·(b + k), and with rows or columns (lists + 1)·pointer_bits.
    At density d in a long list, f/n = q/(1 - q) with q = (1 - d)^(2^k), on average.

    tensor   Deep Compression (Han et al., ICLR 2016, figure 2): k = 4 for AlexNet, 5 for VGG-16, codes of 8 bits in
             convolutions and 5 in fully connected layers (tables 4 and 5). The length is the file's and the codebook
             the decoder's: neither is counted.
    columns  EIE (Han et al., ISCA 2016, section III-B): a PE's rows by columns, k = 4, 4-bit codebook values, 16-bit
             pointers.
    rows     SCNN (Parashar et al., ISCA 2017): k = 4; a row is a block of one channel's weights for a group
             of filters, or of one channel's activations in a tile; its pointer stands for the block's count.

    A running sum finds the places, one entry a cycle (EIE); SCNN reads vectors of four. Index entries are the stored
    values, fillers included.
    """

    name: ClassVar[str] = "relative"
    title: ClassVar[str] = "non-zeros with the run of zeros before each, fillers in long runs"

    decode_entries_per_cycle: int = decode_rate(1, "stored values")
    index_bits: int = whole("bits of a run of zeros", 1, 16, 4)
    scan: str = choice("where lists run", "tensor", "rows", "columns")
    pointer_bits: int = whole("bits of a pointer to the start of a row or column; tensor has none", 1, 64, 32)

    @classmethod
    def variants(cls, value_bits: int) -> tuple[Self, ...]:
        """See `Format`: runs of 1 to 8 bits through the whole tensor."""
        return tuple(cls(value_bits=value_bits, index_bits=bits) for bits in range(1, 9))

    @classmethod
    def variant_bits(cls, mask: np.ndarray, value_bits: int) -> Iterator[tuple[Self, int]]:
        """See `Format`: all of them from one look at the runs of zeros."""
        variants, nonzeros = cls.variants(value_bits), int(np.count_nonzero(mask))
        reaches = [variant._code.reach for variant in variants]  # noqa: SLF001 (its own class)
        fillers = all_fillers(-1, reaches, as_tensor(mask).reshape(1, -1))
        for variant, more in zip(variants, fillers, strict=True):
            yield variant, (nonzeros + more) * (value_bits + variant.index_bits)

    @property
    def _code(self) -> GapCode:
        # A field tells zeros, one less than the distance: k bits tell 0 to 2^k - 1 zeros, so distances up to 2^k.
        return GapCode(origin=-1, reach=1 << self.index_bits)

    def _lists(self, tiles: np.ndarray) -> np.ndarray:
        """(n, K, C, X) as (n, lists, length); a view where n is 1."""
        if self.scan == "tensor":
            return tiles.reshape(len(tiles), 1, -1)
        # Rows of (K, C·X), as the im2col matrix has them; its columns are lists of K elements.
        rows = tiles.reshape(*tiles.shape[:2], -1)
        return rows if self.scan == "rows" else rows.transpose(0, 2, 1)

    def _sizes(self, tiles: np.ndarray) -> Sizes:
        # Lists of all tiles are counted together, then added up tile by tile.
        lists = self._lists(tiles)
        fillers = self._code.fillers(lists.reshape(-1, lists.shape[2])).reshape(len(tiles), -1).sum(axis=1)
        nonzeros = nonzero_counts(tiles)
        # Example: k = 4 and a non-zero behind 33 zeros: 33 // 16 = 2 fillers, so 3 entries of 16 + 4 bits.
        entries = nonzeros + fillers
        bits = {"values": entries * self.value_bits, "indices": entries * self.index_bits}
        if self.scan != "tensor":
            self._check_pointers(self.pointer_bits, entries)
            bits["pointers"] = (lists.shape[1] + 1) * self.pointer_bits
        return Sizes.of(nonzeros, entries, entries, **bits)

    def _streams(self, tensor: np.ndarray) -> dict[str, Stream]:
        values, runs, bounds = self._code.encode(self._lists(tensor[np.newaxis])[0])
        streams = {"values": Stream(values, self.value_bits), "indices": Stream(runs, self.index_bits)}
        if self.scan != "tensor":
            self._check_pointers(self.pointer_bits, np.array(len(values)))
            streams["pointers"] = Stream(bounds, self.pointer_bits)
        return streams

    def _restore(self, streams: dict[str, np.ndarray], tensor: np.ndarray) -> None:
        values = streams["values"]
        # With scan=tensor there are no pointers, and the single list has all entries.
        bounds = streams.get("pointers", np.array([0, len(values)]))
        self._code.decode(values, streams["indices"], bounds, self._lists(tensor[np.newaxis])[0])
