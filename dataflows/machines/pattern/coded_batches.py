"""Batches of kernels of at most nine positions, found for sixteen input channels side by side; see `kernel_batches`.

Every order of every channel's kernels is cut, and only the cycles of its best cut are kept: the same recurrence for all
channels, a channel a lane. The batches themselves are read from the cycles of the order that takes fewest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import LANES, any_bit, bit_counts, load, smallest, spread, store
from dataflows.kernels.words import set_bits

MOST_CYCLES = 1 << 31  # of a channel's kernels, for which the words of a lane are wide enough by far
_STEPS = 4  # kernels that are added to a batch until it is asked whether more can add anything


class BatchCosts(NamedTuple):
    """Cycles of a batch of n positions: n * reads + switch, but no more than `every`, those of all positions."""

    reads: int
    switch: int
    every: int
    positions: int


@kernel
def gather_coded(
    lists: np.ndarray, labels: np.ndarray, group_filters: int, filters: tuple[int, int], rows: int, costs: BatchCosts
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The fields of `Batches`; lists uint64 (C/G, filters, 1), labels int64 (orders, 512)."""
    channels, block = lists.shape[0], lists.shape[1]
    kept = np.count_nonzero(lists)
    found = (
        np.zeros(kept + 1, np.int64), np.zeros(kept, np.int64), np.zeros(kept, np.int64), np.zeros(kept, np.int32),
        np.zeros((kept, 1), np.uint64),
    )  # fmt: skip
    own, codes = np.zeros((LANES, block), np.int64), np.zeros((LANES, block), np.uint64)
    best_line, best_cost = np.zeros((LANES, block), np.uint64), np.zeros((LANES, block + 1), np.int64)
    room = np.zeros((block, LANES), np.uint32), np.zeros((block + 1, LANES), np.uint32)
    sizes, best_order, begin = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64), np.zeros(len(labels) + 1, np.int64)
    held, batches = 0, 0
    for group in range(filters[0] // group_filters, (filters[1] - 1) // group_filters + 1):
        begin_filter, end_filter = max(filters[0], group * group_filters), min(filters[1], (group + 1) * group_filters)
        for first_channel in range(0, channels, LANES):
            lanes = min(LANES, channels - first_channel)
            for lane in range(lanes):
                count = 0
                for k in range(begin_filter - filters[0], end_filter - filters[0]):
                    own[lane, count], codes[lane, count] = k, lists[first_channel + lane, k, 0]
                    count += lists[first_channel + lane, k, 0] != 0
                sizes[lane] = count
            _cut_best(codes, sizes[:lanes], labels, rows, costs, room, begin, best_order, best_line, best_cost)
            for lane in range(lanes):
                line = best_line[lane, : sizes[lane]]
                _sorted(
                    codes[lane, : line.size], labels[best_order[lane]], begin, own[lane], found[3][held:], filters[0]
                )
                channel = group * channels + first_channel + lane
                batches = _append(line, best_cost[lane], rows, costs, channel, found, batches, held)
                held += line.size
    return found[0][: batches + 1], found[1][:batches], found[2][:batches], found[3], found[4]


@kernel
def _cut_best(
    codes: np.ndarray,
    sizes: np.ndarray,
    labels: np.ndarray,
    rows: int,
    costs: BatchCosts,
    room: tuple[np.ndarray, np.ndarray],
    begin: np.ndarray,
    best_order: np.ndarray,
    best_line: np.ndarray,
    best_cost: np.ndarray,
) -> None:
    """Of each lane's kernels fill in the order that takes fewest cycles, and the cycles from each kernel on.

    codes  uint64 (LANES, filters): the kernels of each lane, of which it has sizes (lanes,)
    room, begin  arrays that any lanes may write to
    """
    (lines, cost), size = room, sizes.max()
    if size <= 1:  # as in depthwise layers: a single kernel is a batch
        best_order[:] = 0
        # One after the other: for slices numba compiles an error's text about their shapes, which takes two seconds.
        for lane in range(sizes.size):
            for i in range(size):
                best_line[lane, i] = codes[lane, i]
        return
    changed = np.zeros(sizes.size, np.bool_)
    for j in range(labels.shape[0]):
        for lane in range(sizes.size):
            changed[lane] = _place(codes[lane, : sizes[lane]], labels[j], j, begin, lines, size, lane)
        if not changed.any():
            continue
        _cut_in_lanes(lines, size, rows, costs, cost)
        for lane in range(sizes.size):
            start = size - sizes[lane]
            # The filters' own order came first and is kept among equals.
            if changed[lane] and (j == 0 or cost[start, lane] < best_cost[lane, 0]):
                best_order[lane] = j
                best_cost[lane, sizes[lane]] = 0
                for i in range(sizes[lane]):
                    best_line[lane, i] = lines[start + i, lane]
                    best_cost[lane, i] = cost[start + i, lane]


@kernel
def _append(
    line: np.ndarray,
    cost: np.ndarray,
    rows: int,
    costs: BatchCosts,
    of_channel: int,
    found: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    batches: int,
    held: int,
) -> int:
    """Append a channel's batches to the fields of `Batches`, of which there are `batches` with `held` kernels.

    line, cost  its kernels in order, and the cycles from each on;  returns how many batches there are then
    """
    first, channel, positions, _, words = found
    alike, i = bool((line == line[0]).all()) if line.size else True, 0
    while i < line.size:
        if alike:  # full batches of them take fewest cycles
            end, union = min(i + rows, line.size), set_bits(line[0])
        else:
            end, union = _batch_end(line, cost, i, rows, costs)
        channel[batches] = of_channel
        read = min(union * costs.reads + costs.switch, costs.every)
        # Where a switch saves no cycle, none is made.
        positions[batches] = costs.positions if read == costs.every else union
        batches += 1
        first[batches] = held + end
        i = end
    for i in range(line.size):
        words[held + i, 0] = line[i]
    return batches


@kernel
def _place(
    codes: np.ndarray, labels: np.ndarray, last: int, begin: np.ndarray, lines: np.ndarray, size: int, lane: int
) -> bool:
    """Write kernels sorted by label, 0 to `last`, to the end of a lane of `lines`; false if sorting changes nothing.

    Kernels of one label keep their order. Sorting by the only label 0 counts as a change.
    """
    begin[: last + 1] = 0
    changed, before = last == 0, np.int64(0)
    for code in codes:
        label = labels[code]
        changed |= label < before
        before = label
        begin[label] += 1
    if not changed:
        return False
    total = size - codes.size
    for label in range(last + 1):
        begin[label], total = total, total + begin[label]
    for code in codes:
        label = labels[code]
        lines[begin[label], lane] = code
        begin[label] += 1
    for i in range(size - codes.size):
        lines[i, lane] = 0
    return True


@kernel
def _sorted(
    codes: np.ndarray, labels: np.ndarray, begin: np.ndarray, own: np.ndarray, order: np.ndarray, first: int
) -> None:
    """Write the filters of kernels, `first` and their places in `own`, to `order`, sorted as by `_place`."""
    begin[:] = 0
    for code in codes:
        begin[labels[code]] += 1
    total = np.int64(0)
    for label in range(begin.size):
        begin[label], total = total, total + begin[label]
    for i in range(codes.size):
        label = labels[codes[i]]
        order[begin[label]] = first + own[i]
        begin[label] += 1


@kernel
def _cut_in_lanes(lines: np.ndarray, size: int, rows: int, costs: BatchCosts, cost: np.ndarray) -> None:
    """Fill cost, uint32 (at least size + 1, LANES): cycles from kernel i on of the best cuts of the lanes of `lines`.

    Lanes of fewer kernels stand at the end; what is in front of them is cut with them and means nothing.
    """
    reads, switch = spread(np.uint32(costs.reads)), spread(np.uint32(costs.switch))
    every = spread(np.uint32(costs.every))
    store(cost, size, spread(np.uint32(0)))
    for i in range(size - 1, -1, -1):
        last = min(i + rows, size)
        # A batch up to the longest one that reads everything is always open.
        fewest, union = load(cost, last) + every, load(lines, i)
        for j in range(i + 1, last + 1):
            own = smallest(bit_counts(union) * reads + switch, every)
            fewest = smallest(fewest, load(cost, j) + own)
            # Once all lanes read everything, no shorter batch is better than the longest.
            if (j - i) % _STEPS == 0 and not any_bit(every - own):
                break
            if j < last:
                union = union | load(lines, j)
        store(cost, i, fewest)


@kernel
def _batch_end(line: np.ndarray, cost: np.ndarray, i: int, rows: int, costs: BatchCosts) -> tuple[int, int]:
    """End of the longest of the best batches that begin with kernel i, and its positions."""
    end, positions, union = i, 0, np.uint64(0)
    for j in range(i + 1, min(i + rows, line.size) + 1):
        union |= line[j - 1]
        read = set_bits(union)
        if cost[j] + min(read * costs.reads + costs.switch, costs.every) == cost[i]:
            end, positions = j, int(read)
    return end, positions
