"""The inner joins of clusters, window by window: what their units take, and why.

A window's words are laid out once; those of the filters lie side by side by unit, so that one join of all units of a
cluster is a loop over words side by side.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import bit_counts, largest, largest_word, load, spread, store
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

    words     uint32 (rounds, chunks, blocks, slots, words, LANES): `BalancedRounds.words`
    least     uint32 (rounds, blocks, slots, LANES): least cycles of a chunk; 0 where there is no filter
    there     int64 (rounds, units): 1 where a unit has a filter
    network   int64 (rounds,): cycles in which the sums of a chunk pass the permutation network
    """

    words: np.ndarray
    least: np.ndarray
    there: np.ndarray
    network: np.ndarray


class _Listed(NamedTuple):
    """The windows of a few output positions, chunk by chunk.

    words   uint32 (rows, chunks * words)
    rows    int64 (chunks, rows): rows of `words` whose chunk is broadcast
    times   int64 (chunks, rows): how many windows have such a chunk
    counts  int64 (chunks,): rows that are listed
    """

    words: np.ndarray
    rows: np.ndarray
    times: np.ndarray
    counts: np.ndarray


class _Sums(NamedTuple):
    """What a round takes for the windows that are listed.

    matches  uint32 (blocks, LANES)
    cycles   uint32 (rows, blocks, LANES): of each window where units meet at its end, else in the first row for all
    taken    int64 (2,): cycles of the slowest unit of each span, summed, and those of the spans
    """

    matches: np.ndarray
    cycles: np.ndarray
    taken: np.ndarray


@kernel
def join_windows(
    maps: np.ndarray,
    reads: WindowReads,
    segments: Segments,
    positions: np.ndarray,
    rounds: JoinedRounds,
    at_window: bool,
    together: int,
    few: int,
    as_stored: bool,
    parts: np.ndarray,
    own: np.ndarray,
    did: np.ndarray,
) -> None:
    """Add to did (parts * shares, units, JOIN_CAUSES) what the parts own[0] to own[1] of the positions take.

    maps       uint32 (places, words): the bits of each place
    positions  int64: output positions, of which the i-th is of part i mod parts[0]
    at_window  whether units meet at the end of a window, and not at every chunk
    together   windows that are laid out together: no count of theirs exceeds 32 bits
    few        what a chunk can hold where that is so little that chunks are counted by it, whichever window they are
               of; else 0, as where units meet at the end of a window
    as_stored  whether chunks are the stored words of places; then they are counted without laying windows out
    parts      int64 (2,): parts of the positions, and shares of the rounds, of which round j is of share j mod parts[1]
    """
    count, chunks, blocks, _, chunk_words, lanes = rounds[0].shape
    taps = reads[0].shape[1] * reads[1].shape[1] * reads[2].shape[1]
    places, window, sent = (
        np.zeros(taps, np.int64),
        np.zeros(chunks * chunk_words, np.uint32),
        np.zeros(chunks, np.int64),
    )
    rows = few or together
    listed = _Listed(
        np.zeros((rows, chunks * chunk_words), np.uint32),
        np.zeros((chunks, rows), np.int64),
        np.zeros((chunks, rows), np.int64),
        np.zeros(chunks, np.int64),
    )
    sums = _Sums(
        np.zeros((blocks, lanes), np.uint32),
        np.zeros((rows if at_window else 1, blocks, lanes), np.uint32),
        np.zeros(2, np.int64),
    )
    for part in range(own[0], own[1]):
        for first in range(part, positions.size, together * parts[0]):
            listed[2][:], listed[3][:] = 0, 0
            end = min(first + together * parts[0], positions.size)
            if few and as_stored:
                _count_places(maps, reads, positions[first : end : parts[0]], listed)
                end = first
            for i in range(first, end, parts[0]):
                find_places(reads, positions[i], places)
                sends = lay_out_window(maps, segments, places, chunk_words, window, sent)
                if few:
                    _count_chunks(window, sent[:sends], listed)
                else:
                    _list_window((i - first) // parts[0], window, sent[:sends], listed)
            if few:
                _list_counted(listed)
            for j in range(count):
                _join_round(listed, rounds, j, at_window, sums)
                _add_round(sums, rounds[2][j], did[part * parts[1] + j % parts[1]])


@kernel
def _list_window(row: int, window: np.ndarray, sent: np.ndarray, listed: _Listed) -> None:
    """Add a window as a row."""
    words, rows, times, counts = listed
    words[row] = window
    for chunk in sent:
        rows[chunk, counts[chunk]] = row
        times[chunk, counts[chunk]] = 1
        counts[chunk] += 1


@kernel
def _count_chunks(window: np.ndarray, sent: np.ndarray, listed: _Listed) -> None:
    """Count the chunks of a window by what they hold."""
    for chunk in sent:
        listed[2][chunk, window[chunk]] += 1


@kernel
def _count_places(maps: np.ndarray, reads: WindowReads, positions: np.ndarray, listed: _Listed) -> None:
    """Count what the places that windows read hold: each is a chunk, of the kernel position that reads it."""
    depths, rows, columns, sizes = reads
    times = listed[2]
    for i in range(positions.size):
        line, q = positions[i] // columns.shape[0], positions[i] % columns.shape[0]
        o, p = line // rows.shape[0], line % rows.shape[0]
        for t in range(depths.shape[1]):
            for r in range(rows.shape[1]):
                first = (depths[o, t] * sizes[0] + rows[p, r]) * sizes[1]
                if min(depths[o, t], rows[p, r]) >= 0:
                    chunk = (t * rows.shape[1] + r) * columns.shape[1]
                    for s in range(columns.shape[1]):
                        if columns[q, s] >= 0:
                            times[chunk + s, maps[first + columns[q, s], 0]] += 1


@kernel
def _list_counted(listed: _Listed) -> None:
    """List what chunks hold that were counted; row i holds i."""
    words, rows, times, counts = listed
    for chunk in range(counts.size):
        for held in range(words.shape[0]):
            words[held, chunk] = held
            if times[chunk, held]:
                rows[chunk, counts[chunk]] = held
                times[chunk, counts[chunk]] = times[chunk, held]
                counts[chunk] += 1


@kernel
def find_places(reads: WindowReads, position: int, places: np.ndarray) -> None:
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
    chunk_words: int,
    window: np.ndarray,
    sent: np.ndarray,
) -> int:
    """Fill the words of a window; list the chunks that have an element inside the map, and return how many."""
    taps, sources, drops, masks, targets, lifts = segments
    window[:] = 0
    sends = 0
    for i in range(taps.size):
        place = places[taps[i]]
        if place >= 0:
            bits = (maps[place, sources[i]] >> np.uint32(drops[i])) & masks[i]
            window[targets[i]] |= bits << np.uint32(lifts[i])
            chunk = targets[i] // chunk_words
            if sends == 0 or sent[sends - 1] != chunk:  # segments go through the chunks in order
                sent[sends] = chunk
                sends += 1
    return sends


@kernel
def _join_round(listed: _Listed, rounds: JoinedRounds, j: int, at_window: bool, sums: _Sums) -> None:
    """Fill sums with what round j takes."""
    matches, cycles, taken = sums
    matches[:], cycles[:], taken[:] = 0, 0, 0
    for chunk in range(listed[3].size):
        _join_chunk(listed, chunk, rounds, j, at_window, sums)
    if at_window:
        for row in range(listed[0].shape[0]):
            sends = np.int64(0)
            for chunk in range(listed[3].size):
                # Rows are listed in order, so that the one looked for, if it is listed, is near its own number.
                for i in range(min(row + 1, listed[3][chunk])):
                    sends += listed[1][chunk, i] == row
            slowest = np.int64(cycles[row].max())
            taken[0] += slowest
            taken[1] += max(slowest, rounds[3][j] * sends)


@kernel
def _join_chunk(listed: _Listed, chunk: int, rounds: JoinedRounds, j: int, at_window: bool, sums: _Sums) -> None:
    """Add what a chunk of round j takes for all windows that have it."""
    windows, words, least = listed[0], rounds[0], rounds[1]
    _, chunks, blocks, slots, chunk_words, _ = words.shape
    matches, cycles, taken = sums
    start = (j * chunks + chunk) * blocks * slots * chunk_words
    first = chunk * chunk_words
    for i in range(listed[3][chunk]):
        row, times = listed[1][chunk, i], listed[2][chunk, i]
        at, longest = start, spread(np.uint32(0))
        into = row * blocks if at_window else 0
        for block in range(blocks):
            met, took = spread(np.uint32(0)), spread(np.uint32(0))
            for slot in range(slots):
                found = bit_counts(load(words, at) & spread(windows[row, first]))
                for word in range(1, chunk_words):
                    found += bit_counts(load(words, at + word) & spread(windows[row, first + word]))
                at += chunk_words
                met += found
                took += largest(found, load(least, (j * blocks + block) * slots + slot))
            longest = largest(longest, took)
            if times != 1:
                met *= spread(np.uint32(times))
                took *= spread(np.uint32(times))
            store(matches, block, load(matches, block) + met)
            store(cycles, into + block, load(cycles, into + block) + took)
        if not at_window:
            slowest = np.int64(largest_word(longest))
            taken[0] += slowest * times
            taken[1] += max(slowest, rounds[3][j]) * times


@kernel
def _add_round(sums: _Sums, there: np.ndarray, did: np.ndarray) -> None:
    """Add a round's cycles to those of a cluster (units, JOIN_CAUSES), cause by cause."""
    matches, cycles, taken = sums
    lanes = matches.shape[1]
    for u in range(there.size):
        busy, own = np.int64(matches[u // lanes, u % lanes]), np.int64(0)
        for row in range(cycles.shape[0]):
            own += np.int64(cycles[row, u // lanes, u % lanes])
        did[u, 0] += busy
        did[u, 1] += own - busy
        did[u, 2] += (taken[0] - own) * there[u]
        did[u, 3] += (taken[1] - taken[0]) * there[u]
        did[u, 4] += taken[1] * (1 - there[u])
