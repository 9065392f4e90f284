"""A sampler that expects where the front lies: it draws what each design not yet looked at may turn out to be.

Objectives, limits and whether a design is possible at all are each a Gaussian process over the places of its settings
(C. E. Rasmussen, C. K. I. Williams: Gaussian Processes for Machine Learning, 2006, section 2.2 and, for the length of
each setting, 5.4.1). From their joint distribution fronts of the whole space are drawn, as Thompson sampling does
(W. R. Thompson, Biometrika 25, 1933), and the designs that lie on most of them are looked at next. numpy is all it
needs, and its seed decides everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.search.asked import Asked, Told
from simulator.search.space import Design, Space

_DRAWS = 48  # fronts that are drawn for a batch
_POOL = 1200  # designs that may come next; of a larger space others are drawn each time, and neighbours of the front
_LENGTHS = np.geomspace(0.15, 12, 9)  # of a setting whose range is 1 long
_NOISE = 1e-6  # variance, of objectives that vary by 1: simulations repeat themselves, the rest is for the arithmetic
_TREND = 9.0  # variance of the slopes: a process that leaves what it knows goes on as it went


class Thompson(Asked):
    """Fronts drawn from what was learnt; the first designs are spread over the space."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._chance = space, np.random.default_rng(seed)
        self._told = dict[Design, Told]()

    def ask(self, count: int) -> list[Design]:
        """The designs that lie on most of the drawn fronts, each design once."""
        pool = self._pool()
        places = self._places(pool)
        known = [one for one in self._told.values() if one.objectives is not None]
        order = self._spread(places, count) if len(known) < 2 else self._likely(places, known)
        return [pool[at] for at in order[:count]]

    def tell(self, told: Sequence[Told]) -> None:
        """Learn what came of designs; one that came again is no news."""
        for one in told:
            self._told.setdefault(one.design, one)

    def _pool(self) -> list[Design]:
        """Designs that may come next: what is left of a small space, otherwise some, and the front's neighbours."""
        if self._space.size <= 4 * _POOL:
            left = [design for design in self._space.designs() if design not in self._told]
            kept = self._chance.permutation(len(left))[:_POOL]
            return [left[at] for at in sorted(kept)]
        drawn = self._chance.integers(0, self._space.sides, (_POOL, len(self._space.sides)))
        near = [design for known in self._best() for design in self._neighbours(known)][: _POOL // 2]
        pool = dict.fromkeys([*near, *(tuple(map(int, design)) for design in drawn)])
        return [design for design in pool if design not in self._told][:_POOL]

    def _best(self) -> list[Design]:
        within = [one for one in self._told.values() if _is_within(one)]
        if not within:
            return []
        values = _lower_is_better(within, self._space.more)
        return [one.design for one, beaten in zip(within, _beaten(values, values), strict=True) if not beaten]

    def _neighbours(self, design: Design) -> list[Design]:
        """The designs one step away in one setting."""
        return [
            (*design[:axis], place, *design[axis + 1 :])
            for axis, side in enumerate(self._space.sides)
            for place in (design[axis] - 1, design[axis] + 1)
            if 0 <= place < side
        ]

    def _places(self, designs: Sequence[Design]) -> np.ndarray:
        """(designs, settings), each from 0 to 1."""
        sides = np.maximum(np.array(self._space.sides) - 1, 1)
        return np.array(designs, dtype=float).reshape(len(designs), len(sides)) / sides

    def _spread(self, places: np.ndarray, count: int) -> list[int]:
        """Places far from what is known and from each other, the first by chance."""
        seen = [*self._places(list(self._told))]
        if not seen and len(places):
            seen = [places[self._chance.integers(len(places))]]
        nearest = np.min([_distances(places, one) for one in seen], axis=0) if seen else np.zeros(0)
        nearest = nearest + 1e-9 * self._chance.random(len(places))  # ties by chance
        found = list[int]()
        for _ in range(min(count, len(places))):
            found.append(int(nearest.argmax()))
            nearest = np.minimum(nearest, _distances(places, places[found[-1]]))
            nearest[found] = -1
        return found

    def _likely(self, places: np.ndarray, known: Sequence[Told]) -> list[int]:
        """The pool, those that lie on most of the drawn fronts first; ties by what is least known."""
        at = self._places([one.design for one in known])
        values = _lower_is_better(known, self._space.more)
        objectives = [Process.of(at, column).draws(places, _DRAWS, self._chance) for column in values.T]
        allowed = np.ones((_DRAWS, len(places)), dtype=bool)
        for number in range(len(self._space.constraints)):
            excess = np.array([one.excesses[number] for one in known])
            allowed &= Process.of(at, excess).draws(places, _DRAWS, self._chance) <= 0
        if len(known) < len(self._told):
            fails = np.array([1.0 if one.objectives is None else -1.0 for one in self._told.values()])
            process = Process.of(self._places(list(self._told)), fails)
            allowed &= process.draws(places, _DRAWS, self._chance) <= 0
        within = values[[_is_within(one) for one in known]]
        fronts = np.zeros(len(places))
        for draw in range(_DRAWS):
            own = np.flatnonzero(allowed[draw])
            drawn = np.stack([objective[draw, own] for objective in objectives], axis=1)
            fronts[own] += ~_beaten(drawn, np.concatenate([within, drawn]))
        doubt = np.sum([objective.std(axis=0) for objective in objectives], axis=0)
        return [int(place) for place in np.lexsort((-doubt, -fronts))]


@dataclass(frozen=True)
class Process:
    """A Gaussian process with a linear trend that has learnt values at places; one length for each setting."""

    places: np.ndarray
    values: np.ndarray
    mean: float
    scale: float
    lengths: np.ndarray

    @classmethod
    def of(cls, places: np.ndarray, values: np.ndarray) -> Process:
        """Lengths under which the values are likeliest, found setting by setting in two rounds."""
        mean, scale = float(values.mean()), float(values.std()) or 1.0
        scaled, lengths = (values - mean) / scale, np.full(places.shape[1], 1.0)
        best = _likelihood(places, scaled, lengths)
        for _ in range(2):
            for axis in range(len(lengths)):
                for length in _LENGTHS:
                    tried = lengths.copy()
                    tried[axis] = length
                    likelihood = _likelihood(places, scaled, tried)
                    if likelihood > best:
                        best, lengths = likelihood, tried
        return cls(places, scaled, mean, scale, lengths)

    def draws(self, at: np.ndarray, count: int, chance: np.random.Generator) -> np.ndarray:
        """(count, places): what the values at other places may be, drawn together."""
        root, variance = _root_of(self.places, self.values, self.lengths)
        cross = np.linalg.solve(root, _kernel(self.places, at, self.lengths))
        mean = cross.T @ np.linalg.solve(root, self.values)
        left = variance * (_kernel(at, at, self.lengths) - cross.T @ cross)
        spread = np.linalg.cholesky(left + 1e-5 * variance * np.eye(len(at)) * (1 + _TREND))
        drawn = mean + chance.standard_normal((count, len(at))) @ spread.T
        return self.mean + self.scale * drawn


def _kernel(one: np.ndarray, other: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Matern 5/2 with a length a setting (Rasmussen and Williams, eq. 4.17), a linear trend and a constant."""
    squares = sum((one[:, None, axis] - other[None, :, axis]) ** 2 / length**2 for axis, length in enumerate(lengths))
    distance = np.sqrt(5 * squares)
    return (1 + distance + distance**2 / 3) * np.exp(-distance) + _TREND * (1 + (one - 0.5) @ (other - 0.5).T)


def _root_of(places: np.ndarray, values: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, float]:
    """The root of the kernel between known places, and the variance under which their values are likeliest."""
    root = np.linalg.cholesky(_kernel(places, places, lengths) + _NOISE * np.eye(len(places)))
    white = np.linalg.solve(root, values)
    return root, float(white @ white) / len(values) + 1e-12


def _likelihood(places: np.ndarray, values: np.ndarray, lengths: np.ndarray) -> float:
    root, variance = _root_of(places, values, lengths)
    return -0.5 * len(values) * float(np.log(variance)) - float(np.log(np.diag(root)).sum())


def _is_within(told: Told) -> bool:
    """Whether the design is possible and within all limits."""
    return told.objectives is not None and max(told.excesses, default=0) <= 0


def _lower_is_better(told: Sequence[Told], more: Sequence[bool]) -> np.ndarray:
    """(designs, objectives): logarithms where all are positive, since settings act as factors; less is better."""
    values = np.array([one.objectives for one in told], dtype=float)
    for axis, rises in enumerate(more):
        if (values[:, axis] > 0).all():
            values[:, axis] = np.log(values[:, axis])
        if rises:
            values[:, axis] *= -1
    return values


def _beaten(points: np.ndarray, by: np.ndarray) -> np.ndarray:
    """For each point whether another one is as good in every objective and better in one."""
    no_worse = np.ones((len(points), len(by)), dtype=bool)
    better = np.zeros_like(no_worse)
    for axis in range(points.shape[1]):
        no_worse &= by[None, :, axis] <= points[:, None, axis]
        better |= by[None, :, axis] < points[:, None, axis]
    return np.asarray((no_worse & better).any(axis=1))


def _distances(places: np.ndarray, one: np.ndarray) -> np.ndarray:
    return np.sqrt(((places - one) ** 2).sum(axis=1))
