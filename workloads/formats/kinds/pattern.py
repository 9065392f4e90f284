"""Pattern code: 3x3 kernels whose weights lie in one of a few patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.errors import InputError
from workloads.formats.storage import Format, Sizes, Stream, decode_rate, index_width, nonzero_counts
from workloads.options import whole

_POSITIONS = 9
_PLACES = np.arange(_POSITIONS)


@dataclass(frozen=True, kw_only=True)
class Pattern(Format):
    """Kept kernels of a filter, each with its channel, the code of its pattern and the `n` values in the pattern.

    The patterns are those that the tensor has with n non-zeros, by rising code (the first kernel position is the lowest
    bit). Then, by falling number of non-zeros, a kernel that no pattern covers adds one, filled up from the lowest free
    positions. A kernel takes the first pattern that covers it; zeros in it are fillers. Scan order: filters, channels,
    kernel positions row by row.
    Bits of z kept kernels in K filters of C channels, values of b bits:
    z·(n·b + ceil(log2 patterns) + ceil(log2 C)) + (K + 1)·pointer_bits.

    PatDNN (Niu et al., ASPLOS 2020, its FKW layout: filter offsets, kernel indices, pattern styles, weights): 4 of 9
    weights, 6, 8 or 12 patterns. The pattern table lies in the decoder and is stored with 0 bits. One pattern is looked
    up a cycle (assumption). Index entries are the kept kernels.
    """

    name: ClassVar[str] = "pattern"
    title: ClassVar[str] = "kept 3x3 kernels, each with its channel, a pattern code and the pattern's values"

    decode_entries_per_cycle: int = decode_rate(1, "kept kernels")
    n: int = whole("weights of a pattern", 1, _POSITIONS, 4)
    patterns: int = whole("patterns that the decoder holds", 1, 512, 8)
    pointer_bits: int = whole("bits of a pointer to a filter's first kernel", 1, 64, 32)

    def _check(self, mask: np.ndarray) -> None:
        self._library(_codes(mask))

    def _library(self, codes: np.ndarray) -> np.ndarray:
        """Int64 (patterns,): the codes of n bits that cover all kernels. Raises `InputError` where there is none."""
        # Codes rise, and the sort is stable: of patterns with equally many weights the lowest code comes first.
        found = [int(code) for code in np.flatnonzero(np.bincount(codes.reshape(-1), minlength=2))]
        found.sort(key=int.bit_count, reverse=True)
        if found[0].bit_count() > self.n:
            raise InputError(f"{self.subject}: a kernel holds {found[0].bit_count()} non-zeros, a pattern has {self.n}")
        library: list[int] = []
        for code in found:
            # `code & ~known` are the positions that a known pattern lacks: 0b0011 is covered by 0b1011, 0b0101 is not.
            if code and not any(code & ~known == 0 for known in library):
                library.append(_filled(code, self.n))
        if len(library) > self.patterns:
            raise InputError(f"{self.subject}: kernels need {len(library)} patterns, the decoder holds {self.patterns}")
        return np.array(library, np.int64)

    def _sizes(self, tiles: np.ndarray) -> Sizes:
        count, filters, channels, _ = tiles.shape
        # The library is that of the whole tensor, which `_check` has found; a tile's sizes need only its kept kernels.
        kept = np.count_nonzero(_codes(tiles).reshape(count, -1), axis=1)
        self._check_pointers(self.pointer_bits, kept)
        # Example: 10 kept kernels, 4 values of 16 bits, 8 patterns and 64 channels: 10 x (64 + 3 + 6) bits and the
        # pointers.
        return Sizes.of(
            nonzero_counts(tiles),
            kept * self.n,
            kept,
            values=kept * self.n * self.value_bits,
            codes=kept * index_width(self.patterns),
            channels=kept * index_width(channels),
            pointers=(filters + 1) * self.pointer_bits,
            table=0,
        )

    def _streams(self, tensor: np.ndarray) -> dict[str, Stream]:
        codes = _codes(tensor != 0)
        library = self._library(codes)
        filters, channels = np.nonzero(codes)
        self._check_pointers(self.pointer_bits, np.array(len(channels)))
        kernels = codes[filters, channels]
        # (kept kernels, patterns): whether the pattern has every position of the kernel. `argmax` takes the first that
        # has. Without a library no kernel is kept, and `kernels` is an empty array that stands for no codes.
        covers = (kernels[:, np.newaxis] & ~library) == 0
        pattern = covers.argmax(axis=1) if len(library) else kernels
        values = tensor[filters[:, np.newaxis], channels[:, np.newaxis], self._places(library)[pattern]]
        return {
            "values": Stream(values.reshape(-1), self.value_bits),
            "codes": Stream(pattern, index_width(self.patterns)),
            "channels": Stream(channels, index_width(tensor.shape[1])),
            "pointers": Stream(np.searchsorted(filters, np.arange(len(tensor) + 1)), self.pointer_bits),
            "table": Stream(library, 0),
        }

    def _restore(self, streams: dict[str, np.ndarray], tensor: np.ndarray) -> None:
        filters = np.repeat(np.arange(len(tensor)), np.diff(streams["pointers"]))[:, np.newaxis]
        places = self._places(streams["table"])[streams["codes"]]
        tensor[filters, streams["channels"][:, np.newaxis], places] = streams["values"].reshape(-1, self.n)

    def _places(self, library: np.ndarray) -> np.ndarray:
        """Kernel positions of each pattern, int64 (patterns, n)."""
        # Bits of each code, (patterns, 9), lowest first; every row has n set bits, so that their columns reshape to
        # (patterns, n). The code 17 = 1 + 16 gives the places 0 and 4.
        return np.nonzero(library[:, np.newaxis] >> _PLACES & 1)[1].reshape(-1, self.n)


def _codes(mask: np.ndarray) -> np.ndarray:
    """Kernels as 9-bit numbers, the first position lowest: int64 (..., K, C) of bool (..., K, C, 9)."""
    if mask.shape[-1] != _POSITIONS:
        raise InputError(f"format 'pattern': kernel positions = {mask.shape[-1]}, patterns need 9 (3x3)")
    # A kernel with non-zeros at the positions 0, 4 and 8 is 1 + 16 + 256 = 273.
    codes = np.zeros(mask.shape[:-1], np.int64)
    for place in range(_POSITIONS):
        codes |= mask[..., place].astype(np.int64) << place
    return codes


def _filled(code: int, count: int) -> int:
    """A code with further low positions set until it has `count`."""
    # The positions 0 and 8 filled up to four are 0, 1, 2 and 8.
    for place in range(_POSITIONS):
        if code.bit_count() == count:
            break
        code |= 1 << place
    return code
