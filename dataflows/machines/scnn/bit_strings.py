"""Masks as strings of bits, from which kernels read many positions at once."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from workloads.whole_numbers import ceil_div

PART_BITS = 32  # that kernels read at once


def bit_string(mask: np.ndarray) -> np.ndarray:
    """uint64: a bit for each element of a mask in its order, lowest first, and a word more that may be read."""
    packed = np.packbits(mask.reshape(-1), bitorder="little")
    bits = np.zeros(ceil_div(len(packed), 8) + 1, np.uint64)
    bits.view(np.uint8)[: len(packed)] = packed
    return bits


@kernel
def bits_from(bits: np.ndarray, at: int, size: int) -> np.uint64:
    """`size` bits from bit `at` on, at most 63."""
    shift, word = np.uint64(at & 63), np.uint64(at >> 6)
    # Some stand in the next word: it is shifted twice, as 64 at once is more than a shift can do.
    found = bits[word] >> shift | (bits[word + np.uint64(1)] << np.uint64(1)) << (np.uint64(63) - shift)
    return found & ((np.uint64(1) << np.uint64(size)) - np.uint64(1))


@kernel
def pack_columns(mask: np.ndarray, keep: np.uint8, low: int, high: int, first: int, words: np.ndarray) -> None:
    """Fill words, uint64 (words, channels): bit k of channel i says whether weight (low + k, first + i) is stored."""
    for i in range(len(words)):
        word = words[i]
        for c in range(len(word)):
            word[c] = 0
    for k in range(low, high):
        # Filter low + 70 is bit 6 of word 1.
        shift = np.uint64((k - low) & 63)
        word = words[(k - low) >> 6]
        row = mask[k, first : first + words.shape[1]]
        for c in range(len(row)):
            word[c] |= np.uint64(row[c] | keep) << shift
