"""Lists of the weights that a group of output channels streams, made of their mask as bits.

A list runs through the group's filters, and in each through the taps of the list's phase. Bits are read a filter's
kernel at a time, or, where a kernel is a single weight, a channel's weights of all filters at a time.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.words import trailing_zeros
from dataflows.machines.scnn.bit_strings import PART_BITS, bits_from, pack_columns
from dataflows.machines.scnn.planar_map import TapOffsets
from workloads.whole_numbers import ceil_div


class PartPlaces(NamedTuple):
    """What the bits of parts of a list's weights mean in the list.

    offset   int64 (parts, bits): what a weight adds to an activation's offset, behind that of the part's filter
    rank     int64 (parts, bits): its number among the part's weights of its phase
    present  uint64 (phases, parts): the weights of each phase
    weights  int64 (phases, parts): how many they are
    area     accumulators of an output channel
    """

    offset: np.ndarray
    rank: np.ndarray
    present: np.ndarray
    weights: np.ndarray
    area: int

    @classmethod
    def of(cls, taps: TapOffsets) -> Self:
        """Parts of 32 of a kernel's positions, or, where it has one, of 64 filters."""
        if len(taps.position) == 1:
            filters = np.arange(64)[None]
            offset = filters * taps.area + taps.offset
            return cls(offset, filters, np.zeros((1, 1), np.uint64), np.full((1, 1), 64), taps.area)
        phases, parts = len(taps.start) - 1, ceil_div(len(taps.position), PART_BITS)
        offset, rank = np.zeros((2, parts, PART_BITS), np.int64)
        present, count = np.zeros((phases, parts), np.uint64), np.zeros((phases, parts), np.int64)
        for phase, (first, end) in enumerate(itertools.pairwise(taps.start.tolist())):
            # In row-major order, so that ranks rise with positions.
            for position, place in zip(taps.position[first:end].tolist(), taps.offset[first:end].tolist(), strict=True):
                part, bit = divmod(position, PART_BITS)
                offset[part, bit], rank[part, bit] = place, count[phase, part]
                present[phase, part] |= np.uint64(1 << bit)
                count[phase, part] += 1
        return cls(offset, rank, present, count, taps.area)


@kernel
def _append(
    bits: np.uint64,
    zeros: int,
    places: PartPlaces,
    part: int,
    base: int,
    run_bits: int,
    entries: np.ndarray,
    n: Any,
) -> Any:
    """Append a part's non-zeros and the placeholders before them, of a list that ends with so many zeros.

    Returns its end and the number behind the last non-zero's.
    """
    behind = -zeros
    while bits != 0:
        bit = trailing_zeros(bits)
        bits &= bits - np.uint64(1)
        for _ in range((places.rank[part, bit] - behind) >> run_bits):
            entries[n] = -1
            n += np.uint64(1)
        entries[n] = base + places.offset[part, bit]
        n += np.uint64(1)
        behind = places.rank[part, bit] + 1
    return n, behind


@kernel
def fill_weight_lists(
    mask: np.ndarray,
    bits: np.ndarray,
    rules: Any,
    layer: tuple[int, int, int, int],
    columns: np.ndarray,
    places: PartPlaces,
    lists: Any,
) -> Any:
    """Fill the lists. Returns the entries.

    mask     uint8 (K, C/G * R * S)
    bits     uint64, its string where kernels have several positions
    layer    the group of output channels that is row 0, channels of such a group, input channels and the layer's groups
    columns  uint64 (words, C/G) to work with where kernels have one position, else (0, 0)
    Channels of groups that a row does not reach have empty lists.
    """
    first_row, group_channels, in_channels, groups = layer
    start, entries = lists
    per_group, positions = len(mask) // groups, mask.shape[1] // in_channels
    run_bits = trailing_zeros(np.uint64(rules.run_limit))
    phases, parts = places.present.shape
    single = len(columns) > 0
    n = np.uint64(0)
    for row in range(len(start)):
        low = (first_row + row) * group_channels
        for v in range(start.shape[1]):
            group = v // (in_channels * phases)
            start[row, v] = n
            # Virtual channels are numbered through all groups. Output channels 6 and 7 of 2 groups of 4 have weights
            # for the second group's channels alone.
            k_low = max(low, group * per_group)
            k_high = min(low + group_channels, (group + 1) * per_group, len(mask))
            if k_low >= k_high:
                continue
            c, phase = v // phases % in_channels, v % phases
            zeros = 0
            if single:
                if c == 0:
                    pack_columns(mask, rules.keep_zeros, k_low, k_high, 0, columns)
                for k in range(k_low, k_high, 64):
                    # Each output channel of the row has a region of its own among the accumulators.
                    found, base = columns[(k - k_low) // 64, c], (k - low) * places.area
                    n, behind = _append(found, zeros, places, 0, base, run_bits, entries, n)
                    zeros = 64 - behind
                continue
            for k in range(k_low, k_high):
                at = (k * in_channels + c) * positions
                for part in range(parts):
                    found = places.present[phase, part]
                    if not rules.keep_zeros:
                        found &= bits_from(bits, at + part * PART_BITS, PART_BITS)
                    base = (k - low) * places.area
                    n, behind = _append(found, zeros, places, part, base, run_bits, entries, n)
                    zeros = places.weights[phase, part] - behind
    return np.int64(n)
