"""Prunings: one file each, one interface.

A pruning is a frozen dataclass whose fields are its options. Defining a subclass of `Pruning` with a `name` registers
it; dropping a file into this package is enough. On a command line it is written METHOD:KEY=VALUE,KEY=VALUE.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np

from workloads.errors import InputError, nearest
from workloads.layer import Layer
from workloads.source import LayerSource, Stream, TensorSource

_MASK_STEPS = 1 << 20  # steps of a weight stream from here on belong to prunings, so that they never share a draw


def option(description: str, minimum: float, maximum: float, default: Any = MISSING) -> Any:
    """A numeric option of a pruning: what it means and the range that is allowed, both ends included."""
    metadata = {"description": description, "minimum": minimum, "maximum": maximum}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Pruning(ABC):
    """A way to choose which weights stay.

    Class attributes: `name` (in commands) and `title` (one line for lists). Options are checked when the value is made;
    `InputError` names the pruning, the option, the value and the allowed range.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    registry: ClassVar[dict[str, type[Pruning]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            if Pruning.registry.get(cls.name, cls).__module__ != cls.__module__:
                raise TypeError(f"two prunings are called '{cls.name}'")
            Pruning.registry[cls.name] = cls

    def __post_init__(self) -> None:
        for option_field in fields(self):
            value, allowed = getattr(self, option_field.name), option_field.metadata
            if not allowed["minimum"] <= value <= allowed["maximum"]:
                raise InputError(f"pruning '{self.name}': {option_field.name} = {value}: {_range(option_field)}")

    @abstractmethod
    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Which weights stay.

        weights (K, C/G, [T,] R, S), a mask or values; returns bool of the same shape, False wherever the weight is
        zero already. Values are judged by size; a mask has none, so there `rng` decides.
        """

    def apply(self, sources: tuple[LayerSource, ...]) -> tuple[LayerSource, ...]:
        """The layers with their weights pruned when they are asked for."""
        return tuple(
            replace(source, weights=PrunedWeights(source.weights, self, source.layer, _depth(source.weights)))
            for source in sources
        )

    def __str__(self) -> str:
        """As on a command line."""
        return f"{self.name}:" + ",".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self))


@dataclass(frozen=True)
class PrunedWeights:
    """Weights under a pruning; `step` numbers the prunings of one layer so that each has its own random stream."""

    weights: TensorSource
    pruning: Pruning
    layer: Layer
    step: int

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`; values that stay are unchanged."""
        weights = self.weights.array(shape, stream)
        keep = self.pruning.keep(self.layer, weights, stream.child(_MASK_STEPS + self.step).rng())
        return keep if weights.dtype == np.bool_ else np.where(keep, weights, np.zeros((), weights.dtype))


def _depth(weights: TensorSource) -> int:
    return weights.step + 1 if isinstance(weights, PrunedWeights) else 0


def prunings() -> dict[str, type[Pruning]]:
    """Every pruning of this package by name, sorted."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(Pruning.registry.items()))


@dataclass(frozen=True)
class PruningEntry:
    """A line of `prunesim list prunings`."""

    name: str
    description: str


def available_prunings() -> tuple[PruningEntry, ...]:
    """Name and one line for every pruning."""
    return tuple(PruningEntry(name, _describe(chosen)) for name, chosen in prunings().items())


def parse(text: str) -> Pruning:
    """The pruning that METHOD:KEY=VALUE,... names. Raises `InputError` naming what is known or allowed."""
    name, _, rest = text.partition(":")
    if name not in prunings():
        raise InputError(f"unknown pruning '{name}': {nearest(name, prunings())}")
    chosen = prunings()[name]
    known = {option_field.name: option_field for option_field in fields(chosen)}
    values: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key not in known:
            raise InputError(f"pruning '{name}': unknown key '{key}': {nearest(key, known)}")
        values[key] = _number(name, known[key], value)
    for key, option_field in known.items():
        if key not in values and option_field.default is MISSING:
            raise InputError(f"pruning '{name}': key '{key}' is missing: {_range(option_field)}")
    return chosen(**values)


def _number(name: str, option_field: Field[Any], text: str) -> float:
    try:
        return int(text) if _whole(option_field) else float(text)
    except ValueError:
        raise InputError(f"pruning '{name}': {option_field.name} = {text!r}: {_range(option_field)}") from None


def _whole(option_field: Field[Any]) -> bool:
    return option_field.type in (int, "int")  # a text where the file postpones its annotations


def _range(option_field: Field[Any]) -> str:
    kind = "whole number" if _whole(option_field) else "number"
    return f"must be a {kind} between {option_field.metadata['minimum']} and {option_field.metadata['maximum']}"


def _describe(chosen: type[Pruning]) -> str:
    keys = [f"{f.name}: {f.metadata['description']}" for f in fields(chosen)]
    return f"{chosen.title} ({'; '.join(keys)})" if keys else chosen.title
