"""Seeded masks with an exact count of non-zeros: uniform, clustered (activations) and skewed (filters).

A pattern draws masks of a given shape. The first axis is the channel of an activation map (C, [D,] H, W) or the filter
of a weight tensor (K, C/G, [T,] R, S). Every mask holds exactly the asked number of non-zeros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from workloads.errors import InputError
from workloads.options import check, number

_BLOCK = 1 << 22  # elements drawn at a time, so that the random bytes never need much memory beside the mask
_ROUNDING = 1e-9  # by which shares that are meant to add up to 1 may exceed it


class Pattern(Protocol):
    """How non-zeros lie in a tensor."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], nonzeros: int) -> np.ndarray:
        """A bool array of that shape with exactly that many True."""
        ...


def _settle(rng: np.random.Generator, flat: np.ndarray, nonzeros: int) -> None:
    """Set or clear elements chosen uniformly at random until `flat` (bool, 1-D) holds exactly `nonzeros` True."""
    missing = nonzeros - int(np.count_nonzero(flat))
    value = missing > 0
    missing = abs(missing)
    # Elements that may still change: those that do not have the value yet. Before the first pick, `flat` holds nonzeros
    # - missing True where some must be set, and nonzeros + missing where some must be cleared.
    candidates = flat.size - nonzeros + missing if value else nonzeros + missing
    while missing:
        # A pick hits a candidate with probability candidates / size. A fifth more than needed, and 16 for small
        # numbers, make a second round rare; the loop makes up for what repetitions and misses take away.
        draws = min(int(1.2 * missing * flat.size / candidates) + 16, _BLOCK)
        picks = rng.integers(0, flat.size, draws)
        picks = picks[flat[picks] != value]
        # The first occurrence of each pick, in drawing order: cutting a sorted list would favour low indices.
        _, first = np.unique(picks, return_index=True)
        picks = picks[np.sort(first)[:missing]]
        flat[picks] = value
        missing -= picks.size
        candidates -= picks.size


def uniform_mask(rng: np.random.Generator, size: int, nonzeros: int) -> np.ndarray:
    """A bool (size,) array with exactly `nonzeros` True, every such array being equally likely.

    Random bytes below a level give independent elements of almost the right density; adding or removing a random few
    makes the count exact. Given its count, either step is uniform, and so is the result. Needs a byte an element.
    """
    if not 0 <= nonzeros <= size:
        raise ValueError(f"{nonzeros} non-zeros among {size} elements")
    if 2 * nonzeros > size:  # so that at least every other random pick finds a zero
        mask = uniform_mask(rng, size, size - nonzeros)
        return np.logical_not(mask, out=mask)
    # 30 of 100 elements: the level is 76, and 76/256 of 100 are 29.7 on average. It is rounded down, by less than 1/256
    # of the elements; since at most half are non-zero it never exceeds 128 and fits a byte.
    mask = np.zeros(size, np.bool_)
    level = 256 * nonzeros // size if size else 0
    if level:
        for start in range(0, size, _BLOCK):
            part = mask[start : start + _BLOCK]
            np.less(rng.integers(0, 256, part.size, np.uint8), level, out=part)
    _settle(rng, mask, nonzeros)
    return mask


@dataclass(frozen=True)
class Uniform:
    """Every mask with the asked count is equally likely."""

    name: ClassVar[str] = "uniform"

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], nonzeros: int) -> np.ndarray:
        """See `Pattern`."""
        return uniform_mask(rng, math.prod(shape), nonzeros).reshape(shape)


UNIFORM = Uniform()


@dataclass(frozen=True)
class Clustered:
    """Activations as real ones lie: some channels are nearly dead, blobs inside a channel, places busy in all channels.

    Each element has a normal value, the sum of one per channel, one per position shared by all channels, one per
    channel and position, and one of its own; the largest values are the non-zeros, so that the count is exact. A term's
    share of the variance is the correlation of two elements that have it in common. The term per channel and position
    fades to 1/e over `correlation_length` positions along an axis, the shared one over a `places`-th of the map's
    longer side.

    The defaults are measured by `benchmarks.experiments.activation_clusters`, from the tetrachoric correlations of
    elements up to 8 positions apart, on the input activations of SqueezeNet (Deep Compression) and a VGG-16 on one
    photograph and of BlazePose's backbone on another: 60 maps of 7 to 224 positions a side and densities 0.11 to 0.93.
    One network alone gives a channel_share of 0.46 to 0.60 and a correlation_length of 1.45 to 2.4; between layers the
    channel_share spreads by 0.16, the shared_share by 0.015. Neither follows the density; larger maps have larger
    channel_shares, as blobs grow with the picture. No term of the elements' own improves the fit. Fitted to the two
    other networks, the pattern has vectors of 4 in tiles of 2 x 2 and 4 x 4 that differ from a network's real ones by
    0 to +2 % in SqueezeNet, +6 to +12 % in the VGG-16, which lost channels in fine-tuning, and -5 to -1 % in
    BlazePose; uniform masks by +4 to +66 %.
    """

    name: ClassVar[str] = "clustered"

    correlation_length: float = number("positions over which a channel's blobs fade to 1/e", 0, math.inf, 1.95)
    channel_share: float = number("share of the channels' term in the variance", 0, 1, 0.51)
    shared_share: float = number("share of the term that all channels have in common", 0, 1, 0.014)
    independent_share: float = number("share of the elements' own term", 0, 1, 0.0)
    places: float = number("lengths of the shared term along the map's longer side", 0, math.inf, 9.0)

    def __post_init__(self) -> None:
        subject = f"pattern '{self.name}'"
        check(subject, self)
        if self._blob_share < -_ROUNDING:
            raise InputError(f"{subject}: its shares add up to {1 - self._blob_share:g}: must be at most 1")

    @property
    def _blob_share(self) -> float:
        return 1 - self.channel_share - self.shared_share - self.independent_share

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], nonzeros: int) -> np.ndarray:
        """See `Pattern`; shape (C, [D,] H, W)."""
        size = math.prod(shape)
        if nonzeros in (0, size):
            return np.full(shape, nonzeros > 0)
        channels, positions = shape[0], shape[1:]
        values = math.sqrt(max(self._blob_share, 0.0)) * _faded(rng, shape, self.correlation_length)
        values += math.sqrt(self.channel_share) * rng.standard_normal((channels, *[1] * len(positions)), np.float32)
        if self.shared_share:
            length = max(positions) / self.places if self.places else math.inf
            values += math.sqrt(self.shared_share) * _faded(rng, (1, *positions), length)
        if self.independent_share:
            values += math.sqrt(self.independent_share) * rng.standard_normal(shape, np.float32)
        return _largest(rng, values.reshape(-1), nonzeros).reshape(shape)


def _faded(rng: np.random.Generator, shape: tuple[int, ...], length: float) -> np.ndarray:
    """Standard normal float32 (C, ...), correlated along each axis but the first: exp(-distance / length)."""
    values = rng.standard_normal(shape, np.float32)
    keep = math.exp(-1 / length) if length else 0.0
    renew = math.sqrt(1 - keep * keep)
    for axis in range(1, len(shape)):
        # Each value keeps a part of the one before it and renews the rest, so that its variance stays 1. Along a second
        # axis this mixes values that are alike in the first, which multiplies the two correlations.
        along = np.moveaxis(values, axis, 0)
        for i in range(1, len(along)):
            along[i] *= renew
            along[i] += keep * along[i - 1]
    return values


def _largest(rng: np.random.Generator, values: np.ndarray, count: int) -> np.ndarray:
    """Where a 1-D array has its `count` largest values (1 to its size), of equal ones a random choice."""
    level = np.partition(values, values.size - count)[values.size - count]
    mask = values > level
    # Two values of a float32 may well be equal among millions, and where one term has all of the variance many are.
    equal = np.flatnonzero(values == level)
    mask[rng.choice(equal, count - int(np.count_nonzero(mask)), replace=False)] = True
    return mask


@dataclass(frozen=True)
class Skewed:
    """Filters of unequal weight: `variation` is the coefficient of variation of the non-zeros per filter.

    Filter sizes are log-normal, scaled so that the drawn filters themselves (not just their expectation) have that
    variation, up to whole numbers and as far as the density and the number of filters allow. Inside a filter the
    non-zeros lie uniformly. Real pruned ResNet-50 filters (DLMC, magnitude pruning) have 0.3 to 0.45, uniform masks
    of the same densities about 0.1.
    """

    name: ClassVar[str] = "skewed"

    variation: float = number("coefficient of variation of the non-zeros per filter", 0, math.inf, 0.4)

    def __post_init__(self) -> None:
        check(f"pattern '{self.name}'", self)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], nonzeros: int) -> np.ndarray:
        """See `Pattern`; shape (K, ...)."""
        filters, size = shape[0], math.prod(shape[1:])
        mask = np.empty((filters, size), np.bool_)
        for row, count in zip(mask, self._counts(rng, filters, size, nonzeros), strict=True):
            row[:] = uniform_mask(rng, size, int(count))
        return mask.reshape(shape)

    def _counts(self, rng: np.random.Generator, filters: int, size: int, nonzeros: int) -> np.ndarray:
        """Non-zeros per filter, int64 (filters,), with the exact sum."""
        scores = rng.standard_normal(filters)
        # The largest score is 0, so that exp(spread x score) lies between 0 and 1 and never overflows.
        scores -= scores.max(initial=0.0)
        # The spread of the logarithms: the variation of the counts rises with it until filters are full or empty.
        low, high = 0.0, 50.0
        counts = np.zeros(filters, np.int64)
        for _ in range(50):
            middle = (low + high) / 2
            counts = rounded(_fill(np.exp(middle * scores), size, nonzeros), nonzeros)
            low, high = (middle, high) if counts.std() < self.variation * counts.mean() else (low, middle)
        return counts


def rounded(shares: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers with the exact sum, the largest remainders rounded up."""
    # [1.5 2.2 1.3] with the sum 5: floors 1 2 1 leave one, which goes to the first, whose remainder is the largest. The
    # sort is stable, so that of equal remainders the first one wins.
    counts = np.floor(shares).astype(np.int64)
    order = np.argsort(counts - shares, kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts


def _fill(weights: np.ndarray, size: int, total: int) -> np.ndarray:
    """Shares proportional to `weights`, none above `size`, with the given sum (at most size times their number)."""
    # Weights 6 2 1 1, size 4, total 9: the first share would be 5.4, so that filter is full; the other three share the
    # remaining 5 as 2.5, 1.25 and 1.25. Filters fill from the heaviest on, so that none can overflow after one that
    # does not.
    order = np.argsort(-weights, kind="stable")
    sums = np.cumsum(weights[order][::-1])[::-1]  # of the filters from each rank on
    full = 0
    while full < len(weights) and (total - full * size) * weights[order[full]] > size * sums[full]:
        full += 1
    shares = np.full(len(weights), float(size))
    if full < len(weights):
        shares[order[full:]] = weights[order[full:]] * (total - full * size) / sums[full]
    return shares
