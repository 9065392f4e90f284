"""Who says which designs come next: everything in order, chance, fronts drawn from what was learnt, or Optuna.

A sampler is asked for some designs at a time and told what came of them before it is asked again, in the same order:
what it says depends on its seed alone, not on how many workers there are.
"""

from __future__ import annotations

import itertools
import random
import warnings
from collections.abc import Sequence
from typing import Any

from simulator.search.asked import Asked, Told
from simulator.search.space import Design, Space
from simulator.search.thompson import Thompson
from workloads.errors import InputError

_POPULATION = 20  # of the genetic sampler, fewer for few points


class _All(Asked):
    def __init__(self, space: Space) -> None:
        self._left = space.designs()

    def ask(self, count: int) -> list[Design]:
        return list(itertools.islice(self._left, count))

    def tell(self, told: Sequence[Told]) -> None:
        """It looks at everything, whatever came."""


class _Random(Asked):
    """Designs without repetition, in an order that the seed decides."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._chance = space, random.Random(seed)  # noqa: S311 (no secret)
        self._seen = set[Design]()

    def ask(self, count: int) -> list[Design]:
        found = list[Design]()
        while len(found) < count and len(self._seen) < self._space.size:
            design = tuple(self._chance.randrange(side) for side in self._space.sides)
            if design not in self._seen:
                self._seen.add(design)
                found.append(design)
        return found

    def tell(self, told: Sequence[Told]) -> None:
        """Chance does not learn."""


class _Optuna(Asked):
    """A sampler of Optuna; values of a setting are asked for by their place, so that neighbours are alike."""

    def __init__(self, space: Space, name: str, seed: int, points: int) -> None:
        optuna = _optuna()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._optuna = space, optuna
        with warnings.catch_warnings():  # what the next release calls otherwise is no user's concern
            warnings.simplefilter("ignore", FutureWarning)
            sampler = _sampler(optuna, name, seed, points, constrained=bool(space.constraints))
        directions = ["maximize" if more else "minimize" for more in space.more]
        self._study = optuna.create_study(directions=directions, sampler=sampler)
        self._trials: list[Any] = []

    def ask(self, count: int) -> list[Design]:
        self._trials = [self._study.ask() for _ in range(count)]
        sides = list(zip(self._space.values, self._space.sides, strict=True))
        return [tuple(trial.suggest_int(key, 0, side - 1) for key, side in sides) for trial in self._trials]

    def tell(self, told: Sequence[Told]) -> None:
        for trial, one in zip(self._trials, told, strict=True):
            if one.objectives is None:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            else:
                trial.set_user_attr("excesses", list(one.excesses))
                self._study.tell(trial, list(one.objectives))


def sampler_of(name: str, space: Space, seed: int, points: int) -> Asked:
    """The sampler of that name. Raises `InputError` where what it needs is not installed."""
    if name == "all":
        return _All(space)
    if name == "random":
        return _Random(space, seed)
    return Thompson(space, seed) if name == "thompson" else _Optuna(space, name, seed, points)


def _optuna() -> Any:
    try:
        import optuna  # noqa: PLC0415 (optional)
    except ImportError:
        raise InputError(
            "search.sampler: nsga2, tpe and gp need Optuna: pip install 'prunesim[search]'; "
            "thompson, random and all do not"
        ) from None
    return optuna


def _sampler(optuna: Any, name: str, seed: int, points: int, *, constrained: bool) -> Any:
    def excesses(trial: Any) -> Sequence[float]:
        return trial.user_attrs["excesses"]

    more = {"constraints_func": excesses} if constrained else {}
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(population_size=max(4, min(_POPULATION, points // 4)), seed=seed, **more)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=max(4, points // 5), **more)
    try:
        return optuna.samplers.GPSampler(
            seed=seed, deterministic_objective=True, n_startup_trials=max(4, points // 5), **more
        )
    except ImportError:
        raise InputError("search.sampler: gp needs torch and scipy, which are not installed") from None
