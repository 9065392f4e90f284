"""What a point simulates: a workload with a seed, densities and prunings; what its key says of it, and its traces.

Points of a study share workloads: the last ones are held, until one of their files changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from simulator.studies.content import described, digest_of, file_digest, loaded
from workloads import pruning
from workloads.errors import InputError
from workloads.held_traces import HeldTraces
from workloads.masks.named import ACTIVATION_PATTERNS, WEIGHT_PATTERNS, parse_pattern
from workloads.source import Drawn, DrawnBatch, LayerSource, TensorSource
from workloads.workload import Workload

Made = TypeVar("Made")
_TRACE_BYTES = 160 << 20  # of traces that a workload keeps: all of VGG-16's, a byte an element, take 141 MiB
_HELD_BASES = 64
_HELD_TRACED = 2  # points that share a workload follow one another (`workers`); threads of one process may have two


@dataclass(frozen=True)
class PointWorkload:
    """The fields of a `Point` that are no machine's, as described there."""

    workload: str
    layers: str | None
    prune: str | None
    density: float | None
    weight_density: float | None
    activation_density: float | None
    weight_pattern: str | None
    activation_pattern: str | None
    batch: int | None
    seed: int
    input: int

    def base(self) -> Workload:
        """The whole workload before it is pruned. Raises `InputError`."""
        return self._prepared().base

    def traced(self) -> Workload:
        """The layers to simulate, pruned; their traces are made when they are asked for, and kept. Raises `InputError`.

        The last workloads are the same object every time.
        """
        prepared = self._prepared()
        # A pruning may read a file of its own, which the workload does not know.
        text = "" if self.prune is None else _pruning_content(self.prune)
        return _held(_traced, f"{self!r} {text}", prepared, lambda: self._pruned(prepared.base), _HELD_TRACED)

    def check(self) -> None:
        """Raise `InputError` when the workload, its pruning or its layers are not there; nothing is pruned."""
        base = self.base()
        if self.prune is not None:
            pruning.parse(self.prune)
        if self.layers is not None:
            base.select(self.layers)

    def content(self) -> str:
        """Digest of all that the traces depend on; none is made for it. Raises `InputError`."""
        # Nothing is pruned for a key: the settings of the pruning, defaults included, say what it would do.
        return digest_of(self._prepared().content, None if self.prune is None else _pruning_content(self.prune))

    def _prepared(self) -> _Prepared:
        # Reading a workload's files again where they changed, which makes another object of it.
        whole = loaded(self.workload)
        return _held(_bases, repr(self), whole, lambda: self._prepare(whole), _HELD_BASES)

    def _prepare(self, whole: Workload) -> _Prepared:
        # The workload is held for all points that name it; only its seed is the point's own, and tensors are made when
        # asked for.
        workload = replace(whole, seed=self.seed)
        workload = workload if self.batch is None else workload.with_batch(self.batch)
        workload = workload.at_input(self.input)
        # The operand's own density wins over the one for both.
        weights = self.density if self.weight_density is None else self.weight_density
        activations = self.density if self.activation_density is None else self.activation_density
        workload = workload.with_density(weights, activations)
        sources = (_rearranged(source, self.weight_pattern, self.activation_pattern) for source in workload.sources)
        base = replace(workload, sources=tuple(sources))
        chosen = base if self.layers is None else base.select(self.layers)
        content = digest_of(
            [file_digest(path) for path in base.files],
            [base.name, self.seed, self.input, described(base.sources, from_files=bool(base.files))],
            [layer.name for layer in chosen.layers],
        )
        return _Prepared(base, content)

    def _pruned(self, base: Workload) -> Workload:
        # Pruned before layers are selected, as a pruning may look at the whole network.
        workload = base if self.prune is None else base.prune(pruning.parse(self.prune))
        workload = workload if self.layers is None else workload.select(self.layers)
        return replace(workload, held=HeldTraces(_TRACE_BYTES))


@dataclass(frozen=True)
class _Prepared:
    base: Workload
    content: str


# By the text of what asks for them, not by equality: a density of 1 and one of 1.0 have keys of their own.
_bases: dict[str, tuple[object, _Prepared]] = {}
_traced: dict[str, tuple[object, Workload]] = {}


def _held(held: dict[str, tuple[object, Made]], place: str, of: object, make: Callable[[], Made], most: int) -> Made:
    """What was made at that place of that very object, else made now; the last ones are held."""
    entry = held.pop(place, None)
    if entry is None or entry[0] is not of:
        entry = (of, make())
    # Put back at the end: the first is the one used longest ago.
    held[place] = entry
    while len(held) > most:
        held.pop(next(iter(held)), None)
    return entry[1]


def _pruning_content(text: str) -> str:
    """Content of the pruning of that text, with that of files that it names."""
    return json.dumps(described(pruning.parse(text).resolved()))


def _rearranged(source: LayerSource, weights: str | None, activations: str | None) -> LayerSource:
    """The same densities with other patterns. Raises `InputError` where a tensor is stored instead of drawn."""
    if weights is not None:
        pattern = parse_pattern(weights, WEIGHT_PATTERNS)
        source = replace(source, weights=replace(_drawn(source.weights, source, "weight"), pattern=pattern))
    if activations is not None:
        pattern = parse_pattern(activations, ACTIVATION_PATTERNS)
        source = replace(source, activations=replace(_drawn(source.activations, source, "activation"), pattern=pattern))
    return source


def _drawn(tensor: TensorSource, source: LayerSource, name: str) -> Drawn | DrawnBatch:
    if not isinstance(tensor, Drawn | DrawnBatch):
        raise InputError(f"{name}_pattern: layer '{source.layer.name}' has stored {name}s, give {name}_density as well")
    return tensor
