"""Vectors of the activations that PEs store: the lowest bits of their windows, taken one after the other.

In all lanes at once where a window's bits are in few words, entry by entry in a lane where placeholders stand between.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import Lanes, any_bit, load, nonzero_mask, spread, store
from dataflows.kernels.words import trailing_zeros
from dataflows.machines.scnn.activation_windows import WORD_BITS, StoredWindows

ALL_BITS = 0xFFFFFFFF
_REACHED, _MORE = 2, 3  # rows of `state`, which are written by lane


@kernel
def _next_words(words: np.ndarray, row: int, left: Lanes, scratch: np.ndarray) -> Lanes:
    """Lanes whose word is used up go on to their next one that is not empty."""
    count = words.shape[2]
    by_row = words.reshape(-1, words.shape[3])
    store(scratch, 0, left)
    for lane in range(words.shape[3]):
        at = scratch[_REACHED, lane]
        while scratch[0, lane] == 0 and at < count - 1:
            at += np.uint32(1)
            scratch[0, lane] = by_row[row + at, lane]
        scratch[_REACHED, lane] = at
        scratch[_MORE, lane] = np.uint32(ALL_BITS) if at < count - 1 else np.uint32(0)
    return load(scratch, 0)


@kernel
def take_vectors(
    words: np.ndarray,
    group: int,
    v: int,
    width: int,
    planes: np.ndarray,
    range_of: tuple[int, int],
    upper: np.ndarray,
    state: np.ndarray,
) -> None:
    """Vectors of `width` non-zeros in all lanes of a group: planes 1 to their rows, planes 2 and 4 to `upper`.

    state  uint32 (4, LANES), to work with
    """
    row = (group * words.shape[1] + v) * words.shape[2]
    none = spread(np.uint32(0))
    left = load(words, row)
    many = words.shape[2] > 1
    more = none
    if many:
        state[_REACHED] = 0
        left = _next_words(words, row, left, state)
        more = load(state, _MORE)
    for vector in range(range_of[0], range_of[1]):
        ones = twos = fours = none
        for _ in range(width):
            if many and any_bit(more & ~nonzero_mask(left)):
                left = _next_words(words, row, left, state)
                more = load(state, _MORE)
            bit = left & (none - left)  # the lowest
            left ^= bit
            # Adds one to the bank's count in three planes: the second activation of a bank carries from ones to twos,
            # the fourth from twos to fours.
            carry = ones & bit
            ones ^= bit
            fours |= twos & carry
            twos ^= carry
        store(planes, vector, ones)
        store(upper, 2 * (vector - range_of[0]), twos)
        store(upper, 2 * (vector - range_of[0]) + 1, fours)


@kernel
def put(
    planes: np.ndarray, upper: np.ndarray, vector: int, own: int, lane: int, histogram: tuple[Any, Any, Any]
) -> None:
    """One lane's planes of a vector, the channel's number `own`."""
    planes[vector, lane] = histogram[0]
    upper[2 * own, lane] = histogram[1]
    upper[2 * own + 1, lane] = histogram[2]


@kernel
def take_one_by_one(
    stored: StoredWindows, pe: int, v: int, width: int, planes: np.ndarray, range_of: tuple[int, int], upper: np.ndarray
) -> int:
    """One lane's vectors, entry by entry: where placeholders stand between non-zeros, or words are many.

    As `take_vectors` otherwise. Returns the vectors with a non-zero.
    """
    shape, words = stored.shape, stored.words
    lanes = words.shape[3]
    group, lane = pe // lanes, pe % lanes
    columns = min(shape.windows[pe, 3], shape.phase_size[v % len(shape.phase_size), 1]) - shape.windows[pe, 2]
    ones = twos = fours = np.uint32(0)
    slot = busy = first_of_row = halo = 0
    last, vector = -1, range_of[0]
    for i in range(words.shape[2]):
        word = np.uint64(words[group, v, i, lane])
        while word != 0:
            bank = trailing_zeros(word)
            word &= word - np.uint64(1)
            place = i * WORD_BITS + bank
            # Places count the halo's columns as well, positions do not.
            while place - first_of_row >= shape.row_step:
                first_of_row += shape.row_step
                halo += shape.row_step - columns
            # A placeholder for every run of so many zeros, then the non-zero itself.
            for entry in range(((place - halo - last - 1) >> shape.run_bits), -1, -1):
                if slot == width:
                    busy += (ones | twos | fours) != 0
                    put(planes, upper, vector, vector - range_of[0], lane, (ones, twos, fours))
                    ones = twos = fours = np.uint32(0)
                    slot = 0
                    vector += 1
                slot += 1
                bit = (np.uint32(entry == 0)) << np.uint32(bank)
                carry = ones & bit
                ones ^= bit
                fours |= twos & carry
                twos ^= carry
            last = place - halo
    # The last vector may be short, and behind it the lane has none.
    while vector < range_of[1]:
        busy += (ones | twos | fours) != 0
        put(planes, upper, vector, vector - range_of[0], lane, (ones, twos, fours))
        ones = twos = fours = np.uint32(0)
        vector += 1
    return busy
