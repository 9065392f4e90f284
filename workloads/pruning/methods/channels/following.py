"""What channel and filter pruning take out of a network whose graph is known: choices spread along a `Flow`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workloads.layer import Layer
from workloads.pruning.methods.channels.flow import Flow
from workloads.pruning.removal import Removal, depthwise

Choices = Sequence[np.ndarray | None]


@dataclass(frozen=True)
class Followed:
    """What becomes of each layer.

    channels  bool (C,): those that it still reads
    written   bool (C,): those that somebody still writes, so that they are no zeros
    filters   bool (K,): those that stay
    removals  what leaves the layer; what is lost and does not leave stays as zeros
    """

    channels: list[np.ndarray]
    written: list[np.ndarray]
    filters: list[np.ndarray]
    removals: list[Removal]


def follow(
    flow: Flow, layers: Sequence[Layer], own: Choices, *, readers_decide: bool, intersection: bool, zero: bool
) -> Followed:
    """Spread what layers chose, bool (C,) or (K,); None: the layer chooses nothing.

    readers_decide  choices are of channels and filters follow; else of filters, and channels follow
    intersection    of the maps of a sum only channels stay that all of them keep; else those that any keeps
    zero            nothing leaves

    Example: conv1 and conv2 write into a sum, and keep the channels 0 1 and 1 2. Together they keep 0 1 2, with
    intersection 1.
    """
    kept = (_needed if readers_decide else _chosen)(flow, own, intersection=intersection)
    wanted = [
        np.ones(held.shape, np.bool_) if mask is None or not readers_decide else mask.copy()
        for held, mask in zip(flow.reads, own, strict=True)
    ]
    _revive(flow, layers, kept, wanted)
    filters = [kept[channels] for channels in flow.writes]
    written = [kept[channels] for channels in flow.reads]
    # A depthwise layer at the network's input has channels of its own, which go with its filters.
    heads = [depthwise(layer) and not passing for layer, passing in zip(layers, flow.passing, strict=True)]
    reads = [filters[place] if heads[place] else written[place] & wanted[place] for place in range(len(layers))]
    stuck = np.ones_like(kept) if zero else _stuck(flow, layers, kept, reads)
    removals = [
        _removal(layer, reads[place], filters[place], written[place], stuck[flow.writes[place]], zero=zero)
        for place, layer in enumerate(layers)
    ]
    return Followed(reads, written, filters, removals)


def _needed(flow: Flow, own: Choices, *, intersection: bool) -> np.ndarray:
    """Which channels stay where readers choose."""
    wanted, held = np.zeros_like(flow.given), flow.unknown | flow.outside | flow.results
    for reads, passing, mask in zip(flow.reads, flow.passing, own, strict=True):
        if mask is not None:
            np.logical_or.at(wanted, reads, mask)
        elif not passing:
            held[reads] = True
    # A map is kept for all that read it, the sums that it goes into among them.
    held = flow.spread_back(held)
    wanted = flow.spread_back(wanted) | held
    together = _combined(flow, [wanted[writes] for writes in flow.writes], intersection=intersection)
    return together | _of_classes(flow, held)


def _chosen(flow: Flow, own: Choices, *, intersection: bool) -> np.ndarray:
    """Which channels stay where writers choose."""
    masks = [
        np.ones(len(writes), np.bool_) if mask is None else mask for writes, mask in zip(flow.writes, own, strict=True)
    ]
    return _combined(flow, masks, intersection=intersection)


def _combined(flow: Flow, masks: Sequence[np.ndarray], *, intersection: bool) -> np.ndarray:
    """What the writers of each class keep together, by channel; what no layer writes stays."""
    kept = np.full(flow.given.shape, intersection)
    for writes, passing, mask in zip(flow.writes, flow.passing, masks, strict=True):
        # A depthwise layer writes the channels of another layer, which speaks for them.
        if not passing:
            (np.logical_and if intersection else np.logical_or).at(kept, flow.classes[writes], mask)
    return kept[flow.classes] | _of_classes(flow, flow.given)


def _of_classes(flow: Flow, marked: np.ndarray) -> np.ndarray:
    """All channels of a class of which one is marked."""
    classes = np.zeros_like(marked)
    np.logical_or.at(classes, flow.classes, marked)
    return classes[flow.classes]


def _revive(flow: Flow, layers: Sequence[Layer], kept: np.ndarray, wanted: Sequence[np.ndarray]) -> None:
    """Keep the first filter, and the first channel, of each group that would have none."""
    before = -1
    # What one layer keeps another one reads, so that this goes on until nothing changes.
    while before != (before := int(kept.sum())):
        for place, layer in enumerate(layers):
            writes, reads = flow.writes[place], flow.reads[place]
            if not flow.passing[place]:
                _keep(flow, kept, writes[_firsts(kept[writes], _groups(layer))])
            firsts = _firsts(kept[reads] & wanted[place], _groups(layer))
            wanted[place][firsts] = True
            _keep(flow, kept, reads[firsts])


def _keep(flow: Flow, kept: np.ndarray, channels: np.ndarray) -> None:
    kept |= np.isin(flow.classes, flow.classes[channels])


def _groups(layer: Layer) -> int:
    """Groups that must keep as many units as one another; those of a depthwise layer leave whole."""
    return 1 if depthwise(layer) else layer.groups


def _firsts(mask: np.ndarray, groups: int) -> np.ndarray:
    """The first place of each group of which nothing stays, int64."""
    by_group = mask.reshape(groups, -1)
    return np.flatnonzero(~by_group.any(axis=1)) * by_group.shape[1]


def _stuck(flow: Flow, layers: Sequence[Layer], kept: np.ndarray, reads: Sequence[np.ndarray]) -> np.ndarray:
    """Lost channels that stay in their maps as zeros, for one of those that write or read them cannot do without."""
    # What an unknown operator reads keeps its shape, as does what a layer reads that is not pruned.
    stuck = _of_classes(flow, flow.unknown | flow.outside) & ~kept
    before = -1
    while before != (before := int(stuck.sum())):
        for place, layer in enumerate(layers):
            writes, groups = flow.writes[place], _groups(layer)
            lost = writes[~kept[writes]]
            if stuck[lost].any() or not _even(kept[writes], groups):
                stuck |= np.isin(flow.classes, flow.classes[lost])
            if not _even(reads[place], groups):
                dead = flow.reads[place][~kept[flow.reads[place]]]
                stuck |= np.isin(flow.classes, flow.classes[dead])
    return stuck


def _even(mask: np.ndarray, groups: int) -> bool:
    """Whether each group keeps as many as any other."""
    counts = mask.reshape(groups, -1).sum(axis=1)
    return bool((counts == counts[0]).all())


def _removal(
    layer: Layer, reads: np.ndarray, filters: np.ndarray, written: np.ndarray, stuck: np.ndarray, *, zero: bool
) -> Removal:
    """What leaves a layer; `stuck`: of its filters, those that stay in place when they are lost."""
    filter_count, channel_count = int(filters.sum()), int(reads.sum())
    filters_leave = not zero and not stuck[~filters].any()
    # Groups of a depthwise layer are filter and channel in one.
    channels_leave = filters_leave if depthwise(layer) else not zero and _even(reads, layer.groups)
    return Removal(
        dead_inputs=not written.all(),
        channels=channel_count if channels_leave and channel_count != layer.in_channels else None,
        filters=filter_count if filters_leave and filter_count != layer.out_channels else None,
        outputs=1.0 if filters_leave else filter_count / layer.out_channels,
    )
