"""Lists of the weights that a group of output channels streams, made of their mask as bits.

A list runs through the group's filters, and in each through the taps of the list's phase. Bits are read a filter's
kernel at a time, or, where a kernel is a single weight, a channel's weights of all filters at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.words import trailing_zeros
from dataflows.machines.scnn.bit_strings import PART_BITS, bits_from, pack_columns


class _PartPlaces(NamedTuple):
    """What the bits of a part of 32 or 64 weights mean in a list.

    offset   int64 (parts, bits): what a weight adds to an activation's offset, behind that of its filter
    rank     int64 (parts, bits): its number among the part's weights of its phase
    present  uint64 (phases, parts): the weights of each phase
    count    int64 (phases, parts): how many they are
    """

    offset: np.ndarray
    rank: np.ndarray
    present: np.ndarray
    count: np.ndarray


@kernel
def _tap_places(taps: Any, kernel_positions: int) -> _PartPlaces:
    """The parts of a kernel of more than one position."""
    tap_start, tap_position, tap_offset, _ = taps
    phases, parts = len(tap_start) - 1, (kernel_positions + PART_BITS - 1) // PART_BITS
    offset, rank = np.zeros((parts, PART_BITS), np.int64), np.zeros((parts, PART_BITS), np.int64)
    present, count = np.zeros((phases, parts), np.uint64), np.zeros((phases, parts), np.int64)
    for phase in range(phases):
        # In row-major order, so that ranks rise with positions.
        for tap in range(tap_start[phase], tap_start[phase + 1]):
            part, bit = tap_position[tap] // PART_BITS, tap_position[tap] % PART_BITS
            offset[part, bit] = tap_offset[tap]
            rank[part, bit] = count[phase, part]
            present[phase, part] |= np.uint64(1) << np.uint64(bit)
            count[phase, part] += 1
    return _PartPlaces(offset, rank, present, count)


@kernel
def _append(
    bits: np.uint64,
    zeros: int,
    places: tuple[np.ndarray, np.ndarray],
    base: int,
    run_bits: int,
    entries: np.ndarray,
    n: Any,
) -> Any:
    """Append a part's non-zeros and the placeholders before them, of a list that ends with so many zeros.

    Returns its end and the number behind the last non-zero's.
    """
    offset, rank = places
    behind = -zeros
    while bits != 0:
        bit = trailing_zeros(bits)
        bits &= bits - np.uint64(1)
        for _ in range((rank[bit] - behind) >> run_bits):
            entries[n] = -1
            n += np.uint64(1)
        entries[n] = base + offset[bit]
        n += np.uint64(1)
        behind = rank[bit] + 1
    return n, behind


@kernel
def fill_weight_lists(
    mask: np.ndarray, bits: np.ndarray, rules: Any, first_row: int, groups: int, group_channels: int, taps: Any, lists: Any
) -> Any:
    """Fill the lists; row i is output-channel group first_row + i. Returns the entries.

    mask uint8 (K, C/G, R * S), and bits its string where kernels have several positions. `groups` are the layer's own;
    channels of groups that a row does not reach have empty lists.
    """
    out_channels, in_channels, kernel_positions = mask.shape
    per_group = out_channels // groups
    start, entries = lists
    keep, run_bits = rules.keep_zeros, trailing_zeros(np.uint64(rules.run_limit))
    phases, area = len(taps.start) - 1, taps.area
    single = kernel_positions == 1
    places = _tap_places(taps, kernel_positions)
    columns = np.empty(((group_channels + 63) // 64 if single else 0, in_channels), np.uint64)
    filters = (np.arange(64) * area + taps.offset[0], np.arange(64))
    parts = places.offset.shape[0]
    n = np.uint64(0)
    for row in range(len(start)):
        low = (first_row + row) * group_channels
        high = min(low + group_channels, out_channels)
        # Virtual channels are numbered through all groups; a row begins with the group of its first output channel.
        # Output channel 6 of 2 groups of 4, with 3 input channels each and one phase, begins at virtual channel 3.
        v = low // per_group * in_channels * phases
        start[row, :v] = n
        for group in range(low // per_group, (high - 1) // per_group + 1):
            k_low = max(low, group * per_group)
            k_high = min(high, (group + 1) * per_group)
            if single:
                pack_columns(mask.reshape(out_channels, in_channels), keep, k_low, k_high, 0, columns)
            for c in range(in_channels):
                for phase in range(phases):
                    start[row, v] = n
                    v += 1
                    zeros = 0
                    if single:
                        for k in range(k_low, k_high, 64):
                            # Each output channel of the row has a region of its own among the accumulators.
                            found = columns[(k - k_low) // 64, c]
                            n, behind = _append(found, zeros, filters, (k - low) * area, run_bits, entries, n)
                            zeros = 64 - behind
                        continue
                    for k in range(k_low, k_high):
                        at = (k * in_channels + c) * kernel_positions
                        for part in range(parts):
                            found = places.present[phase, part]
                            if not keep:
                                found &= bits_from(bits, at + part * PART_BITS, PART_BITS)
                            own = (places.offset[part], places.rank[part])
                            n, behind = _append(found, zeros, own, (k - low) * area, run_bits, entries, n)
                            zeros = places.count[phase, part] - behind
        # Empty lists for the groups behind the row's own; those before it have theirs from above.
        start[row, v:] = n
    return np.int64(n)
