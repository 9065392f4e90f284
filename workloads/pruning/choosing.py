"""How prunings choose: scores of weights or of units of them, and the exact number with the highest scores."""

from __future__ import annotations

import numpy as np

from workloads.layer import Layer


def sizes(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scores of single weights: magnitudes; of a mask random whole numbers. 0 where a weight is zero."""
    if weights.dtype == np.bool_:
        return _drawn(weights, rng)
    wide = np.int64 if weights.dtype.kind in "iu" else weights.dtype  # the magnitude of int8's -128 needs more
    return np.abs(weights.astype(wide))


def energies(weights: np.ndarray, rng: np.random.Generator, axes: int | tuple[int, ...]) -> np.ndarray:
    """Scores of units that extend over `axes`: sums of squares; of a mask random whole numbers. 0: all zeros."""
    if weights.dtype == np.bool_:
        return _drawn(np.asarray(weights.any(axis=axes)), rng)
    # Squares of whole numbers overflow their type (16 squared is no int8), so that they are made real first. Sums are
    # taken in float64 whatever the type, so that they depend little on the order of adding.
    real = weights if weights.dtype in (np.dtype(np.float32), np.dtype(np.float64)) else weights.astype(np.float64)
    return np.asarray(np.sum(np.square(real), axis=axes, dtype=np.float64))


def _drawn(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # From 1 on: a score of 0 is left for weights that are zero already, and those are never chosen.
    scores = rng.integers(1, 1 << 32, mask.shape, np.uint32)
    scores *= mask
    return scores


def largest(scores: np.ndarray, count: int) -> np.ndarray:
    """Bool (..., n): in each row the `count` highest scores, ties going to the first; scores of 0 never.

    Example: 3 of [3 0 5 3 3]: the third highest score is 3. The 5 above it leaves room for two of the three that tie
    there: [1 0 1 1 0].
    """
    if scores.size == 0 or count == 0:
        return np.zeros(scores.shape, np.bool_)
    if count >= scores.shape[-1]:
        return scores > 0
    rows = scores.reshape(-1, scores.shape[-1])
    if len(rows) == 1 and not rows.all():  # many equal scores, the zeros of a sparse layer, make partition slow
        keep = np.zeros(scores.shape, np.bool_)
        keep[scores > 0] = largest(scores[scores > 0], count)
        return keep
    # In a partition the entry at n - count is the count-th largest: 2 of [3 9 5 7] stand at place 2, and the threshold
    # is 7.
    place = rows.shape[1] - count
    threshold = np.partition(rows, place, axis=1)[:, place, np.newaxis]
    keep = rows > threshold
    # A row with fewer non-zeros than asked for has a threshold of 0; its zeros are no ties and stay out.
    ties = (rows == threshold) & (threshold > 0)
    room = count - np.count_nonzero(keep, axis=1)
    # The running count, which lets the first ties in, is taken only in rows where not all of them have room.
    crowded = np.count_nonzero(ties, axis=1) > room
    if crowded.any():
        tied = ties[crowded]
        ties[crowded] = tied & (np.cumsum(tied, axis=1) <= room[crowded, np.newaxis])
    keep |= ties
    return keep.reshape(scores.shape)


def share(density: float, units: int, *, at_least: int = 0) -> int:
    """round(density x units); `at_least` counts only while the density is above 0."""
    # Python rounds halves to even: 0.5 of 5 units are 2, 0.5 of 7 are 4.
    return max(round(density * units), at_least) if density > 0 else 0


def matrix(weights: np.ndarray) -> np.ndarray:
    """(K, C/G, X) of (K, C/G, [T,] R, S)."""
    return weights.reshape(*weights.shape[:2], -1)


def groups_along(array: np.ndarray, axis: int, length: int) -> np.ndarray:
    """An array cut into groups of `length` along an axis, zeros filling the last: (..., groups, ..., length).

    The groups stand where the axis was, the places in a group last. Example: [a b c d e] in groups of two is
    [[a b] [c d] [e 0]].
    """
    fill = [(0, 0)] * array.ndim
    fill[axis] = (0, -array.shape[axis] % length)
    padded = np.pad(array, fill) if fill[axis][1] else array
    # The axis becomes (groups, length), and the places in a group move to the end.
    shape = (*padded.shape[:axis], -1, length, *padded.shape[axis + 1 :])
    return np.moveaxis(padded.reshape(shape), axis + 1, -1)


def join_groups(groups: np.ndarray, axis: int, size: int) -> np.ndarray:
    """The array that `groups_along` cut; `size` is its extent along the axis."""
    # The places come back behind their group, the two axes become one, and the zeros that filled the last group go.
    moved = np.moveaxis(groups, -1, axis + 1)
    joined = moved.reshape(*moved.shape[:axis], -1, *moved.shape[axis + 2 :])
    return joined[(slice(None),) * axis + (slice(0, size),)]


def kernel_groups(layer: Layer, weights: np.ndarray, filters: int, channels: int) -> np.ndarray:
    """Weights as groups of filters x channels, zeros filling the last: (G, K', C', filters, channels, X).

    Groups never reach from one group of a grouped convolution into the next.
    """
    # 12 filters and 20 channels in groups of 8 x 8 make K' = 2 and C' = 3; the last ones are half zeros. Zeros have no
    # energy, so that a smaller group at the edge competes with what it has.
    by_group = matrix(weights).reshape(layer.groups, layer.group_out_channels, layer.group_in_channels, -1)
    cut = groups_along(groups_along(by_group, 1, filters), 2, channels)  # (G, K', C', X, filters, channels)
    return np.moveaxis(cut, 3, -1)


def join_kernel_groups(layer: Layer, groups: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The weights that `kernel_groups` cut, in their shape."""
    cut = np.moveaxis(groups, -1, 3)
    by_group = join_groups(join_groups(cut, 2, layer.group_in_channels), 1, layer.group_out_channels)
    return by_group.reshape(shape)
