"""Which structure the zeros of a layer's weights have, found from the zeros alone, and how evenly non-zeros lie.

Weights are (K, C/G, [T,] R, S); X below stands for the kernel positions [T·]R·S. A structure is reported only where the
zeros have it throughout; pruning that leaves none of these is unstructured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workloads.layer import Layer

# Groups of channels that papers prune in, see workloads/formats/kinds/nm.py; and blocks of filters x channels.
_GROUPS = (2, 4, 8, 16)
_BLOCKS = ((16, 16), (8, 8), (4, 4), (2, 2), (16, 1), (8, 1), (4, 1), (2, 1), (1, 16), (1, 8), (1, 4), (1, 2))
_MOST_PATTERNS = 32
_CHUNK = 1 << 16  # elements looked at in one go for each filter of the largest block
_MOST_OF_A_BYTE = 255


@dataclass(frozen=True)
class Structure:
    """What the zeros of a layer's weights look like.

    empty_filters        filters without a weight, of `filters`
    empty_channels       input channels that no filter of their group reads, of `channels`
    empty_shapes         places (channel, position) that are zero in every filter of the group, of `shapes`
    empty_kernels        kernels (filter, channel) without a weight, of `kernels`
    group                (n, m): at most n non-zeros in every m consecutive channels at one position, and in at least
                         half of them n, so that the limit is no accident; the smallest n/m found, or None
    block                (filters, channels): every such block, over all positions, is either full or empty; None where
                         there is none
    patterns             different 3x3 patterns of kept kernels, all with equally many weights; 0 where too many
    filter_variation     coefficient of variation (standard deviation / mean) of the non-zeros of filters
    channel_variation    the same of input channels
    dense                no weight is zero
    """

    filters: int
    empty_filters: int
    channels: int
    empty_channels: int
    shapes: int
    empty_shapes: int
    kernels: int
    empty_kernels: int
    group: tuple[int, int] | None
    block: tuple[int, int] | None
    patterns: int
    filter_variation: float
    channel_variation: float
    dense: bool

    def __str__(self) -> str:
        """The structures found, in words."""
        found = []
        if self.empty_filters:
            found.append(f"filter {self.empty_filters}/{self.filters} empty")
        if self.empty_channels:
            found.append(f"channel {self.empty_channels}/{self.channels} empty")
        # An empty channel empties all its X shapes: 2 empty channels of 3x3 kernels are 18 empty shapes. Only shapes
        # beyond those tell of shape pruning.
        beyond = self.empty_shapes - self.empty_channels * (self.shapes // self.channels)
        if beyond:
            found.append(f"shape {self.empty_shapes}/{self.shapes} empty")
        if self.group:
            found.append(f"{self.group[0]}:{self.group[1]}")
        if self.block:
            found.append(f"block {self.block[0]}x{self.block[1]}")
        if self.patterns:
            found.append(f"{self.patterns} patterns")
        return ", ".join(found) or ("dense" if self.dense else "unstructured")


def find_structure(layer: Layer, weights: np.ndarray) -> Structure:
    """The structure of a layer's weights, values or a mask; takes little memory beside them."""
    mask = weights if weights.dtype == np.bool_ else weights != 0
    rows = mask.reshape(layer.out_channels, layer.group_in_channels, -1)
    filters = np.array([np.count_nonzero(row) for row in rows], np.int64)
    # Int64 (G, C/G, X): filters of a group that keep each weight, and from those the non-zeros of input channels.
    kept = _kept_weights(rows.reshape(layer.groups, layer.group_out_channels, -1))
    channels = kept.reshape(layer.in_channels, -1).sum(axis=1)
    kernels = rows.any(axis=2) if rows.shape[2] > 1 else rows
    dense = int(filters.sum()) == rows.size
    return Structure(
        filters=layer.out_channels,
        empty_filters=int(np.count_nonzero(filters == 0)),
        channels=layer.in_channels,
        empty_channels=int(np.count_nonzero(channels == 0)),
        shapes=kept.size,
        empty_shapes=int(np.count_nonzero(kept == 0)),
        kernels=kernels.size,
        empty_kernels=kernels.size - int(np.count_nonzero(kernels)),
        group=None if dense else _group(rows),
        block=None if dense else _block(rows),
        patterns=0 if dense else _patterns(layer, rows),
        filter_variation=_variation(filters),
        channel_variation=_variation(channels),
        dense=dense,
    )


def _kept_weights(rows: np.ndarray) -> np.ndarray:
    """Int64 (groups, weights of a filter): filters that keep each weight; rows bool (groups, K/G, weights)."""
    kept = np.zeros((rows.shape[0], rows.shape[2]), np.int64)
    # Added up in bytes as long as these can count, which is several times faster than in words.
    for first in range(0, rows.shape[1], _MOST_OF_A_BYTE):
        part = rows[:, first : first + _MOST_OF_A_BYTE].view(np.uint8)
        kept += np.add.reduce(part, axis=1, dtype=np.uint8)
    return kept


def _variation(counts: np.ndarray) -> float:
    # An empty layer has no spread to speak of.
    mean = float(counts.mean())
    return float(counts.std()) / mean if mean else 0.0


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows by whole blocks of filters, so many at a time that what is made of them stays small."""
    step = max(_CHUNK // rows[0].size, 1) * _BLOCKS[0][0]
    for first in range(0, len(rows), step):
        yield rows[first : first + step]


def _group(rows: np.ndarray) -> tuple[int, int] | None:
    """(n, m) with the smallest n/m, of equals the smallest m, over the groups of (K, C, X)."""
    # A group that reaches beyond the channels would count few non-zeros for want of places; larger m follow.
    sizes = [m for m in _GROUPS if m <= rows.shape[1]]
    times = {m: np.zeros(m + 1, np.int64) for m in sizes}  # groups by how many non-zeros they hold
    for part in _parts(rows):
        for m in sizes:
            # A group that holds all m has no limit, whatever the others hold. An unpruned tensor has such groups.
            if not times[m][m]:
                counts = np.add.reduceat(part.view(np.uint8), np.arange(0, rows.shape[1], m), axis=1, dtype=np.uint8)
                times[m] += np.bincount(counts.reshape(-1), minlength=m + 1)
    found = []
    for m in sizes:
        most = int(np.flatnonzero(times[m])[-1])
        # A limit that only few groups reach is that of chance.
        if 0 < most < m and 2 * times[m][most] >= times[m].sum():
            found.append((most, m))
    # A 2:4 tensor keeps at most 4 of every 8 as well; of equal shares the smaller group says more.
    return min(found, key=lambda one: (one[0] / one[1], one[1]), default=None)


def _block(rows: np.ndarray) -> tuple[int, int] | None:
    """The largest block that is full or empty everywhere."""
    # An empty layer has no blocks to speak of.
    if not rows.any():
        return None
    # Blocks of 8x8 that are full or empty are also such blocks of 4x4, so that the larger ones are tried first.
    for filters, channels in _BLOCKS:
        if rows.shape[0] % filters or rows.shape[1] % channels:
            continue
        if all(_in_blocks(part, filters, channels) for part in _parts(rows)):
            return filters, channels
    return None


def _in_blocks(rows: np.ndarray, filters: int, channels: int) -> bool:
    blocks = rows.reshape(rows.shape[0] // filters, filters, rows.shape[1] // channels, channels, -1)
    # (block rows, block columns): kept where any weight is, and then all must be.
    return np.array_equal(blocks.any(axis=(1, 3, 4)), blocks.all(axis=(1, 3, 4)))


def _patterns(layer: Layer, rows: np.ndarray) -> int:
    if layer.kernel_size != (3, 3):
        return 0
    # Each kernel as a number of 9 bits: non-zeros at the positions 0 and 4 give 1 + 16 = 17.
    codes = rows @ (1 << np.arange(9))
    used = np.unique(codes[codes != 0])
    sizes = {int(code).bit_count() for code in used}
    # Kernels that are all full are what kernel pruning leaves, one pattern of 9 weights, which is none.
    return len(used) if len(sizes) == 1 and 9 not in sizes and len(used) <= _MOST_PATTERNS else 0
