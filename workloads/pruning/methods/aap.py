"""Accelerator-aware pruning: as many weights in every group that meets one fetch of activations (Kang, TCSVT 2020)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from workloads.errors import InputError
from workloads.layer import Layer
from workloads.options import choice, whole
from workloads.pruning.base import Facts, Pruning
from workloads.pruning.choosing import groups_along, join_groups, largest, sizes
from workloads.pruning.methods.nm import group_facts, keep_in_groups
from workloads.source import LayerSource


@dataclass(frozen=True)
class AcceleratorAware(Pruning):
    """Removes p of every g weights, so that every group keeps g - p: a fetch of g activations fills the multipliers.

    orientation=channels: groups of g consecutive input channels at one kernel position, for machines that fetch
    activations of neighbouring channels (assumption: the paper's orientation is remembered, not read).
    orientation=filters: groups of g consecutive filters at one channel and kernel position, for machines that fetch one
    channel's weights of neighbouring filters; they stay inside a convolution group.
    A last group of fewer than g keeps g - p too, or all it has.

    Convolutions, fully connected layers and the last layer, where that is fully connected, have settings of their own.
    """

    name: ClassVar[str] = "aap"
    title: ClassVar[str] = "removes p of every g weights that meet one fetch of activations (accelerator-aware)"
    examples: ClassVar[tuple[str, ...]] = ("", "orientation=filters")
    literature: ClassVar[str] = (
        "convolutions 0.25 (g=8, p=6 or g=16, p=12), large fully connected layers 0.0625 (g=16, p=15), "
        "the last one 0.25 (Kang, TCSVT 2020)"
    )

    conv_g: int = whole("weights of a group, convolutions", 1, 1024, 8)
    conv_p: int = whole("weights removed from a group, convolutions", 0, 1024, 6)
    fc_g: int = whole("weights of a group, fully connected layers", 1, 1024, 16)
    fc_p: int = whole("weights removed from a group, fully connected layers", 0, 1024, 15)
    last_g: int = whole("weights of a group, last fully connected layer", 1, 1024, 16)
    last_p: int = whole("weights removed from a group, last fully connected layer", 0, 1024, 12)
    orientation: str = choice("what a group runs along", "channels", "filters")

    def __post_init__(self) -> None:
        super().__post_init__()
        for kind in ("conv", "fc", "last"):
            # The two options have ranges of their own, but only together do they tell what stays.
            length, removed = getattr(self, f"{kind}_g"), getattr(self, f"{kind}_p")
            if removed > length:
                raise InputError(f"{self.subject}: {kind}_p = {removed}: must be at most {kind}_g = {length}")

    def plan(self, sources: tuple[LayerSource, ...], seed: int) -> tuple[Pruning, ...]:
        """See `Pruning`; the last of the layers, if fully connected, takes its own setting."""
        del seed
        # The last layer's setting takes the place of the fully connected one, so that `keep` needs no place in a
        # network.
        last = replace(self, fc_g=self.last_g, fc_p=self.last_p)
        ends = len(sources) - 1
        return tuple(
            last if place == ends and source.layer.fully_connected else self for place, source in enumerate(sources)
        )

    def _group(self, layer: Layer) -> tuple[int, int]:
        """Weights that stay in a group, and its length."""
        length, removed = (self.fc_g, self.fc_p) if layer.fully_connected else (self.conv_g, self.conv_p)
        # The default for convolutions keeps 8 - 6 = 2 of 8, a density of 0.25.
        return length - removed, length

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        count, length = self._group(layer)
        if self.orientation == "channels":
            return keep_in_groups(weights, rng, count, length)
        # (G, K/G, C/G·X): groups run along the filters of one convolution group, at one channel and position.
        by_group = sizes(weights, rng).reshape(layer.groups, layer.group_out_channels, -1)
        kept = largest(groups_along(by_group, 1, length), count)
        return join_groups(kept, 1, layer.group_out_channels).reshape(weights.shape)

    def storage_format(self, layer: Layer) -> str:
        """See `Pruning`; N:M along channels."""
        count, length = self._group(layer)
        # The format stores at least one value a group; p = g leaves none, which then is a stored zero.
        return f"nm:n={max(count, 1)},m={length}" if self.orientation == "channels" else "bitmap"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """See `Pruning`."""
        if self.orientation == "channels":
            return group_facts(weights, self._group(layer)[1])
        # (G, K/G, C/G·X): axis 1, along which groups are counted, is the filters of a convolution group.
        by_group = weights.reshape(layer.groups, layer.group_out_channels, -1)
        return group_facts(by_group, self._group(layer)[1])
