"""The list of inputs of an output: where it reads, its windows, and its bits packed window by window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.described.spec import DescriptionSpec
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

WORD_BITS = 32
_OUTSIDE = -1


@dataclass(frozen=True)
class ListCut:
    """A list of `taps` x `channels` entries, channels innermost, cut into windows.

    parts   stretches that windows do not cross: kernel positions, or the whole list
    length  entries of a part

    Example: three channels at four kernel positions in windows of 2. By position each of four parts of 3 has windows of
    2 and 1; through the kernel a single part of 12 has six of 2.
    """

    taps: int
    channels: int
    window: int
    parts: int
    length: int

    @classmethod
    def of(cls, spec: DescriptionSpec, layer: Layer) -> Self:
        """The list of a layer's outputs in a described machine."""
        taps, channels = math.prod(layer.kernel_size), layer.group_in_channels
        whole = spec.skip.spans == "kernel"
        return cls(taps, channels, spec.window, 1 if whole else taps, taps * channels if whole else channels)

    @property
    def entries(self) -> int:
        """Entries of the list."""
        return self.taps * self.channels

    @property
    def part_windows(self) -> int:
        """Windows of a part."""
        return ceil_div(self.length, self.window)

    @property
    def windows(self) -> int:
        """Windows of the list."""
        return self.parts * self.part_windows

    @property
    def words(self) -> int:
        """Words of a window."""
        return ceil_div(min(self.window, self.length), WORD_BITS)

    def bounds(self) -> list[tuple[int, int]]:
        """First entry and end of each window."""
        return [
            (part + first, part + min(first + self.window, self.length))
            for part in range(0, self.entries, self.length)
            for first in range(0, self.length, self.window)
        ]

    def pack(self, bits: np.ndarray) -> np.ndarray:
        """Uint32 (rows, windows, words) of lists, bool (rows, entries)."""
        return self._packed(bits.reshape(-1, self.length)).reshape(len(bits), self.windows, self.words)

    def pack_windows_of(self, places: np.ndarray, reads: np.ndarray) -> np.ndarray:
        """Uint32 (rows, windows, words) of lists that read places; what is outside has no bit.

        places  bool (places, channels);  reads  int64 (rows, taps), the place of each kernel position or -1
        """
        padded = np.concatenate([places, np.zeros((1, self.channels), np.bool_)])
        if self.parts == self.taps:
            # Places are packed once, however many windows read them.
            return self._packed(padded)[reads].reshape(len(reads), self.windows, self.words)
        return self.pack(padded[reads].reshape(len(reads), -1))

    def _packed(self, bits: np.ndarray) -> np.ndarray:
        """Uint32 (rows, windows of a part, words) of parts, bool (rows, length)."""
        padded = np.zeros((len(bits), self.part_windows, self.words * WORD_BITS), np.bool_)
        whole = self.length // self.window
        room = min(self.window, self.length)
        padded[:, :whole, :room] = bits[:, : whole * self.window].reshape(len(bits), whole, room)
        if whole < self.part_windows:
            padded[:, whole, : self.length - whole * self.window] = bits[:, whole * self.window :]
        return np.packbits(padded, axis=-1, bitorder="little").view("<u4")


def places_of(layer: Layer, positions: np.ndarray) -> np.ndarray:
    """Int64 (positions, taps): the place of the map ([d,] h, w) that each kernel position reads, or -1.

    positions  int64: numbers of output positions ([o,] p, q)
    """
    places, inside = np.zeros((len(positions), 1), np.int64), np.ones((len(positions), 1), np.bool_)
    at = np.unravel_index(positions, layer.output_size)
    for axis, size in enumerate(layer.input_size):
        first = at[axis] * layer.stride[axis] - layer.padding[axis][0]
        read = first[:, None] + np.arange(layer.kernel_size[axis]) * layer.dilation[axis]
        there = (read >= 0) & (read < size)
        places = (places[:, :, None] * size + read[:, None]).reshape(len(positions), -1)
        inside = (inside[:, :, None] & there[:, None]).reshape(len(positions), -1)
    return np.where(inside, places, _OUTSIDE)
