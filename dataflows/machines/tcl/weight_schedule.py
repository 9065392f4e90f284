"""TCL's schedule of weights: rows of slots that are filled from the rows behind, so that empty rows can be left out.

Source: the scheduler of the authors' simulator (DNNsim, `core/src/BitTactical.cpp`, `core/include/core/BitTactical.h`).

A filter is rows of as many slots as a tile has lanes: row by row the channels of a kernel position, a vector at a time.
Here a row of a filter is a field of a 64-bit word, bit l of which is set where slot l holds a weight: of 16 lanes the
rows of four filters are a word, and what is done to a word is done to all four. A set begins with a word of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.words import set_bits
from dataflows.tiling.group_packs import GroupPacks
from workloads.whole_numbers import ceil_div

Shape = Literal["T", "L"]
_WORD_BITS = 64
_BLOCK = 128  # words side by side in the scheduler, which then stay in the first cache with their counts
_COUNT_BITS = 5  # up to 24 places are in reach of a slot
_FEW_BITS = 3  # for up to 7 of them


class ScheduleRule(NamedTuple):
    """How a set is scheduled; kernels take it whole.

    places     int64 (places, 2): rows ahead and lanes to the right that a slot may be filled from, in order
    lanes      slots of a row
    lookahead  rows that may be left out one after the other
    fewest     whether the slot with the fewest weights in reach is filled first, and not the one with the most
    """

    places: np.ndarray
    lanes: int
    lookahead: int
    fewest: bool


def places_within(lookahead: int, lookaside: int, shape: Shape, lanes: int) -> np.ndarray:
    """Int64 (places, 2): rows ahead and lanes to the right, modulo lanes, in the order in which a slot looks there.

    Example: lookahead 2, lookaside 5 and the shape T on 16 lanes reach (1, 15), (1, 0), (1, 1), (1, 3), (2, 14), (2, 0)
    and (2, 2).
    """
    found = [(ahead, 0) for ahead in range(1, lookahead + 1)]
    for turn in range(lookaside):
        if shape == "L":
            found.append((1, -turn - 1))
        else:
            # Right, then left; each pair a lane further and a row further ahead, which begins anew behind the last.
            pair, aside = turn // 2 % lookahead, turn // 2 + 1
            found.append((pair + 1, -aside if turn % 2 else aside))
    # On few lanes places meet: 3 to the right of 4 lanes is 1 to the left. The first in order stays.
    wrapped = dict.fromkeys((ahead, aside % lanes) for ahead, aside in sorted(found))
    return np.array(list(wrapped), np.int64)


@dataclass(frozen=True, eq=False)
class SetSchedules:
    """What becomes of the rows of each set of filters, which are those of a tile in a round.

    executed  int64 (packs, rounds, tiles): rows that take a cycle
    empty     int64 (packs, rounds, tiles): those of them that hold no weight
    weights   int64 (packs, rounds, tiles): weights in all rows of the set that take a cycle
    filters   int64 (packs, rounds, tiles): filters of the set
    """

    executed: np.ndarray
    empty: np.ndarray
    weights: np.ndarray
    filters: np.ndarray

    @classmethod
    def of(cls, packs: GroupPacks, mask: np.ndarray, filters: np.ndarray, rule: ScheduleRule) -> Self:
        """From a weight mask (K, C/G, [T,] R, S), for sets of so many filters, in order (packs, rounds, tiles)."""
        layer, fields = packs.layer, _WORD_BITS // rule.lanes
        own = mask.reshape(layer.out_channels, layer.group_in_channels, -1).view(np.uint8)
        # Of groups side by side each filter has its weights behind the channels of those before its own.
        first = np.arange(layer.out_channels) // layer.group_out_channels % packs.together * layer.group_in_channels
        vectors = ceil_div(packs.together * layer.group_in_channels, rule.lanes)
        edges = np.append(0, np.cumsum(ceil_div(filters.reshape(-1), fields)))
        words = np.zeros((own.shape[2] * vectors, edges[-1]), np.uint64)
        _pack_rows(own, first, filters.reshape(-1), edges, rule.lanes, words)
        found = np.zeros((3, filters.size), np.int64)
        _schedule_sets(words, edges, rule, found)
        executed, empty, weights = found.reshape(3, *filters.shape)
        return cls(executed, empty, weights, filters)


@kernel
def _pack_rows(
    mask: np.ndarray, first: np.ndarray, filters: np.ndarray, edges: np.ndarray, lanes: int, words: np.ndarray
) -> None:
    """Fill words (rows, words) from a mask (K, C/G, taps) whose filters begin at channels `first` of their rows.

    filters  int64 (sets,): filters of each set
    edges    int64 (sets + 1,): where the words of each set begin
    """
    channels, taps = mask.shape[1:]
    fields, vectors = _WORD_BITS // lanes, words.shape[0] // taps
    rows = np.empty((vectors, taps), np.uint64)
    k = 0
    for i in range(filters.size):
        for number in range(filters[i]):
            rows[:] = 0
            for c in range(channels):
                vector, lane = divmod(first[k] + c, lanes)
                for tap in range(taps):
                    rows[vector, tap] |= np.uint64(mask[k, c, tap]) << np.uint64(lane)
            word, place = edges[i] + number // fields, np.uint64(number % fields * lanes)
            for tap in range(taps):
                for vector in range(vectors):
                    words[tap * vectors + vector, word] |= rows[vector, tap] << place
            k += 1


@kernel
def _schedule_sets(words: np.ndarray, edges: np.ndarray, rule: ScheduleRule, found: np.ndarray) -> None:
    """Fill int64 (3, sets): executed rows, empty ones, weights; set i of words (rows, words) begins at edges[i]."""
    first, sets = 0, found.shape[1]
    while first < sets:
        last = first + 1
        while last < sets and edges[last + 1] - edges[first] <= _BLOCK:
            last += 1
        own = words[:, edges[first] : edges[last]].copy()
        if own.shape[1]:
            _schedule_block(own, edges[first : last + 1] - edges[first], rule, found[:, first:last])
        first = last


@kernel
def _schedule_block(words: np.ndarray, edges: np.ndarray, rule: ScheduleRule, found: np.ndarray) -> None:
    """The same for sets whose filters go through their rows side by side; words are overwritten."""
    rows, width = words.shape
    executed, empty, weights = found
    skipped = np.zeros(executed.size, np.int64)
    running = np.zeros(width, np.bool_)
    seen = np.zeros((len(rule.places), width), np.uint64)
    counts = np.zeros((_COUNT_BITS, width), np.uint64)
    taken = np.zeros(width, np.uint64)
    chosen = np.zeros(width, np.uint64)
    low = _low_bits(rule.lanes)
    for t in range(rows):
        some = False
        for i in range(executed.size):
            own = words[t, edges[i] : edges[i + 1]]
            runs = own.size > 0 and (skipped[i] == rule.lookahead or _holds_any(own))
            skipped[i] = 0 if runs else skipped[i] + 1
            executed[i] += runs
            some = some or runs
            running[edges[i] : edges[i + 1]] = runs
        if some:
            # A filter that does not run chooses nothing: its slots count as taken.
            for i in range(width):
                taken[i] = words[t, i] if running[i] else ~np.uint64(0)
            _fill_row(words, t, taken, rule, low, seen, counts, chosen)
            for i in range(executed.size):
                own = words[t, edges[i] : edges[i + 1]]
                if own.size > 0 and running[edges[i]]:
                    held = _weights_in(own)
                    weights[i] += held
                    empty[i] += held == 0


@kernel
def _holds_any(words: np.ndarray) -> bool:
    found = np.uint64(0)
    for i in range(words.size):
        found |= words[i]
    return found != 0


@kernel
def _weights_in(words: np.ndarray) -> np.int64:
    held = np.int64(0)
    for i in range(words.size):
        held += set_bits(words[i])
    return held


@kernel
def _low_bits(lanes: int) -> np.ndarray:
    """Words (lanes + 1,), the n-th of which has the n lowest bits of every field set."""
    low = np.zeros(lanes + 1, np.uint64)
    for n in range(1, lanes + 1):
        for first in range(0, _WORD_BITS // lanes * lanes, lanes):
            low[n] |= np.uint64(1) << np.uint64(first + n - 1)
        low[n] |= low[n - 1]
    return low


@kernel
def _fill_row(
    words: np.ndarray,
    t: int,
    taken: np.ndarray,
    rule: ScheduleRule,
    low: np.ndarray,
    seen: np.ndarray,
    counts: np.ndarray,
    chosen: np.ndarray,
) -> None:
    """Promote weights into row t of the running filters until no empty slot has one in reach.

    In turns, in which each filter fills the slot that it chooses, of those that are not taken. low is of `_low_bits`;
    seen, counts and chosen are room: the slots that see a weight at each place, how many each sees, digit by digit, and
    the slots that are filled.
    """
    places, _, _, fewest = rule
    own = words[t]
    within = 0
    while within < len(places) and t + places[within, 0] < words.shape[0]:
        within += 1
    many = within >> _FEW_BITS > 0
    if within == 0:
        return
    while True:
        for p in range(within):
            ahead, aside = places[p]
            _look(words[t + ahead], taken, aside, low, seen[p], counts, p == 0, many)
        if not _choose(counts, fewest, low, own, taken, chosen, many):
            return
        for p in range(within):
            ahead, aside = places[p]
            _take(words[t + ahead], seen[p], aside, low, chosen)


@kernel
def _look(
    behind: np.ndarray,
    taken: np.ndarray,
    aside: int,
    low: np.ndarray,
    seen: np.ndarray,
    counts: np.ndarray,
    first: bool,
    many: bool,
) -> None:
    """Fill the slots, not taken, that see a weight so far aside in a row behind, and count it for each of them."""
    lanes = low.size - 1
    right, left = np.uint64(aside), np.uint64((lanes - aside) % _WORD_BITS)
    others, wrapped = low[lanes - aside], low[lanes] & ~low[lanes - aside]
    if first:
        counts[:] = 0
    for i in range(taken.size):
        word = behind[i]
        slots = (((word >> right) & others) | ((word << left) & wrapped)) & ~taken[i]
        seen[i] = slots
        for digit in range(_FEW_BITS):
            before = counts[digit, i]
            counts[digit, i] = before ^ slots
            slots &= before
        if many:
            for digit in range(_FEW_BITS, _COUNT_BITS):
                before = counts[digit, i]
                counts[digit, i] = before ^ slots
                slots &= before


@kernel
def _choose(
    counts: np.ndarray,
    fewest: bool,
    low: np.ndarray,
    own: np.ndarray,
    taken: np.ndarray,
    chosen: np.ndarray,
    many: bool,
) -> bool:
    """Choose and fill a slot of each filter that sees a weight; whether there is any."""
    lanes = low.size - 1
    top, bottom, shift = low[lanes] & ~low[lanes - 1], low[1], np.uint64(lanes - 1)
    some = np.uint64(0)
    flip = ~np.uint64(0) if fewest else np.uint64(0)
    for i in range(own.size):
        slots = np.uint64(0)
        for digit in range(_COUNT_BITS):
            slots |= counts[digit, i]
        if many:
            for high in range(_COUNT_BITS - _FEW_BITS):
                kept = slots & (counts[_COUNT_BITS - 1 - high, i] ^ flip)
                slots = _kept_or_all(kept, slots, top, bottom, shift)
        for high in range(_FEW_BITS):
            kept = slots & (counts[_FEW_BITS - 1 - high, i] ^ flip)
            slots = _kept_or_all(kept, slots, top, bottom, shift)
        # Field by field slots & -slots, without carries from one field to the next.
        turned = ~slots
        one = slots & (((turned & ~top) + bottom) ^ (turned & top))
        chosen[i] = one
        own[i] |= one
        taken[i] |= one
        some |= one
    return some != 0


@kernel
def _kept_or_all(kept: np.uint64, slots: np.uint64, top: np.uint64, bottom: np.uint64, shift: np.uint64) -> np.uint64:
    """Field by field what is kept, or the slots as they are where nothing is."""
    # The top bit of a field is set where the field holds any; then all of its bits are.
    some = (((kept & ~top) + (top - bottom)) | kept) & top
    whole = (some - (some >> shift)) | some
    return kept | (slots & ~whole)


@kernel
def _take(behind: np.ndarray, seen: np.ndarray, aside: int, low: np.ndarray, chosen: np.ndarray) -> None:
    """Take the weights that chosen slots see at this place out of the row behind; their slots are done."""
    lanes = low.size - 1
    left, right = np.uint64(aside), np.uint64((lanes - aside) % _WORD_BITS)
    others, wrapped = low[lanes] & ~low[aside], low[aside]
    for i in range(behind.size):
        one = chosen[i] & seen[i]
        chosen[i] ^= one
        behind[i] &= ~(((one << left) & others) | ((one >> right) & wrapped))
