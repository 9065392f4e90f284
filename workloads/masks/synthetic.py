"""Seeded masks with an exact count of non-zeros: uniform, clustered (activations) and skewed (filters).

A pattern draws masks of a given shape. The first axis is the channel of an activation map (C, [D,] H, W) or the filter
of a weight tensor (K, C/G, [T,] R, S). Every mask holds exactly the asked number of non-zeros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from workloads.options import check, number, whole
from workloads.whole_numbers import ceil_div

_BLOCK = 1 << 22  # elements drawn at a time, so that the random bytes never need much memory beside the mask
_SAMPLE = 1 << 16  # cells from which the clustered pattern finds its mean


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

    The log-odds of a non-zero is the sum of three normal terms: one per channel, one per place shared by all channels
    (the map's longer side has `places` of them), one per channel and square of `correlation_length` positions. The
    grids are shifted at random, so that they favour no tile size. Elements are then independent; a mean found from a
    sample of the squares gives the density, and a random few elements (about one in a hundred) make the count exact.

    The defaults follow SqueezeNet (Deep Compression), a VGG-16 and BlazePose on photographs: standard deviation of
    channel densities about 0.55 of its maximum, correlation of neighbours in a channel about 0.45 (0.25 at distance
    two), coefficient of variation between the densities of an 8 by 8 split of the map 0.02 to 0.13.
    """

    name: ClassVar[str] = "clustered"

    correlation_length: int = whole("positions along the side of a square", 1, math.inf, 4)
    channel_spread: float = number("standard deviation of the channels' term", 0, math.inf, 4.0)
    local_spread: float = number("standard deviation of the squares' term", 0, math.inf, 4.0)
    shared_spread: float = number("standard deviation of the places' term", 0, math.inf, 0.5)
    places: int = whole("places along the map's longer side", 1, math.inf, 8)

    def __post_init__(self) -> None:
        check(f"pattern '{self.name}'", self)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], nonzeros: int) -> np.ndarray:
        """See `Pattern`; shape (C, [D,] H, W)."""
        size = math.prod(shape)
        # Log-odds cannot give a density of 0 or 1.
        if nonzeros in (0, size):
            return np.full(shape, nonzeros > 0)
        # A square larger than the map would be the map.
        edge = min(self.correlation_length, max(shape[1:]))
        # 10 positions in squares of 4, shifted by 3: ceil(13 / 4) = 4 squares cover 16 positions, of which 3 to 12 are
        # the map.
        shift = [int(s) for s in rng.integers(0, edge, len(shape) - 1)]
        cells = [ceil_div(n + s, edge) for n, s in zip(shape[1:], shift, strict=True)]
        # The width of a place is told in squares: a side of 56 in 8 places, with squares of 4, has places of 1.75
        # squares.
        levels = self._levels(rng, shape[0], cells, max(shape[1:]) / (self.places * edge), nonzeros / size)
        mask = np.empty(shape, np.bool_)
        for channel, level in zip(mask, levels, strict=True):
            # Each square's level is repeated over its positions along every axis, then the shifted map is cut out.
            spread = level
            for axis in range(level.ndim):
                spread = np.repeat(spread, edge, axis)
            spread = spread[tuple(slice(s, s + n) for s, n in zip(shift, channel.shape, strict=True))]
            np.less(rng.integers(0, 256, channel.shape, np.uint8), spread, out=channel)
        _settle(rng, mask.reshape(-1), nonzeros)
        return mask

    def _levels(
        self, rng: np.random.Generator, channels: int, cells: list[int], place: float, density: float
    ) -> np.ndarray:
        """Probability of a non-zero per channel and square, in 256ths: uint8 (C, cells ...). `place`: its squares."""
        # Three terms: one a channel and square, one a channel, one a place that all channels share.
        odds = rng.standard_normal((channels, *cells), np.float32)
        odds *= self.local_spread
        odds += self.channel_spread * rng.standard_normal((channels, *[1] * len(cells)), np.float32)
        odds += self.shared_spread * _per_place(rng, cells, max(1.0, place))
        sample = odds.reshape(-1)
        if sample.size > _SAMPLE:
            sample = sample[rng.integers(0, sample.size, _SAMPLE)]
        # At the low end all log-odds are at most -20 and next to nothing is non-zero; at the high end nearly everything
        # is. The mean rises with the shift in between, so that halving 40 times finds it to well below a 256th.
        low, high = -20.0 - float(sample.max()), 20.0 - float(sample.min())
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if _sigmoid(sample + middle).mean() < density else (low, middle)
        odds += low
        # To the nearest 256th; 255 is the largest byte, so that even a certain non-zero is drawn with 255/256.
        # `_settle` sets what is missing.
        return np.minimum(256 * _sigmoid(odds) + 0.5, 255).astype(np.uint8)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # Beyond 60 the result is 0 or 1 to any precision that a byte has, and exp would overflow float32 from 89 on.
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))


def _per_place(rng: np.random.Generator, cells: list[int], place: float) -> np.ndarray:
    """One standard normal value per place, which is `place` squares wide, spread over the squares: (cells ...)."""
    start = rng.random(len(cells)) * place
    # Places of 2 squares that start half a square early: squares 0 to 4 belong to the places 0 0 1 1 2.
    index = [((np.arange(n) + s) // place).astype(np.int64) for n, s in zip(cells, start, strict=True)]
    return rng.standard_normal([int(i[-1]) + 1 for i in index], np.float32)[np.ix_(*index)]


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
