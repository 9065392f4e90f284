"""What the prunings of a layer left of it: how much, its structure, and the storage format that suits it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from workloads.layer import Layer
from workloads.pruning.base import Facts, PrunedWeights, Pruning
from workloads.pruning.removal import LeftWeights
from workloads.source import LayerSource


@dataclass(frozen=True)
class Kept:
    """What stays of a layer's weights; `facts` are the structure's, by the name of the pruning that made it."""

    layer: str
    weights: int
    nonzeros: int
    storage_format: str
    facts: dict[str, Facts]

    @property
    def density(self) -> float:
        """Non-zero weights / weights."""
        return self.nonzeros / self.weights


def kept(source: LayerSource, seed: int) -> Kept:
    """What the prunings of a layer left, counted from its weights."""
    weights = source.weight_array(seed)
    chosen = _prunings(source, seed)
    # Of two prunings of one name the later one's facts stay; both would be counted from the same weights anyway.
    facts = {name: pruning.facts(source.layer, weights) for name, pruning in chosen}
    text = suited_format([pruning for _, pruning in chosen], source.layer)
    return Kept(source.layer.name, weights.size, int(np.count_nonzero(weights)), text, facts)


def storage_format(source: LayerSource, seed: int) -> str:
    """The storage format that suits a layer's prunings, as `workloads.formats.parse` takes it; "dense" without any."""
    return suited_format([pruning for _, pruning in _prunings(source, seed)], source.layer)


def suited_format(prunings: Iterable[Pruning], layer: Layer) -> str:
    """The format of the last pruning that gives the layer a structure, with the bits of one that decides values."""
    chosen, bits = "dense", ""
    for pruning in prunings:
        text = pruning.storage_format(layer)
        # Quantization says how wide values are and nothing about where they lie, so that it leaves the structure's
        # format alone.
        if pruning.value_bits is not None:
            bits = f"value_bits={pruning.value_bits}"
        elif text != "dense" or pruning.replaces_layers:
            chosen = text
    if not bits:
        return chosen
    # "bitmap" becomes "bitmap:value_bits=4", and "nm:n=2,m=4" becomes "nm:n=2,m=4,value_bits=4".
    return f"{chosen}{',' if ':' in chosen else ':'}{bits}"


def _prunings(source: LayerSource, seed: int) -> list[tuple[str, Pruning]]:
    """Name and pruning, as it stands for this layer, in the order in which they work."""
    found = []
    step = source.weights
    # Each pruning holds the weights that it works on: the last one comes first, hence the reversal at the end.
    while isinstance(step, PrunedWeights | LeftWeights):
        if isinstance(step, PrunedWeights):
            found.append((step.plan.pruning.name, step.plan.layer_pruning(step.place, seed)))
        # The weights of a layer that lost units stand one step further in, hence the loop through both kinds.
        step = step.weights
    return found[::-1]
