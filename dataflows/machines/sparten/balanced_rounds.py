"""`BalancedRounds`: which filters the units of a cluster hold, round by round, and their words side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import LANES
from dataflows.kernels.words import set_bits
from dataflows.machines.sparten.spec import Balancing
from workloads.whole_numbers import ceil_div

NO_FILTER = -1


@dataclass(frozen=True, eq=False)
class BalancedRounds:
    """The filters of all groups on the units of a cluster.

    held   int32 (G, rounds, chunks or 1, slots, units): the filter of its group that a unit holds, `NO_FILTER` where it
           holds none; a unit that has two takes slot 0 first. One for all chunks where they are not paired anew

    A unit has a filter in a slot in all chunks of a round or in none.

    Example: five filters of 9, 1, 7, 5 and 3 weights on two units. Without balancing there are three rounds, [0 1],
    [2 3] and [4]. With "gb-s" rounds have four filters, so that three of the eight places stay empty: filters by
    density are 0, 2, 3, 4, 1, of which the densest three are alone and the last two share a unit: [0 2] and [3 4],
    where 4 shares with 1.
    """

    held: np.ndarray

    @classmethod
    def of(cls, weights: np.ndarray, units: int, balancing: Balancing) -> Self:
        """From non-zero weights by chunk, int64 (G, K/G, chunks)."""
        groups, filters, _ = weights.shape
        if balancing == "none":
            rounds = ceil_div(filters, units)
            held = np.full((groups, rounds * units), NO_FILTER, np.int32)
            held[:, :filters] = np.arange(filters)
            return cls(held.reshape(groups, rounds, 1, 1, units))
        rounds = ceil_div(filters, 2 * units)
        # Filters that are not there count as the sparsest, behind those that have no weight.
        ranked = np.full((groups, 2 * units * rounds), NO_FILTER, np.int32)
        ranked[:, :filters] = np.argsort(-weights.sum(axis=2), axis=1, kind="stable")
        # The first half goes up and the second comes down: rank p shares a unit with the p-th from behind.
        first, second = ranked[:, : units * rounds], ranked[:, : units * rounds - 1 : -1]
        pairs = np.stack([first.reshape(groups, rounds, units), second.reshape(groups, rounds, units)], axis=2)
        return cls(pairs[:, :, None] if balancing == "gb-s" else _paired_anew(pairs, weights))

    @cached_property
    def there(self) -> np.ndarray:
        """Bool (G, rounds, slots, units): whether a unit has a filter there, in all chunks alike."""
        return self.held[:, :, 0] != NO_FILTER

    @cached_property
    def mapped(self) -> np.ndarray:
        """Bool (G, rounds, units): whether a unit has any filter."""
        return self.there[:, :, 0] | self.there[:, :, -1]

    @cached_property
    def filters(self) -> np.ndarray:
        """Int64 (rounds,): filters of each round of a group."""
        return self.there[0].sum(axis=(1, 2))

    def words(self, packed: np.ndarray) -> np.ndarray:
        """Uint32 (G, rounds, chunks, blocks, slots, words, LANES) of filters (G, K/G, chunks, words).

        A block has `LANES` units; 0 where there is no unit or no filter.
        """
        groups, rounds, _, slots, units = self.held.shape
        chunks, chunk_words = packed.shape[2:]
        lanes = np.zeros((groups, rounds, chunks, ceil_div(units, LANES), slots, chunk_words, LANES), np.uint32)
        _gather(packed, self.held, lanes)
        return lanes


def _paired_anew(pairs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Int32 (G, rounds, chunks, 2, units): the filters of each round sorted and paired by their weights in each chunk.

    pairs  int32 (G, rounds, 2, units): the round's filters; by their ranks, the first of the units before the second
    """
    groups, rounds, slots, units = pairs.shape
    # By rank: up through the first filters, and down again through those that share with them.
    members = np.concatenate([pairs[:, :, 0], pairs[:, :, 1, ::-1]], axis=2)
    held = np.full((groups, rounds, weights.shape[2], slots, units), NO_FILTER, np.int32)
    _sort_chunks(members, weights, int(weights.max()), held)
    return held


def chunk_weights(packed: np.ndarray) -> np.ndarray:
    """Int64 (filters, chunks): bits of packed filters (filters, chunks, words)."""
    counts = np.zeros(packed.shape[:2], np.int64)
    _count_bits(packed, counts)
    return counts


@kernel
def _count_bits(packed: np.ndarray, counts: np.ndarray) -> None:
    for k in range(packed.shape[0]):
        for chunk in range(packed.shape[1]):
            for word in range(packed.shape[2]):
                counts[k, chunk] += set_bits(np.uint64(packed[k, chunk, word]))


@kernel
def _gather(packed: np.ndarray, held: np.ndarray, lanes: np.ndarray) -> None:
    """See `BalancedRounds.words`."""
    for group in range(held.shape[0]):
        for one in range(held.shape[1]):
            for chunk in range(lanes.shape[2]):
                own, into = held[group, one, min(chunk, held.shape[2] - 1)], lanes[group, one, chunk]
                for slot in range(own.shape[0]):
                    for unit in range(own.shape[1]):
                        k = own[slot, unit]
                        if k >= 0:
                            for word in range(packed.shape[3]):
                                into[unit // LANES, slot, word, unit % LANES] = packed[group, k, chunk, word]


@kernel
def _sort_chunks(members: np.ndarray, weights: np.ndarray, most: int, held: np.ndarray) -> None:
    """Fill held (G, rounds, chunks, 2, units) from members (G, rounds, 2 * units), as in `_paired_anew`.

    most  of the weights (G, K/G, chunks)
    """
    units = held.shape[4]
    places = np.zeros(most + 2, np.int64)
    for group in range(members.shape[0]):
        for one in range(members.shape[1]):
            own = members[group, one]
            for chunk in range(held.shape[2]):
                # By counting: how many filters have more weights is the first place of those with so many.
                places[:] = 0
                for k in own:
                    if k >= 0:
                        places[most - weights[group, k, chunk] + 1] += 1
                for less in range(1, most + 2):
                    places[less] += places[less - 1]
                for k in own:
                    if k >= 0:
                        fewer = most - weights[group, k, chunk]
                        place = places[fewer]
                        places[fewer] += 1
                        if place < units:
                            held[group, one, chunk, 0, place] = k
                        else:
                            held[group, one, chunk, 1, 2 * units - 1 - place] = k
