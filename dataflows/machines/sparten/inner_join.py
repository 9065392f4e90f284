"""The inner joins of clusters, window by window: what their units take, and why.

A window's words are laid out once; those of the filters lie side by side by unit, so that one join of all units of a
cluster is a loop over words side by side.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.words import set_bits
from dataflows.machines.sparten.sparse_chunks import Segments
from dataflows.schedule import Cause
from workloads.layer import Layer

OUTSIDE = -1
JOIN_CAUSES = (Cause.BUSY, Cause.INDEX, Cause.IMBALANCE, Cause.PORT, Cause.UNMAPPED)
"""What the last axis of `join_windows` holds."""


class WindowReads(NamedTuple):
    """Which place each kernel position reads for each output position, axis by axis; int64, `OUTSIDE` for padding.

    depths  (O, T); a layer of two axes has one of each
    rows    (P, R)
    columns (Q, S)
    sizes   (2,): rows and columns of the map
    """

    depths: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, layer: Layer) -> Self:
        """Those of a layer."""
        axes = [np.zeros((1, 1), np.int64)] * (3 - layer.axes)
        for axis, size in enumerate(layer.input_size):
            outputs = np.arange(layer.output_size[axis]) * layer.stride[axis] - layer.padding[axis][0]
            places = outputs[:, None] + np.arange(layer.kernel_size[axis]) * layer.dilation[axis]
            # Three taps with a padding of one read -1, 0 and 1 for the first output: the first reads nothing.
            axes.append(np.where((places >= 0) & (places < size), places, OUTSIDE))
        depths, rows, columns = axes
        return cls(depths, rows, columns, np.array(layer.input_size[-2:]))

    @property
    def taps(self) -> int:
        """Kernel positions."""
        return self.depths.shape[1] * self.rows.shape[1] * self.columns.shape[1]

    def alike(self) -> tuple[np.ndarray, np.ndarray]:
        """Output positions whose windows differ in what lies in the padding, and by position the number of its like.

        int64 (kinds,), int64 ([O·]P·Q,)
        """
        whole, first = np.zeros(1, np.int64), np.zeros(1, np.int64)
        kinds = 1
        for reads in (self.depths, self.rows, self.columns):
            _, at, kind = np.unique(reads != OUTSIDE, axis=0, return_index=True, return_inverse=True)
            whole = (whole[:, None] * len(at) + kind.reshape(-1)).reshape(-1)
            first = (first[:, None] * len(reads) + at).reshape(-1)
            kinds *= len(at)
        return first, whole


class JoinedRounds(NamedTuple):
    """The rounds of a group as `join_windows` takes them.

    words     uint64 (rounds, chunks, slots, words, units): `BalancedRounds.words`
    least     int64 (rounds, slots, units): least cycles of a chunk; 0 where there is no filter
    there     int64 (rounds, units): 1 where a unit has a filter
    network   int64 (rounds,): cycles in which the sums of a chunk pass the permutation network
    """

    words: np.ndarray
    least: np.ndarray
    there: np.ndarray
    network: np.ndarray


@kernel
def join_windows(
    maps: np.ndarray,
    reads: WindowReads,
    segments: Segments,
    positions: np.ndarray,
    rounds: JoinedRounds,
    at_window: np.bool_,
    parts: np.ndarray,
    own: np.ndarray,
    did: np.ndarray,
) -> None:
    """Add to did (parts * shares, units, JOIN_CAUSES) what the parts own[0] to own[1] of the positions take.

    maps       uint64 (places, words): the bits of each place
    positions  int64: output positions, of which the i-th is of part i mod parts[0]
    at_window  whether units meet at the end of a window, and not at every chunk
    parts      int64 (2,): parts of the positions, and shares of the rounds, of which round j is of share j mod parts[1]
    """
    words, least, there, network = rounds
    count, chunks, _, chunk_words, units = words.shape
    window, sent = np.zeros(chunks * chunk_words, np.uint64), np.zeros(chunks, np.int64)
    places, taken = np.zeros(reads[0].shape[1] * reads[1].shape[1] * reads[2].shape[1], np.int64), np.zeros(2, np.int64)
    sums = np.zeros((3, units), np.int64)
    for part in range(own[0], own[1]):
        for i in range(part, positions.size, parts[0]):
            find_places(reads, positions[i], places)
            sends = lay_out_window(maps, segments, places, chunk_words, window, sent)
            for j in range(count):
                join_round(window, sent[:sends], words[j], least[j], network[j], at_window, sums, taken)
                _add_round(sums, taken, there[j], did[part * parts[1] + j % parts[1]])


@kernel
def find_places(reads: WindowReads, position: np.int64, places: np.ndarray) -> None:
    """Fill with the place that each kernel position reads for an output position, or `OUTSIDE`."""
    depths, rows, columns, sizes = reads
    p, q = position // columns.shape[0] % rows.shape[0], position % columns.shape[0]
    o = position // (columns.shape[0] * rows.shape[0])
    tap = 0
    for t in range(depths.shape[1]):
        for r in range(rows.shape[1]):
            for s in range(columns.shape[1]):
                d, h, w = depths[o, t], rows[p, r], columns[q, s]
                places[tap] = (d * sizes[0] + h) * sizes[1] + w if min(d, h, w) >= 0 else -1
                tap += 1


@kernel
def lay_out_window(
    maps: np.ndarray,
    segments: Segments,
    places: np.ndarray,
    chunk_words: np.int64,
    window: np.ndarray,
    sent: np.ndarray,
) -> np.int64:
    """Fill the words of a window; list the chunks that have an element inside the map, and return how many."""
    taps, sources, drops, masks, targets, lifts = segments
    window[:] = 0
    sends = 0
    for i in range(taps.size):
        place = places[taps[i]]
        if place >= 0:
            bits = (maps[place, sources[i]] >> np.uint64(drops[i])) & masks[i]
            window[targets[i]] |= bits << np.uint64(lifts[i])
            chunk = targets[i] // chunk_words
            if sends == 0 or sent[sends - 1] != chunk:  # segments go through the chunks in order
                sent[sends] = chunk
                sends += 1
    return sends


@kernel
def join_round(
    window: np.ndarray,
    sent: np.ndarray,
    words: np.ndarray,
    least: np.ndarray,
    network: np.int64,
    at_window: np.bool_,
    sums: np.ndarray,
    taken: np.ndarray,
) -> None:
    """Fill sums with matches and cycles of each unit in a round, taken with cycles of the slowest, and of all.

    sums  int64 (3, units), the last row for the chunk at hand;  taken  int64 (2,)
    """
    slots, chunk_words, units = words.shape[1:]
    busy, cycles, chunk_cycles = sums
    busy[:], cycles[:], taken[:] = 0, 0, 0
    for i in range(sent.size):
        chunk = sent[i]
        chunk_cycles[:] = 0
        for slot in range(slots):
            _join(window[chunk * chunk_words : (chunk + 1) * chunk_words], words[chunk, slot], least[slot], busy, chunk_cycles)
        slowest = np.int64(0)
        for u in range(units):
            cycles[u] += chunk_cycles[u]
            slowest = max(slowest, chunk_cycles[u])
        taken[0] += slowest
        taken[1] += max(slowest, network)
    if at_window:
        taken[0] = cycles.max()
        taken[1] = max(taken[0], network * sent.size)


@kernel
def _join(window: np.ndarray, words: np.ndarray, least: np.ndarray, busy: np.ndarray, cycles: np.ndarray) -> None:
    """Add the matches of a chunk of every unit's filter, and the cycles that they take."""
    if words.shape[0] == 1:
        one = window[0]
        for u in range(busy.size):
            found = set_bits(one & words[0, u])
            busy[u] += found
            cycles[u] += max(found, least[u])
    elif words.shape[0] == 2:
        one, two = window[0], window[1]
        for u in range(busy.size):
            found = set_bits(one & words[0, u]) + set_bits(two & words[1, u])
            busy[u] += found
            cycles[u] += max(found, least[u])
    else:
        for u in range(busy.size):
            found = np.int64(0)
            for word in range(words.shape[0]):
                found += set_bits(window[word] & words[word, u])
            busy[u] += found
            cycles[u] += max(found, least[u])


@kernel
def _add_round(sums: np.ndarray, taken: np.ndarray, there: np.ndarray, did: np.ndarray) -> None:
    """Add a round's cycles to those of a cluster (units, JOIN_CAUSES), cause by cause."""
    busy, cycles, _ = sums
    for u in range(there.size):
        did[u, 0] += busy[u]
        did[u, 1] += cycles[u] - busy[u]
        did[u, 2] += (taken[0] - cycles[u]) * there[u]
        did[u, 3] += (taken[1] - taken[0]) * there[u]
        did[u, 4] += taken[1] * (1 - there[u])
