"""Channels and filters that go: smaller layers and smaller activations, or zeros in place where they cannot leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from workloads.layer import Layer
from workloads.pruning.base import Facts, Plan, PrunedWeights, Pruning
from workloads.source import LayerSource, Stream, TensorSource, images_held

Kept = TypeVar("Kept", int, np.ndarray)  # what stays of channels or filters: how many, or which (bool)
Pairs = list[tuple[Kept | None, Kept | None]]  # (channels, filters) of each layer; None: all stay


def depthwise(layer: Layer) -> bool:
    """Whether each channel has one filter of its own, so that filter and channel go together, as a group."""
    return layer.groups == layer.in_channels == layer.out_channels > 1


def upstream(layers: Sequence[Layer], links: Sequence[int], channels: Sequence[Kept | None]) -> Pairs[Kept]:
    """What stays of each layer where readers decide: a channel takes along the filter that writes it.

    Example: three layers in a row, of 8 channels and filters each, the middle one depthwise. The last one keeps 3
    channels, so the middle one keeps 3 filters, which are its channels, so the first one keeps 3 filters.

    links     as `links.plain_links` gives them
    channels  of what each layer reads, features counting at flattened maps; None: the layer decides nothing
    """
    # From the last layer to the first, since what a layer keeps of its filters is decided by its reader. The last layer
    # has no reader and keeps all filters.
    read: list[Kept | None] = list(channels)
    written: list[Kept | None] = [None] * len(layers)
    for place in reversed(range(len(layers) - 1)):
        reader, features = read[place + 1], links[place]
        if features and reader is not None:
            # A flattened map gives every channel `features` places in a row, which stay or go together.
            written[place] = reader // features if isinstance(reader, int) else reader[::features]
            if depthwise(layers[place]):
                read[place] = written[place]
    return list(zip(read, written, strict=True))


def downstream(layers: Sequence[Layer], links: Sequence[int], filters: Sequence[Kept | None]) -> Pairs[Kept]:
    """Likewise where writers decide: a filter takes along the channel that it writes; arguments as in `upstream`."""
    read: list[Kept | None] = [None] * len(layers)
    written: list[Kept | None] = list(filters)
    for place, layer in enumerate(layers):
        # From the first layer on. Where the writer loses filters, its reader loses `features` places in a row for each.
        writer, features = (written[place - 1], links[place - 1]) if place else (None, 0)
        if features and writer is not None:
            read[place] = writer * features if isinstance(writer, int) else np.repeat(writer, features)
        # A depthwise layer that is fed keeps what comes; one at the head of a chain decides, and its channels follow.
        if depthwise(layer):
            read[place] = written[place] = written[place] if read[place] is None else read[place]
    return list(zip(read, written, strict=True))


@dataclass(frozen=True, eq=False)
class KeptUnits(Pruning):
    """What a pruning decided for one layer: channels, bool (C,), and filters, bool (K,), that stay; None: all.

    written  bool (C,): channels that somebody still writes, where more than those that the layer reads
    """

    channels: np.ndarray | None
    filters: np.ndarray | None
    storage: str = "dense"
    written: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Nothing that a user gave."""

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        del rng
        keep = weights != 0
        if self.channels is not None:
            by_group = self.channels.reshape(layer.groups, 1, layer.group_in_channels, 1)
            keep = (by_channel(layer, keep) & by_group).reshape(weights.shape)
        return keep if self.filters is None else keep & self.filters.reshape(-1, *[1] * (weights.ndim - 1))

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """Channels and filters that hold a non-zero, and how many the layer has."""
        channels = by_channel(layer, weights).any(axis=(1, 3))
        filters = weights.reshape(len(weights), -1).any(axis=1)
        return {
            "channels": int(channels.sum()),
            "of_channels": channels.size,
            "filters": int(filters.sum()),
            "of_filters": filters.size,
        }

    def storage_format(self, layer: Layer) -> str:
        """The pruning's own where zeros stay; a layer that its lost units have left needs none."""
        del layer
        return self.storage


def by_channel(layer: Layer, weights: np.ndarray) -> np.ndarray:
    """(G, K/G, C/G, X) of (K, C/G, [T,] R, S)."""
    return weights.reshape(layer.groups, layer.group_out_channels, layer.group_in_channels, -1)


@dataclass(frozen=True)
class Removal:
    """What leaves a layer.

    dead_inputs        whether lost channels hold zeros, because nothing writes them any more
    channels, filters  how many stay; None: all do, or lost ones stay as zeros
    outputs            share of the outputs that a filter still writes; 1 where lost filters leave
    """

    dead_inputs: bool
    channels: int | None = None
    filters: int | None = None
    outputs: float = 1.0

    def layer(self, layer: Layer) -> Layer:
        """The layer that is left."""
        channels = layer.in_channels if self.channels is None else self.channels
        filters = layer.out_channels if self.filters is None else self.filters
        # Every filter of a depthwise layer is a group, so that groups go with them; 32 groups of 32 filters become 16
        # of 16.
        groups = filters if depthwise(layer) else layer.groups
        return replace(layer, in_channels=channels, out_channels=filters, groups=groups)


def removals(
    layers: Sequence[Layer], links: Sequence[int], kept: Pairs[int], *, readers_decide: bool, zero: bool
) -> list[Removal]:
    """What leaves each layer; with `zero` nothing does.

    Channels and filters leave where each group of the layer keeps as many: where the layer decided by itself, has one
    group, or each of its groups belongs to whole groups of the layer that decided. Depthwise groups leave whole.
    """
    found = []
    for place, (layer, (channels, filters)) in enumerate(zip(layers, kept, strict=True)):
        fed = bool(place and links[place - 1])
        # A layer that decides by itself keeps as many of every group; one that follows may find its groups hit
        # unequally.
        even_channels = readers_decide or not fed or _whole_groups(layer, layers[place - 1])
        even_filters = not readers_decide or not links[place] or _whole_groups(layer, layers[place + 1])
        leaving_filters = filters if not zero and (even_filters or depthwise(layer)) else None
        leaving_channels = channels if not zero and (even_channels or depthwise(layer)) else None
        # Filters that are lost but cannot leave write zeros, of which the next layer's activations then have more.
        in_place = filters is not None and leaving_filters is None
        found.append(
            Removal(
                dead_inputs=fed and channels is not None,
                channels=leaving_channels if leaving_channels != layer.in_channels else None,
                filters=leaving_filters if leaving_filters != layer.out_channels else None,
                outputs=filters / layer.out_channels if in_place and filters is not None else 1.0,
            )
        )
    return found


def _whole_groups(layer: Layer, decider: Layer) -> bool:
    # A decider of 4 groups keeps as many in each. In a layer of 2 groups each holds two of those, and loses as many as
    # the other; in one of 8 groups, halves of a decider's group may lose differently.
    return layer.groups == 1 or (not depthwise(decider) and decider.groups % layer.groups == 0)


def remove(pruned: Sequence[LayerSource], found: Sequence[Removal]) -> tuple[LayerSource, ...]:
    """The layers without what leaves them; `pruned` holds the pruned weights of the whole layers."""
    return tuple(_removed(source, removal) for source, removal in zip(pruned, found, strict=True))


def _removed(source: LayerSource, removal: Removal) -> LayerSource:
    # How many leave is known from the shapes; which ones, the plan says when an array is asked for.
    pruned = source.weights
    assert isinstance(pruned, PrunedWeights)  # noqa: S101 (removal follows a pruning)
    layer, left = source.layer, removal.layer(source.layer)
    weights = pruned if left == layer else LeftWeights(pruned, layer, removal)
    activations = source.activations
    if removal.channels is not None or removal.dead_inputs:
        activations = LeftActivations(activations, layer, pruned.plan, pruned.place, removal.channels)
    # Filters that stay as zeros write zeros: at half of the filters half of the outputs are left to be non-zero.
    return replace(
        source,
        layer=left,
        weights=weights,
        activations=activations,
        output_density=source.output_density * removal.outputs,
        image_output_densities=tuple(density * removal.outputs for density in source.image_output_densities),
    )


def picked(mask: np.ndarray, count: int, groups: int) -> np.ndarray:
    """Places that stay in each group, int64 (groups, count / groups), rising; dead ones fill up, the first first.

    Example: 4 of [0 1 1 | 0 1 0] in two groups are places 1 and 2 of the first group, and of the second place 1 and,
    so that groups stay equal, the dead place 0.
    """
    # False sorts before True, so that ~mask puts what stays first; the stable sort keeps places in order and fills up
    # with the first dead ones. The second sort brings the chosen places back into rising order.
    by_group = mask.reshape(groups, -1)
    return np.sort(np.argsort(~by_group, axis=1, kind="stable")[:, : count // groups], axis=1)


def _units(plan: Plan, place: int, seed: int) -> KeptUnits:
    units = plan.layer_pruning(place, seed)
    assert isinstance(units, KeptUnits)  # noqa: S101 (prunings that remove plan these)
    return units


@dataclass(frozen=True)
class LeftWeights:
    """Weights of a layer without the channels and filters that left it."""

    weights: PrunedWeights
    layer: Layer
    removal: Removal

    @property
    def step(self) -> int:
        """See `PrunedWeights`."""
        return self.weights.step

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`; the whole layer's weights come from their own stream."""
        layer, removal = self.layer, self.removal
        units = _units(self.weights.plan, self.weights.place, stream.seed)
        whole = by_channel(layer, self.weights.array(layer.weight_shape, stream))
        # (K, 1, 1, X): a filter is a whole group, so that groups are picked, over the layer as one.
        if depthwise(layer) and removal.filters is not None and units.filters is not None:
            return whole[picked(units.filters, removal.filters, 1)[0]].reshape(shape)
        for axis, mask, count in ((1, units.filters, removal.filters), (2, units.channels, removal.channels)):
            if mask is not None and count is not None:
                places = picked(mask, count, layer.groups)
                # (G, n, 1, 1) for filters and (G, 1, n, 1) for channels: `take_along_axis` spreads the ones over the
                # other axes.
                shaped = places.reshape(layer.groups, *(places.shape[1] if axis == one else 1 for one in (1, 2, 3)))
                whole = np.take_along_axis(whole, shaped, axis)
        return whole.reshape(shape)


@dataclass(frozen=True)
class LeftActivations:
    """Activations without lost channels, or with zeros there; `channels`: how many stay, None: all, zeros included."""

    activations: TensorSource
    layer: Layer
    plan: Plan
    place: int
    channels: int | None

    @property
    def images_held(self) -> int | None:
        """See `ImageSource`."""
        return images_held(self.activations)

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        layer = self.layer
        whole = self.activations.array((shape[0], layer.in_channels, *shape[2:]), stream)
        units = _units(self.plan, self.place, stream.seed)
        mask = units.channels if self.channels is not None or units.written is None else units.written
        if mask is None:
            return whole
        if self.channels is None:
            return np.where(mask.reshape(-1, *[1] * (whole.ndim - 2)), whole, np.zeros((), whole.dtype))
        groups = 1 if depthwise(layer) else layer.groups
        places = picked(mask, self.channels, groups)
        # Places count inside a group: 1 2 and 0 1 in two groups of 3 channels are the channels 1 2 3 4.
        first = np.arange(groups)[:, np.newaxis] * (layer.in_channels // groups)
        return whole[:, (places + first).reshape(-1)]
