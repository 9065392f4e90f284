"""Windows of the dense input list, and what the kept weights of a filter cost in each: steps, fillers, selections.

An output neuron's inputs form one list: kernel row by kernel row, column by column, the input channels of the group
innermost (neurons lie contiguous by channel). The list is scanned in windows, cut through the whole list or through
each kernel position's part of it (`window_edges`). Every kept weight carries the number of zeros skipped since the one
before it (step index); where the number does not fit its bits, a filler (a stored zero) stands in. A run of zeros
starts anew with each window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices, thread_count
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div, even_slices

_ELEMENT_NANOSECONDS = (0.03, 0.4)  # of kernels of one tap, and of several: `python -m benchmarks.threads`
Span = Literal["kernel", "position"]


def window_edges(channels: int, taps: int, window: int, spans: Span) -> np.ndarray:
    """Int64 (windows + 1,): where each window of a list of `channels` inputs at each of `taps` kernel positions begins.

    spans  "kernel": every window has `window` inputs, whatever kernel positions they belong to, but for the last;
           "position": a window ends with its kernel position, so that each position has ceil(channels / window) windows

    Example: three channels at four kernel positions in windows of 5 begin at [0, 5, 10], and the list ends at 12; cut
    by position, where no window is ever full, at [0, 3, 6, 9].
    """
    part, parts = (channels * taps, 1) if spans == "kernel" else (channels, taps)
    # Row by row the parts of the list, and in each the places where its windows begin.
    starts = np.arange(parts)[:, None] * part + np.arange(0, part, window)
    return np.append(starts.ravel(), channels * taps)


@kernel
def _count_flat(mask: np.ndarray, edges: np.ndarray, filters: tuple[int, int], nonzeros: np.ndarray) -> None:
    """Count into int32 (K, windows) filters (first, end) whose list is their row; mask uint8 (K, list)."""
    for k in range(filters[0], filters[1]):
        for i in range(nonzeros.shape[1]):
            part = mask[k, edges[i] : edges[i + 1]]
            count = np.int32(0)
            for j in range(part.size):  # from 0, so that the compiler sees no index below 0 and adds vectors
                count += np.int32(part[j])
            nonzeros[k, i] = count


@kernel
def _count_taps(mask: np.ndarray, window_of: np.ndarray, filters: tuple[int, int], nonzeros: np.ndarray) -> None:
    """The same for filters over several kernel positions; mask uint8 (K, C/G * taps), window_of int32 (C/G * taps,)."""
    for k in range(filters[0], filters[1]):
        row = mask[k]
        counts = nonzeros[k]
        for j in range(row.size):
            counts[window_of[j]] += np.int32(row[j])


class _Filled(NamedTuple):
    """Of `WindowCounts`, int32 (K, windows), where fillers arise."""

    nonzeros: np.ndarray
    entries: np.ndarray
    busy: np.ndarray


@kernel
def _count_fillers(
    mask: np.ndarray, edges: np.ndarray, selected: int, step_limit: int, filters: tuple[int, int], counts: _Filled
) -> None:
    """Filters (first, end) in list order, weight by weight; mask uint8 (K, C/G, taps), edges int64 (windows + 1,)."""
    _, channels, taps = mask.shape
    ordered = np.empty(channels * taps, np.uint8)
    for k in range(filters[0], filters[1]):
        for c in range(channels):
            for tap in range(taps):
                ordered[tap * channels + c] = mask[k, c, tap]
        for i in range(edges.size - 1):
            kept, stored, working, last_cycle, zeros = 0, 0, 0, -1, 0
            for j in range(edges[i], edges[i + 1]):
                if ordered[j] == 0:
                    zeros += 1
                    continue
                # With steps of two bits, 0 to 3 zeros, a run of 9 zeros takes two fillers of four zeros each, and one
                # is left to count.
                stored += zeros // step_limit
                zeros = 0
                cycle = stored // selected
                working += cycle != last_cycle
                last_cycle = cycle
                stored += 1
                kept += 1
            counts.nonzeros[k, i] = kept
            counts.entries[k, i] = stored
            counts.busy[k, i] = working


@dataclass(frozen=True, eq=False)
class WindowCounts:
    """Per filter and window, int64 (K, windows), for one output neuron.

    nonzeros  weights that are not zero
    entries   stored weights: non-zeros and fillers
    busy      cycles that select at least one non-zero weight's neuron
    index     cycles that select fillers only, and the one cycle that an empty window takes

    Example: weights at places 0 and 5 of a window of 6, steps of one bit (0 or 1 zeros), two entries selected a cycle.
    Between them lie four zeros, for which two fillers stand: entries 4, the weights in the first and in the last cycle,
    so that both are busy and none is index.
    """

    nonzeros: np.ndarray
    entries: np.ndarray
    busy: np.ndarray
    index: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray, edges: np.ndarray, *, selected: int, index_bits: int) -> Self:
        """Count the windows of weights uint8 (K, C/G, R * S); `selected` entries leave the window in a cycle.

        edges  int64 (windows + 1,): `window_edges`
        """
        filters = len(mask)
        step_limit = 1 << index_bits
        nonzeros = np.zeros((filters, len(edges) - 1), np.int32)
        slices = even_slices(filters, thread_count())
        if np.diff(edges).max() > step_limit:  # else no run of zeros inside a window is too long for a step
            entries, busy = np.zeros_like(nonzeros), np.zeros_like(nonzeros)
            counts = _Filled(nonzeros, entries, busy)
            work = mask.size * _ELEMENT_NANOSECONDS[1]
            run_slices(lambda part: _count_fillers(mask, edges, selected, step_limit, part, counts), slices, work)
        else:
            _count(mask, edges, slices, nonzeros)
            entries, busy = nonzeros, ceil_div(nonzeros, selected)
        # A window without entries is still looked at for a cycle.
        # Five entries, two a cycle, take three cycles: if two of the entries are fillers that are selected together,
        # two cycles are busy and one is index.
        index = np.maximum(1, ceil_div(entries, selected)) - busy
        return cls(*(array.astype(np.int64) for array in (nonzeros, entries, busy, index)))


def _count(mask: np.ndarray, edges: np.ndarray, slices: list[tuple[int, int]], nonzeros: np.ndarray) -> None:
    """Non-zeros of every window, where no filler can arise and the order inside a window does not matter."""
    filters, channels, taps = mask.shape
    flat = mask.reshape(filters, channels * taps)
    # By channel and tap, as the mask lies, the place in the list, whose channels are innermost.
    place = np.arange(taps) * channels + np.arange(channels)[:, None]
    # Two channels at three taps lie in the mask as c0 t0, c0 t1, c0 t2, c1 t0 ..., whose places in the list are 0, 2,
    # 4, 1, 3 and 5. In windows of 4 only place 4, which comes third, and place 5 belong to the second.
    window_of = (np.searchsorted(edges, place.ravel(), side="right") - 1).astype(np.int32)

    def count(part: tuple[int, int]) -> None:
        if taps == 1:
            _count_flat(flat, edges, part, nonzeros)
        else:
            _count_taps(flat, window_of, part, nonzeros)

    run_slices(count, slices, mask.size * _ELEMENT_NANOSECONDS[taps > 1])


class KeptWeights(NamedTuple):
    """The non-zero weights of every filter in list order.

    start   int64 (K, windows + 1): where each window's weights begin
    place   int64: the weight's place in its filter's list
    value   int64
    """

    start: np.ndarray
    place: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, weights: np.ndarray, edges: np.ndarray) -> Self:
        """Lists of int64 weights (K, C/G, R, S), cut at edges int64 (windows + 1,)."""
        filters, channels = weights.shape[:2]
        # Weights lie by channel and tap, the list by tap and channel.
        lists = np.ascontiguousarray(weights.reshape(filters, channels, -1).transpose(0, 2, 1)).reshape(filters, -1)
        row, place = np.nonzero(lists)
        length = lists.shape[1]
        # Filter and place as one rising number, so that one search finds the edges of all filters' windows.
        # Filter 1 with a list of 6 and windows from 0 and 3: its weights at 2 and 4 have the numbers 8 and 10, its
        # windows the edges 6, 9 and 12, one weight in each.
        start = np.searchsorted(row * length + place, np.arange(filters)[:, None] * length + edges)
        return cls(start, place, lists[row, place])


class ListedNeurons(NamedTuple):
    """The padded inputs of a layer, channels innermost, and where an output's list finds its neurons among them.

    values          int64 (N, rows, columns, C)
    offset_of       int64 (C/G * R * S,): from an output's first neuron to each of its list
    stride          of rows and columns
    group_channels  input and output channels of a convolution group
    """

    values: np.ndarray
    offset_of: np.ndarray
    stride: tuple[int, ...]
    group_channels: tuple[int, int]

    @classmethod
    def of(cls, layer: Layer, activations: np.ndarray) -> Self:
        """From activations (N, C, H, W)."""
        padded = np.pad(activations, ((0, 0), (0, 0), *layer.padding))
        values = np.ascontiguousarray(padded.transpose(0, 2, 3, 1))
        rows, columns = (np.arange(k) * d for k, d in zip(layer.kernel_size, layer.dilation, strict=True))
        # A 2x2 kernel over two channels in padded rows of five positions: the positions 0, 1, 5 and 6, two neurons
        # each, so that the list reads 0, 1, 2, 3, 10, 11, 12 and 13 from the first neuron on.
        position = (rows[:, None] * values.shape[2] + columns).ravel()
        offset_of = (position[:, None] * layer.in_channels + np.arange(layer.group_in_channels)).ravel()
        return cls(values, offset_of, layer.stride, (layer.group_in_channels, layer.group_out_channels))


class Portion(NamedTuple):
    """What a block of one image takes: a round's filters (first, end) and a chunk's windows (first, end).

    block  output rows (first, end), output columns (first, end)
    """

    image: int
    filters: tuple[int, int]
    windows: tuple[int, int]
    block: tuple[int, int, int, int]


@kernel
def multiply_block(
    weights: KeptWeights, neurons: ListedNeurons, portion: Portion, pes: int, selected: int, outputs: np.ndarray
) -> None:
    """One block of output positions against one round of filters: PE by PE, filter by filter, window by window.

    selected  neurons that a PE takes out of a window in a cycle;  outputs  int64 (N, K, P, Q): receives the sums
    """
    start, place, value = weights
    image, filters, windows, block = portion
    _, rows, columns, channels = neurons.values.shape
    flat, sums = neurons.values[image].reshape(rows * columns * channels), outputs[image]
    inputs_of_group, filters_of_group = neurons.group_channels
    for pe in range(pes):
        # The first filter at or behind the round's begin that runs on this PE: round 5 to 9 of 4 PEs gives PE 0 filter
        # 8.
        for k in range(filters[0] + (pe - filters[0]) % pes, filters[1], pes):
            first_channel = k // filters_of_group * inputs_of_group
            for p in range(block[0], block[1]):
                for q in range(block[2], block[3]):
                    # In padded rows of 6 positions of 4 channels, with a stride of 2, output (1, 2) of the first group
                    # begins at (1·2·6 + 2·2)·4 = 64.
                    corner = (p * neurons.stride[0] * columns + q * neurons.stride[1]) * channels + first_channel
                    for i in range(windows[0], windows[1]):
                        for first in range(start[k, i], start[k, i + 1], selected):
                            total = np.int64(0)
                            for lane in range(first, min(first + selected, start[k, i + 1])):
                                total += value[lane] * flat[corner + neurons.offset_of[place[lane]]]
                            sums[k, p, q] += total
