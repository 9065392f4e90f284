"""TCL's schedule of weights: rows of slots that are filled from the rows behind, so that empty rows can be left out.

Source: the scheduler of the authors' simulator (DNNsim, `core/src/BitTactical.cpp`, `core/include/core/BitTactical.h`).

A filter is rows of as many slots as a tile has lanes: row by row the channels of a kernel position, a vector at a time.
A row of a filter is a word here, bit l of which is set where slot l holds a weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.words import set_bits
from dataflows.tiling.group_packs import GroupPacks

Shape = Literal["T", "L"]
_BLOCK = 256  # filters side by side in the scheduler, whose words and counts then stay in the first cache
_COUNT_BITS = 5  # up to 24 places are in reach of a slot


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


def filter_rows(packs: GroupPacks, mask: np.ndarray, lanes: int) -> np.ndarray:
    """Unsigned words (K, rows) of a weight mask (K, C/G, [T,] R, S), a bit a slot, of filters spread over packs."""
    spread = packs.block_weights(mask)
    filters, channels = spread.shape[:2]
    vectors = -(-channels // lanes)
    slots = np.zeros((filters, vectors * lanes, math.prod(spread.shape[2:])), np.bool_)
    slots[:, :channels] = spread.reshape(filters, channels, -1)
    # (k, vector, lane, tap) to (k, tap, vector, lane): a kernel position's vectors follow one another.
    slots = slots.reshape(filters, vectors, lanes, -1).transpose(0, 3, 1, 2)
    word = np.uint16 if lanes <= 16 else np.uint32 if lanes <= 32 else np.uint64
    packed = np.zeros((*slots.shape[:3], np.dtype(word).itemsize), np.uint8)
    packed[..., : -(-lanes // 8)] = np.packbits(slots, axis=-1, bitorder="little")
    return packed.view(np.dtype(word).newbyteorder("<")).astype(word).reshape(filters, -1)


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
    def of(cls, rows: np.ndarray, filters: np.ndarray, rule: ScheduleRule) -> Self:
        """Of rows of words (K, rows), which stay as they are, for the filters of each set (packs, rounds, tiles)."""
        edges = np.append(0, np.cumsum(filters.reshape(-1)))
        found = np.zeros((3, filters.size), np.int64)
        _schedule_sets(np.ascontiguousarray(rows.T), edges, rule, found)
        executed, empty, weights = found.reshape(3, *filters.shape)
        return cls(executed, empty, weights, filters)


@kernel
def _schedule_sets(
    words: np.ndarray,
    edges: np.ndarray,
    rule: ScheduleRule,
    found: np.ndarray,
) -> None:
    """Fill int64 (3, sets): executed rows, empty ones, weights; of words (rows, K) whose set i begins at edges[i]."""
    first, sets = 0, found.shape[1]
    while first < sets:
        last = first + 1
        while last < sets and edges[last + 1] - edges[first] <= _BLOCK:
            last += 1
        own = words[:, edges[first] : edges[last]].copy()
        local = edges[first : last + 1] - edges[first]
        if own.shape[1]:
            _schedule_block(own, local, rule, found[:, first:last])
        first = last


@kernel
def _schedule_block(
    words: np.ndarray,
    edges: np.ndarray,
    rule: ScheduleRule,
    found: np.ndarray,
) -> None:
    """The same for sets whose filters go through their rows side by side; words are overwritten."""
    rows, filters = words.shape
    executed, empty, weights = found
    skipped = np.zeros(executed.size, np.int64)
    running = np.zeros(filters, words.dtype)
    seen = np.zeros((len(rule.places), filters), words.dtype)
    counts = np.zeros((_COUNT_BITS, filters), words.dtype)
    chosen = np.zeros(filters, words.dtype)
    every = ~np.uint64(0) >> np.uint64(64 - rule.lanes)
    for t in range(rows):
        some = False
        for i in range(executed.size):
            own = words[t, edges[i] : edges[i + 1]]
            runs = own.size > 0 and (skipped[i] == rule.lookahead or _holds_any(own))
            skipped[i] = 0 if runs else skipped[i] + 1
            executed[i] += runs
            some = some or runs
            running[edges[i] : edges[i + 1]] = every if runs else np.uint64(0)
        if some:
            _fill_row(words, t, running, rule, seen, counts, chosen)
            for i in range(executed.size):
                own = words[t, edges[i] : edges[i + 1]]
                if own.size > 0 and running[edges[i]] != 0:
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
        held += set_bits(np.uint64(words[i]))
    return held


@kernel
def _fill_row(
    words: np.ndarray,
    t: int,
    running: np.ndarray,
    rule: ScheduleRule,
    seen: np.ndarray,
    counts: np.ndarray,
    chosen: np.ndarray,
) -> None:
    """Promote weights into row t of the running filters until no empty slot has one in reach.

    In turns, in which each filter fills the slot that it chooses. running holds all slots of filters whose set executes
    the row. seen, counts and chosen are room: the slots that see a weight at each place, how many each sees, digit by
    digit, and the slot that is filled.
    """
    rows = words.shape[0]
    own = words[t]
    places, lanes, _, fewest = rule
    within = 0
    while within < len(places) and t + places[within, 0] < rows:
        within += 1
    while True:
        counts[:] = 0
        for p in range(within):
            _look(words[t + places[p, 0]], own, running, places[p, 1], lanes, seen[p], counts)
        if not _choose(counts, fewest, own, chosen):
            return
        for p in range(within):
            _take(words[t + places[p, 0]], seen[p], places[p, 1], lanes, chosen)


@kernel
def _look(
    behind: np.ndarray,
    own: np.ndarray,
    running: np.ndarray,
    aside: int,
    lanes: int,
    seen: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Fill the empty slots that see a weight so far aside in a row behind, and count it for each of them."""
    right = np.uint64(aside)
    left = np.uint64(lanes - aside if aside else 0)
    for f in range(own.size):
        word = np.uint64(behind[f])
        slots = ((word >> right) | (word << left)) & ~np.uint64(own[f]) & np.uint64(running[f])
        seen[f] = slots
        for digit in range(_COUNT_BITS):
            before = np.uint64(counts[digit, f])
            counts[digit, f] = before ^ slots
            slots &= before


@kernel
def _choose(counts: np.ndarray, fewest: bool, own: np.ndarray, chosen: np.ndarray) -> bool:
    """Choose and fill a slot of each filter that sees a weight; whether there is any."""
    some = np.uint64(0)
    for f in range(own.size):
        slots = np.uint64(0)
        for digit in range(_COUNT_BITS):
            slots |= counts[digit, f]
        for high in range(_COUNT_BITS):
            digit = np.uint64(counts[_COUNT_BITS - 1 - high, f])
            kept = slots & (~digit if fewest else digit)
            slots = kept or slots
        one = slots & (~slots + np.uint64(1))
        chosen[f] = one
        own[f] |= one
        some |= one
    return some != 0


@kernel
def _take(behind: np.ndarray, seen: np.ndarray, aside: int, lanes: int, chosen: np.ndarray) -> None:
    """Take the weights that chosen slots see at this place out of the row behind; their slots are done."""
    left = np.uint64(aside)
    right = np.uint64(lanes - aside if aside else 0)
    for f in range(behind.size):
        one = np.uint64(chosen[f]) & np.uint64(seen[f])
        chosen[f] ^= one
        behind[f] &= ~((one << left) | (one >> right))
