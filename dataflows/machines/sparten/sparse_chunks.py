"""`ChunkCut`: how the elements of a window, or of a filter, lie as bits in the words of SparseMap chunks.

A window's elements are its kernel positions (t, r, s) with all channels of each, channels innermost. What is stored of
a place of the map, or of a kernel position of a filter, are the bits of its channels, 32 to a word; a chunk has words
of its own, of which the last may have bits that nothing lies on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.machines.sparten.spec import ChunksOf
from workloads.whole_numbers import ceil_div

WORD = 32


class Segments(NamedTuple):
    """Bits side by side in a stored word that lie side by side in a word of a chunk as well; all int64 (segments,).

    taps        the kernel position whose place is read
    sources     the word of that place
    drops       bits of it below the segment
    masks       uint32: the segment's bits, at the lowest place
    targets     the word of the window, over all its chunks
    lifts       bits of that word below the segment
    """

    taps: np.ndarray
    sources: np.ndarray
    drops: np.ndarray
    masks: np.ndarray
    targets: np.ndarray
    lifts: np.ndarray


@dataclass(frozen=True)
class ChunkCut:
    """The chunks of a window of `taps` kernel positions with `channels` channels each.

    chunk  elements of a chunk, but for the last of a kernel position (`of` "position") or of the window ("window")

    Example: two kernel positions of five channels in chunks of four are chunks of 4, 1, 4 and 1 elements by position,
    of 4, 4 and 2 by window, whose second chunk has the last channel of the first position and three of the second.
    """

    taps: int
    channels: int
    chunk: int
    of: ChunksOf

    @property
    def count(self) -> int:
        """Chunks of a window."""
        if self.of == "position":
            return self.taps * ceil_div(self.channels, self.chunk)
        return ceil_div(self.taps * self.channels, self.chunk)

    @property
    def longest(self) -> int:
        """The most elements of a chunk."""
        return min(self.chunk, self.channels if self.of == "position" else self.taps * self.channels)

    @property
    def words(self) -> int:
        """Words of a chunk."""
        return ceil_div(self.longest, WORD)

    @cached_property
    def bit_of(self) -> np.ndarray:
        """Int64 (taps, channels): the bit of each element, over all words of all chunks."""
        channel = np.arange(self.channels)
        tap = np.arange(self.taps)[:, None]
        if self.of == "position":
            chunk = tap * ceil_div(self.channels, self.chunk) + channel // self.chunk
            place = np.broadcast_to(channel % self.chunk, chunk.shape)
        else:
            chunk, place = np.divmod(tap * self.channels + channel, self.chunk)
        return chunk * (self.words * WORD) + place

    @cached_property
    def segments(self) -> Segments:
        """The fewest segments that make a window."""
        taps, channels = np.indices((self.taps, self.channels)).reshape(2, -1)
        bits = self.bit_of.reshape(-1)
        sources, targets = channels // WORD, bits // WORD
        # A segment goes on while the next channel is of the same stored word and the next bit of the same word of the
        # chunk; bits of a tap that follows begin anew, since its place is another.
        goes_on = np.arange(len(bits)) > 0
        for one in (taps, sources, targets):
            goes_on[1:] &= one[1:] == one[:-1]
        heads = np.flatnonzero(~goes_on)
        lengths = np.diff(heads, append=len(bits))
        masks = np.uint32(2**WORD - 1) >> (WORD - lengths).astype(np.uint32)
        return Segments(taps[heads], sources[heads], channels[heads] % WORD, masks, targets[heads], bits[heads] % WORD)

    @property
    def as_stored(self) -> bool:
        """Whether chunks are the stored words of kernel positions, one after the other."""
        whole = self.chunk % WORD == 0 or self.channels <= self.chunk
        return self.of == "position" and whole and ceil_div(self.channels, WORD) * self.taps == self.count * self.words

    def pack(self, filters: np.ndarray) -> np.ndarray:
        """Uint32 (filters, chunks, words) of weight masks, bool (filters, C/G, taps)."""
        stored = pack_channels(filters)
        if self.as_stored:
            return stored.reshape(len(filters), self.count, self.words)
        packed = np.zeros((len(filters), self.count * self.words), np.uint32)
        _lay_out(stored, self.segments, packed)
        return packed.reshape(len(filters), self.count, self.words)

    def full(self) -> np.ndarray:
        """Uint32 (chunks, words): a window whose elements are all there."""
        packed = np.zeros(self.count * self.words * WORD, np.uint8)
        packed[self.bit_of.reshape(-1)] = 1
        return np.packbits(packed, bitorder="little").view("<u4").reshape(self.count, self.words)


def pack_channels(masks: np.ndarray) -> np.ndarray:
    """Uint32 (maps, places, words): the channels of each place as bits, of masks (maps, channels, places)."""
    maps, channels, places = masks.shape
    words = np.zeros((maps, places, ceil_div(channels, WORD)), np.uint32)
    if places > 1:
        _pack(np.ascontiguousarray(masks).view(np.uint8), words)
        return words
    packed = np.packbits(masks.reshape(maps, channels), axis=1, bitorder="little")
    if packed.shape[1] % words.itemsize == 0:
        return packed.view("<u4").reshape(words.shape)
    words.view(np.uint8).reshape(maps, -1)[:, : packed.shape[1]] = packed
    return words


@kernel
def _pack(masks: np.ndarray, words: np.ndarray) -> None:
    """Fill words (maps, places, words) from uint8 masks (maps, channels, places)."""
    for one in range(masks.shape[0]):
        for channel in range(masks.shape[1]):
            word, bit = channel // 32, np.uint32(channel % 32)
            for place in range(masks.shape[2]):
                words[one, place, word] |= np.uint32(masks[one, channel, place]) << bit


@kernel
def _lay_out(stored: np.ndarray, segments: Segments, packed: np.ndarray) -> None:
    """Fill packed (filters, chunks * words) from the stored words (filters, taps, words)."""
    taps, sources, drops, masks, targets, lifts = segments
    for k in range(stored.shape[0]):
        for i in range(taps.size):
            bits = (stored[k, taps[i], sources[i]] >> np.uint32(drops[i])) & masks[i]
            packed[k, targets[i]] |= bits << np.uint32(lifts[i])
