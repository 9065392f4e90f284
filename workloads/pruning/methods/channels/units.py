"""`UnitPruning`: what channel and filter pruning share: a unit that goes takes its partner along, and leaves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from workloads.errors import listed
from workloads.graph import Graph
from workloads.layer import Layer
from workloads.options import choice
from workloads.pruning.base import Outcome, Plan, Pruning, planned
from workloads.pruning.methods.channels.flow import Flow
from workloads.pruning.methods.channels.following import Followed, follow
from workloads.pruning.methods.channels.links import plain_links
from workloads.pruning.removal import Kept, KeptUnits, Pairs, Removal, depthwise, downstream, removals, remove, upstream
from workloads.resizing import resized
from workloads.source import LayerSource


def links_option() -> str:
    """The option `links`."""
    return choice("whether channels and the filters that write them go together", "auto", "none")


def remove_option() -> str:
    """The option `remove`."""
    return choice("whether what goes leaves the layers or stays as zeros", "shrink", "zero")


def sums_option() -> str:
    """The option `sums`."""
    return choice(
        "what stays of maps that are summed: what any of them keeps or what all keep", "union", "intersection"
    )


class UnitPruning(Pruning):
    """A pruning of whole channels or filters.

    Where it is known how layers hang together, a filter goes with the channel that it writes: along the network's graph
    where there is one (`flow.Flow`), else where a layer plainly feeds the next (`links.plain_links`); through depthwise
    layers as well. remove=shrink: what goes leaves its layer, the next one and their activations, so that a
    dense machine gains too; zeros stay where groups would become unequal. remove=zero: zeros stay everywhere.
    """

    links: str
    remove: str
    sums: str
    readers_decide: ClassVar[bool]  # channels are chosen and filters follow, or the other way round
    follows: ClassVar[str]  # what is said of partners that nothing is known of

    @property
    def counted(self) -> bool:
        """Whether how many units stay can be said when a network is pruned."""
        return True

    @property
    def leaves(self) -> bool:
        """Whether lost units leave their layers where they can."""
        return self.counted and self.remove == "shrink"

    @abstractmethod
    def counts(self, sources: Sequence[LayerSource], links: Sequence[int]) -> list[int | None]:
        """Units that each layer keeps by its own choice; None: it chooses nothing, or how many depends on weights."""

    @abstractmethod
    def masks(
        self, sources: Sequence[LayerSource], links: Sequence[int], seed: int, given: Container[int] = ()
    ) -> list[np.ndarray | None]:
        """Which those are, bool (C,) or (K,); None: the layer chooses nothing.

        given  places of further layers that read what the network is given, as the first one does
        """

    def plan(self, sources: tuple[LayerSource, ...], seed: int) -> tuple[Pruning, ...]:
        """See `Pruning`."""
        return self.plan_along(self.linked(sources), sources, seed)

    def plan_along(self, links: Sequence[int], sources: Sequence[LayerSource], seed: int) -> tuple[Pruning, ...]:
        """`plan` with the links of a chain."""
        layers = [source.layer for source in sources]
        # What each layer chose, and what follows from it for the layers that it is linked to.
        kept = self._spread(layers, links, self.masks(sources, links, seed))
        removed = self.removals(sources, links)
        # A layer that its lost units have left is dense again; only zeros that stay need a format that skips them.
        stays = [_stays_zero(pair, removal) for pair, removal in zip(kept, removed, strict=True)]
        formats = [self.storage_format(layer) if zeros else "dense" for layer, zeros in zip(layers, stays, strict=True)]
        return tuple(KeptUnits(*pair, storage) for pair, storage in zip(kept, formats, strict=True))

    def apply(self, sources: tuple[LayerSource, ...]) -> tuple[LayerSource, ...]:
        """See `Pruning`; layers are smaller where something leaves them."""
        return remove(super().apply(sources), self.removals(sources, self.linked(sources)))

    def outcome(self, sources: tuple[LayerSource, ...], graph: Graph | None, seed: int) -> Outcome:
        """See `Pruning`; the graph is followed."""
        if graph is None:
            return super().outcome(sources, None, seed)
        if self.links == "none":
            left = self.apply(sources)
            notes = self.notes(sources)
        else:
            plan = WiredPlan(self, sources, units=self, graph=graph, seed=seed)
            left, notes = plan.left(), plan.notes()
        after = resized(graph, {source.layer.name: source.layer for source in left})
        lost = () if after else (f"{self}: layers do not fit one another any more, so that no graph is left of them",)
        return Outcome(left, after, (*notes, *lost))

    def linked(self, sources: Sequence[LayerSource]) -> list[int]:
        """As `plain_links`; with links=none no layers are."""
        return plain_links(sources) if self.links == "auto" else [0] * len(sources)

    def removals(self, sources: Sequence[LayerSource], links: Sequence[int]) -> list[Removal]:
        """What leaves each layer of a chain with these links."""
        layers = [source.layer for source in sources]
        kept = self._spread(layers, links, self.counts(sources, links))
        return removals(layers, links, kept, readers_decide=self.readers_decide, zero=self.remove == "zero")

    def notes(self, sources: tuple[LayerSource, ...]) -> tuple[str, ...]:
        """See `Pruning`: partners that stay because nothing is known of them, and zeros that stay."""
        return self.notes_along(self.linked(sources), sources)

    def notes_along(self, links: Sequence[int], sources: Sequence[LayerSource]) -> tuple[str, ...]:
        """`notes` with the links of a chain."""
        layers = [source.layer for source in sources]
        own = self.counts(sources, links)
        alone = [layers[place].name for place in range(len(layers)) if self._alone(layers, links, own, place)]
        kept, removed = self._spread(layers, links, own), self.removals(sources, links)
        held = [
            layer.name
            for layer, pair, removal in zip(layers, kept, removed, strict=True)
            if self.remove != "zero" and _stays_zero(pair, removal)
        ]
        return (
            *([f"{self}: {self.follows} {listed(alone)}"] if alone and self.links == "auto" else []),
            *([f"{self}: zeros stay in place where groups would become unequal: {listed(held)}"] if held else []),
        )

    def _alone(self, layers: list[Layer], links: Sequence[int], own: list[int | None], place: int) -> bool:
        """Whether a layer loses units of its own choice whose partners are not known."""
        kept, layer = own[place], layers[place]
        if kept is None:
            return False
        # Partners are unknown where no link is: of channels, to the layer before; of filters, to the layer after. The
        # network's first and last layer have no partner on that side.
        if self.readers_decide:
            return kept < layer.in_channels and place > 0 and not links[place - 1]
        return kept < layer.out_channels and place + 1 < len(layers) and not links[place]

    def _spread(self, layers: list[Layer], links: Sequence[int], own: list[Kept | None]) -> Pairs[Kept]:
        return (upstream if self.readers_decide else downstream)(layers, links, own)


def _stays_zero(pair: tuple[object, object], removal: Removal) -> bool:
    """Whether something is lost that does not leave."""
    # The pair says how many or which stay; a removal of None on the same side leaves all places there.
    return any(
        kept is not None and left is None for kept, left in zip(pair, (removal.channels, removal.filters), strict=True)
    )


@dataclass(frozen=True, kw_only=True)
class WiredPlan(Plan):
    """A channel or filter pruning over layers that hang together as a graph says.

    Where each layer feeds the next one alone, shapes say how many units stay, and the rules are those of a list of
    layers. Elsewhere it depends on the weights how many stay of a map that several read or write: they are looked at,
    as they are for the network's seed, when the network is pruned.
    """

    units: UnitPruning
    graph: Graph
    seed: int

    @cached_property
    def _flow(self) -> Flow:
        return Flow.of(self.graph, [source.layer for source in self.sources])

    @cached_property
    def _chain(self) -> list[int] | None:
        """Links between layers that feed one another; None where the graph must be followed."""
        # Whether groups stay equal depends on which channels go, unless there is one group, or they are channels.
        grouped = any(source.layer.groups > 1 and not depthwise(source.layer) for source in self.sources)
        return None if grouped else self._flow.links()

    @cached_property
    def _links(self) -> list[int]:
        """Features a channel of what each next layer reads, 0 where no layer writes that."""
        flow = self._flow
        read = zip(flow.features(), flow.reads, strict=True)
        return [*[0 if flow.given[reads].all() else features for features, reads in read][1:], 0]

    @cached_property
    def _followed(self) -> Followed:
        pruning, layers = self.units, [source.layer for source in self.sources]
        given = {place for place, layer in enumerate(layers) if self._reads_input(layer.name)}
        own = pruning.masks(self.sources, self._links, self.seed, given)
        return follow(
            self._flow,
            layers,
            own,
            readers_decide=pruning.readers_decide,
            intersection=pruning.sums == "intersection",
            zero=not pruning.leaves,
        )

    def _reads_input(self, name: str) -> bool:
        return all(self.graph.by_name[source].kind == "input" for source in self.graph.sources(name))

    def layer_pruning(self, place: int, seed: int) -> Pruning:
        """See `Plan`."""
        seed = seed if self._chain is not None else self.seed
        if seed not in self._found:
            self._found[seed] = self._planned(seed)
        return self._found[seed][place]

    def _planned(self, seed: int) -> tuple[Pruning, ...]:
        if self._chain is not None:
            return self.units.plan_along(self._chain, self.sources, seed)
        return tuple(self._units(place) for place in range(len(self.sources)))

    def _units(self, place: int) -> KeptUnits:
        found, layer = self._followed, self.sources[place].layer
        channels, filters, written = (
            None if masks[place].all() else masks[place] for masks in (found.channels, found.filters, found.written)
        )
        # Where all that is lost is written no more, `channels` says so already.
        apart = channels is not None and found.removals[place].channels is None
        storage = self.units.storage_format(layer) if self._stays_zero(place) else "dense"
        return KeptUnits(channels, filters, storage, found.written[place] if apart else written)

    def _stays_zero(self, place: int) -> bool:
        found = self._followed
        removal = found.removals[place]
        sides = ((found.channels[place], removal.channels), (found.filters[place], removal.filters))
        return any(left is None and not mask.all() for mask, left in sides)

    def removals(self) -> list[Removal]:
        """What leaves each layer."""
        if self._chain is not None or not self.units.counted:
            return self.units.removals(self.sources, self._chain or self._links)
        return self._followed.removals

    def left(self) -> tuple[LayerSource, ...]:
        """The layers that are left."""
        return remove(planned(self), self.removals())

    def notes(self) -> tuple[str, ...]:
        """Lines for the user."""
        if self._chain is not None or not self.units.counted:
            return self.units.notes_along(self._chain or self._links, self.sources)
        stay = [source.layer.name for place, source in enumerate(self.sources) if self._stays_zero(place)]
        if not stay or not self.units.leaves:
            return ()
        reason = "where groups would become unequal, or what reads a map is not known or not pruned"
        return (f"{self.units}: zeros stay in place {reason}: {listed(stay)}",)
