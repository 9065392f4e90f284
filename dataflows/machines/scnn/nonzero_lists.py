"""Compressed lists: the non-zeros of weights and activations in the order in which a PE reads them.

An entry is a non-zero (its offset in the accumulator region, at least 0) or a placeholder (-1): a stored zero that the
zero-run field needs when 2^bits zeros stand in a row before a non-zero. Zeros after the last non-zero need none. With 2
bits the values 0 0 0 0 0 7 0 are stored as [-1, 5]: four zeros take a placeholder, the fifth is counted before the 7 at
offset 5, and the last zero is left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.machines.scnn.planar_map import PlanarMap
from dataflows.machines.scnn.weight_lists import PartPlaces, fill_weight_lists
from workloads.whole_numbers import ceil_div


class ListRules(NamedTuple):
    """How an operand is stored.

    run_limit   zeros in a row that need a placeholder, a power of two
    keep_zeros  1 where zeros are entries like non-zeros, else 0: a byte, which kernels join with those of a mask
    """

    run_limit: int
    keep_zeros: np.uint8


class ListPart(NamedTuple):
    """The entries first..end of some lists: what one PE reads of an operand in one channel."""

    offset: np.ndarray
    first: int
    end: int


@kernel
def _without_trailing(offset: np.ndarray, first: Any, n: Any) -> Any:
    """The end of a list once placeholders behind its last non-zero are dropped."""
    while n > first and offset[n - np.uint64(1)] < 0:
        n -= np.uint64(1)
    return n


@kernel
def _activation_lists(
    mask: np.ndarray,
    rules: ListRules,
    windows: np.ndarray,
    phases: np.ndarray,
    stride: tuple[int, int],
    row_step: int,
    lists: NonzeroLists,
) -> Any:
    """Fill the lists, one row a PE. Returns the entries.

    No branch on the value, which would be mispredicted every other time: an entry is always written, and kept by moving
    n. Numbers are unsigned so that no index is tested for a count from the end.
    """
    channels, map_rows, map_columns = mask.shape
    start, offset = lists
    keep, run_limit = rules.keep_zeros, np.uint64(rules.run_limit)
    n = np.uint64(0)
    step = np.uint64(stride[1])
    for p in range(len(windows)):
        top, bottom, left, right = windows[p]
        v = 0
        for c in range(channels):
            for phase in range(len(phases)):
                start[p, v] = n
                v += 1
                first = n
                zeros = np.uint64(0)
                # A phase has fewer positions than its map where the input ends inside the last stride x stride block.
                # Of 7 input rows with stride 2 phase 0 has 4, the rows 0, 2, 4 and 6, and phase 1 has 3.
                rows = min(bottom, (map_rows - phases[phase, 0] + stride[0] - 1) // stride[0])
                columns = min(right, (map_columns - phases[phase, 1] + stride[1] - 1) // stride[1]) - left
                for y in range(top, rows):
                    row = mask[c, y * stride[0] + phases[phase, 0]]
                    w = np.uint64(left * stride[1] + phases[phase, 1])
                    # Counted from the window's own corner: two rows of two in a region 4 wide are 0, 1, 4 and 5. What
                    # the halo needs above and to the left is part of the weights' offsets.
                    value = np.int32((y - top) * row_step)
                    for _ in range(columns):
                        present = np.uint64(row[w] | keep)
                        offset[n] = value
                        n += present
                        # present - 1 is 0 after an entry, which ends the run, and all ones after a zero.
                        zeros = (zeros + np.uint64(1)) & (present - np.uint64(1))
                        if zeros == run_limit:
                            offset[n] = -1
                            n += np.uint64(1)
                            zeros = np.uint64(0)
                        w += step
                        value += np.int32(1)
                n = _without_trailing(offset, first, n)
        start[p, v] = n
    return np.int64(n)


def as_bytes(mask: np.ndarray) -> np.ndarray:
    """A bool mask as read-only uint8 without a copy, so that kernels are compiled for one type."""
    view = np.ascontiguousarray(mask).view(np.uint8)
    view.flags.writeable = False
    return view


class NonzeroLists(NamedTuple):
    """Lists of several rows (PEs, or groups of output channels), one list for each row and virtual channel.

    start   int64 (rows, virtual channels + 1): the list of (i, v) is offset[start[i, v]:start[i, v + 1]]
    offset  int32 (entries,): offset in the accumulator region, -1 for a placeholder
    """

    start: np.ndarray
    offset: np.ndarray

    @classmethod
    def of_activations(cls, mask: np.ndarray, plan: PlanarMap, windows: np.ndarray, rules: ListRules) -> Self:
        """Lists of some PEs' windows of one image, mask uint8 (C, H, W), one row a PE."""
        # Without compression a list is as long as its window has positions, and placeholders stand for zeros: never
        # longer.
        channels = len(mask) * len(plan.taps.phases)
        top, bottom, left, right = windows.T
        positions = int(((bottom - top) * (right - left)).sum())
        room = cls(
            np.empty((len(windows), channels + 1), np.int64),
            np.empty(positions * channels + 1, np.int32),  # one more: the kernel writes before it keeps
        )
        count = _activation_lists(mask, rules, windows, plan.taps.phases, plan.stride, plan.region[1], room)
        return cls(room.start, room.offset[:count])

    @classmethod
    def of_weights(
        cls, mask: np.ndarray, plan: PlanarMap, rows: range, groups: int, rules: ListRules, bits: np.ndarray
    ) -> Self:
        """Lists of the output-channel groups `rows`; mask uint8 (K, C/G, R * S), `groups` the layer's own groups.

        bits  the mask as a string (`bit_strings.bit_string`)
        """
        size = plan.group_channels
        out_channels, in_channels, kernel_positions = mask.shape
        room = cls(
            np.empty((len(rows), in_channels * groups * len(plan.taps.phases) + 1), np.int64),
            np.empty(min(len(rows) * size, out_channels) * in_channels * kernel_positions + 1, np.int32),
        )
        layer = (rows.start, size, in_channels, groups)
        columns = np.empty((ceil_div(size, 64), in_channels) if kernel_positions == 1 else (0, 0), np.uint64)
        flat, places = mask.reshape(out_channels, -1), PartPlaces.of(plan.tap_offsets)
        count = fill_weight_lists(flat, bits, rules, layer, columns, places, room)
        return cls(room.start, room.offset[:count])

    def share_start(self, part: int, parts: int, width: int) -> np.ndarray:
        """int64 (rows, virtual channels): where the share `part` of each list begins, in whole vectors of `width`.

        Of n vectors the share begins behind (part * n + turn) // parts, where the turn moves on from channel to
        channel, so that remainders do not all fall to one share. Two channels of 5 vectors in 2 shares are 2 + 3 and
        3 + 2. Virtual channels count phases fastest, those that some tap reads.
        """
        # 10 entries in vectors of 4 are 3 vectors. Two parts have 4 + 6 of them in the first channel and 8 + 2 in the
        # second, 3 vectors in sum; parts of 5 entries would be 2 vectors each.
        first, end = self.start[:, :-1], self.start[:, 1:]
        vectors, turn = ceil_div(end - first, width), np.arange(first.shape[1]) % parts
        # A list's last vector may be short: its end is the list's. 6 entries in vectors of 4 end at 6 and not at 8.
        return np.minimum(first + (part * vectors + turn) // parts * width, end)

    def share(self, part: int, parts: int, width: int) -> Self:
        """One of the shares of every list: a sub-tile of a tile that is cut between vectors.

        Offsets stay those of the whole tile, so that products of a share meet in the banks in which they would there.
        """
        first, end = self.share_start(part, parts, width), self.share_start(part + 1, parts, width)
        lengths = (end - first).reshape(-1)
        ends = np.cumsum(lengths)
        # Where each kept entry was: as far behind its share's first one there as it is behind the first one here.
        # Shares at 3 to 5 and 9 to 10 are the entries 3, 4 and 9: the places 0, 1 and 2 here, moved by 3, 3 and 7.
        chosen = np.repeat(first.reshape(-1) - (ends - lengths), lengths) + np.arange(ends[-1])
        ends = ends.reshape(first.shape)
        # A row begins where the one before it ended.
        begin = np.concatenate([[0], ends[:-1, -1]])[:, None]
        return type(self)(np.concatenate([begin, ends], axis=1), self.offset[chosen])

    @property
    def entries(self) -> np.ndarray:
        """int64 (rows,): stored entries of each row, placeholders included."""
        return self.start[:, -1] - self.start[:, 0]
