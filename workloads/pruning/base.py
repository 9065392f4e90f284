"""`Pruning`: what every pruning is; `PrunedWeights`: weights under one.

Weights are (K, C/G, [T,] R, S). Comments write X for the kernel positions [T·]R·S.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from workloads.graph import Graph, Node
from workloads.layer import Layer
from workloads.options import check, number, written
from workloads.source import LayerSource, Stream, TensorSource
from workloads.wiring import output_map

_MASK_STEPS = 1 << 20  # steps of a weight stream from here on belong to prunings, so that they never share a draw

Facts = dict[str, int | float | str]


def density(unit: str, default: Any = MISSING) -> Any:
    """The option of most prunings: how much stays, of what."""
    return number(f"share of {unit} that stay", 0, 1, default)


@dataclass(frozen=True)
class Pruning(ABC):
    """A way to choose which weights stay; the fields are its options.

    Class attributes: `name` (in commands), `title` (one line for lists), `examples` (options to try it with, for tests)
    and `literature` (densities at which papers report unchanged or nearly unchanged accuracy; nothing here measures
    accuracy). Options are checked when the value
    is made; `InputError` names the pruning, the option, the value and what is allowed.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    examples: ClassVar[tuple[str, ...]] = ("",)
    literature: ClassVar[str] = ""
    replaces_layers: ClassVar[bool] = False  # its layers' weights are new: earlier prunings left no structure in them
    registry: ClassVar[dict[str, type[Pruning]]] = {}

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        # A base that prunings share, such as `UnitPruning`, has no name of its own and is not registered.
        if "name" in cls.__dict__:
            if Pruning.registry.get(cls.name, cls).__module__ != cls.__module__:
                raise TypeError(f"two prunings are called '{cls.name}'")
            Pruning.registry[cls.name] = cls

    def __post_init__(self) -> None:
        check(self.subject, self)

    @abstractmethod
    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Which weights stay.

        weights (K, C/G, [T,] R, S), a mask or values; returns bool of the same shape, False wherever the weight is
        zero already. Values are judged by size; a mask has none, so there `rng` decides.
        """

    def pruned(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The weights with zeros where they do not stay; a mask gives a mask."""
        keep = self.keep(layer, weights, rng)
        # A zero of the weights' own type, so that int8 stays int8.
        return keep if weights.dtype == np.bool_ else np.where(keep, weights, np.zeros((), weights.dtype))

    def plan(self, sources: tuple[LayerSource, ...], seed: int) -> tuple[Pruning, ...]:
        """The pruning of each layer, where it depends on the others or on the place in the network."""
        del seed
        return (self,) * len(sources)

    def apply(self, sources: tuple[LayerSource, ...]) -> tuple[LayerSource, ...]:
        """The layers with their weights pruned when they are asked for; some prunings give other layers."""
        return planned(Plan(self, sources))

    def parts(self, sources: tuple[LayerSource, ...]) -> tuple[tuple[LayerSource, ...], ...]:
        """What `apply` makes of each layer: itself, or a chain of layers that replaces it."""
        return tuple((source,) for source in self.apply(sources))

    def outcome(self, sources: tuple[LayerSource, ...], graph: Graph | None, seed: int) -> Outcome:
        """What this pruning makes of a network.

        graph  how the layers hang together, where it is known
        seed   of the network, for prunings that must know which units go before they can say how many
        """
        del seed
        parts = self.parts(sources)
        return Outcome(
            tuple(itertools.chain.from_iterable(parts)),
            graph and _with_parts(graph, sources, parts),
            self.notes(sources),
        )

    def notes(self, sources: tuple[LayerSource, ...]) -> tuple[str, ...]:
        """Lines for the user about what this pruning does otherwise, or cannot do, on these layers."""
        del sources
        return ()

    def storage_format(self, layer: Layer) -> str:
        """The storage format that suits a pruned layer, as `workloads.formats.parse` takes it."""
        del layer
        return "bitmap"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """What a pruned layer's structure is, found from its weights (or mask); JSON types."""
        del layer, weights
        return {}

    def resolved(self) -> Pruning:
        """The same pruning with the content of files in place of their names; equal ones do the same."""
        return self

    @property
    def value_bits(self) -> int | None:
        """Bits of a stored weight where this pruning decides them."""
        return None

    @property
    def subject(self) -> str:
        """How messages call this pruning."""
        return f"pruning '{self.name}'"

    def __str__(self) -> str:
        """As on a command line."""
        options = written(self)
        return f"{self.name}:{options}" if options else self.name


@dataclass(frozen=True)
class Plan:
    """A pruning over the layers of a network. What it decides for all of them is found once for a seed, when asked."""

    pruning: Pruning
    sources: tuple[LayerSource, ...]
    # Not compared: two plans are equal by what they do, not by what they have been asked so far.
    _found: dict[int, tuple[Pruning, ...]] = field(default_factory=dict, compare=False, repr=False)

    def layer_pruning(self, place: int, seed: int) -> Pruning:
        """The pruning of the layer at that place."""
        if seed not in self._found:
            self._found[seed] = self.pruning.plan(self.sources, seed)
        return self._found[seed][place]


def planned(plan: Plan) -> tuple[LayerSource, ...]:
    """The layers of a plan, with their weights pruned when they are asked for."""
    return tuple(
        replace(source, weights=PrunedWeights(source.weights, plan, place, _depth(source.weights)))
        for place, source in enumerate(plan.sources)
    )


@dataclass(frozen=True)
class Outcome:
    """A network after a pruning: its layers, its graph where one is known, and what the pruning says to the user."""

    sources: tuple[LayerSource, ...]
    graph: Graph | None
    notes: tuple[str, ...]


def _with_parts(graph: Graph, sources: Sequence[LayerSource], parts: Sequence[Sequence[LayerSource]]) -> Graph:
    """The graph with the layers that a pruning replaces by others in place of those."""
    # conv1 in place of itself says nothing new; conv1.vertical and conv1.horizontal are a chain that replaces it.
    replaced = {
        source.layer.name: [Node(part.layer.name, "layer", ("its chain",), output_map(part.layer)) for part in found]
        for source, found in zip(sources, parts, strict=True)
        if [part.layer.name for part in found] != [source.layer.name]
    }
    return graph.with_layers(replaced) if replaced else graph


@dataclass(frozen=True)
class PrunedWeights:
    """Weights of the layer at a `place` of a plan; `step` numbers a layer's prunings, each with its random stream."""

    weights: TensorSource
    plan: Plan
    place: int
    step: int

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`; values that stay are unchanged, unless the pruning quantizes."""
        weights = self.weights.array(shape, stream)
        # The layer as it was when this pruning came, which a later one may have made smaller.
        layer = self.plan.sources[self.place].layer
        return self.plan.layer_pruning(self.place, stream.seed).pruned(layer, weights, self.rng(stream))

    def rng(self, stream: Stream) -> np.random.Generator:
        """The generator that the pruning gets."""
        # A fresh generator each time: asking for the weights again gives the same mask.
        return stream.child(_MASK_STEPS + self.step).rng()


def _depth(weights: TensorSource) -> int:
    """Prunings that the weights have been through."""
    # Weights that no pruning has been through have no step, so that the first one is step 0.
    return getattr(weights, "step", -1) + 1


def pruning_rng(source: LayerSource, seed: int) -> np.random.Generator:
    """The generator that the next pruning of a layer gets, for decisions that a plan takes ahead of it."""
    return source.weight_stream(seed).child(_MASK_STEPS + _depth(source.weights)).rng()
