"""`UnitPruning`: what channel and filter pruning share: a unit that goes takes its partner along, and leaves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from workloads.errors import listed
from workloads.layer import Layer
from workloads.options import choice
from workloads.pruning.base import Pruning
from workloads.pruning.methods.channels.links import plain_links
from workloads.pruning.removal import Kept, KeptUnits, Pairs, Removal, downstream, removals, remove, upstream
from workloads.source import LayerSource


def links_option() -> str:
    """The option `links`."""
    return choice("whether channels and the filters that write them go together", "auto", "none")


def remove_option() -> str:
    """The option `remove`."""
    return choice("whether what goes leaves the layers or stays as zeros", "shrink", "zero")


class UnitPruning(Pruning):
    """A pruning of whole channels or filters.

    Where a layer plainly feeds the next (`links.plain_links`), a filter goes with the channel that it writes, through
    depthwise layers as well. remove=shrink: what goes leaves its layer, the next one and their activations, so that a
    dense machine gains too; zeros stay where groups would become unequal. remove=zero: zeros stay everywhere.
    """

    links: str
    remove: str
    readers_decide: ClassVar[bool]  # channels are chosen and filters follow, or the other way round
    follows: ClassVar[str]  # what is said of partners that nothing is known of

    @abstractmethod
    def counts(self, sources: Sequence[LayerSource], links: Sequence[int]) -> list[int | None]:
        """Units that each layer keeps by its own choice; None: it chooses nothing, or how many depends on weights."""

    @abstractmethod
    def masks(self, sources: Sequence[LayerSource], links: Sequence[int], seed: int) -> list[np.ndarray | None]:
        """Which those are, bool (C,) or (K,); None: the layer chooses nothing."""

    def plan(self, sources: tuple[LayerSource, ...], seed: int) -> tuple[Pruning, ...]:
        """See `Pruning`."""
        links, layers = self.linked(sources), [source.layer for source in sources]
        # What each layer chose, and what follows from it for the layers that it is linked to.
        kept = self._spread(layers, links, self.masks(sources, links, seed))
        # A layer that its lost units have left is dense again; only zeros that stay need a format that skips them.
        stays = [_stays_zero(pair, removal) for pair, removal in zip(kept, self.removals(sources), strict=True)]
        formats = [self.storage_format(layer) if zeros else "dense" for layer, zeros in zip(layers, stays, strict=True)]
        return tuple(KeptUnits(*pair, storage) for pair, storage in zip(kept, formats, strict=True))

    def apply(self, sources: tuple[LayerSource, ...]) -> tuple[LayerSource, ...]:
        """See `Pruning`; layers are smaller where something leaves them."""
        return remove(super().apply(sources), self.removals(sources))

    def linked(self, sources: Sequence[LayerSource]) -> list[int]:
        """As `plain_links`; with links=none no layers are."""
        return plain_links(sources) if self.links == "auto" else [0] * len(sources)

    def removals(self, sources: Sequence[LayerSource]) -> list[Removal]:
        """What leaves each layer."""
        links, layers = self.linked(sources), [source.layer for source in sources]
        kept = self._spread(layers, links, self.counts(sources, links))
        return removals(layers, links, kept, readers_decide=self.readers_decide, zero=self.remove == "zero")

    def notes(self, sources: tuple[LayerSource, ...]) -> tuple[str, ...]:
        """See `Pruning`: partners that stay because nothing is known of them, and zeros that stay."""
        links, layers = self.linked(sources), [source.layer for source in sources]
        own = self.counts(sources, links)
        alone = [layers[place].name for place in range(len(layers)) if self._alone(layers, links, own, place)]
        zeros = [
            layer.name
            for layer, pair, removal in zip(
                layers, self._spread(layers, links, own), self.removals(sources), strict=True
            )
            if self.remove != "zero" and _stays_zero(pair, removal)
        ]
        return (
            *([f"{self}: {self.follows} {listed(alone)}"] if alone and self.links == "auto" else []),
            *([f"{self}: zeros stay in place where groups would become unequal: {listed(zeros)}"] if zeros else []),
        )

    def _alone(self, layers: list[Layer], links: list[int], own: list[int | None], place: int) -> bool:
        """Whether a layer loses units of its own choice whose partners are not known."""
        kept, layer = own[place], layers[place]
        if kept is None:
            return False
        # Partners are unknown where no link is: of channels, to the layer before; of filters, to the layer after. The
        # network's first and last layer have no partner on that side.
        if self.readers_decide:
            return kept < layer.in_channels and place > 0 and not links[place - 1]
        return kept < layer.out_channels and place + 1 < len(layers) and not links[place]

    def _spread(self, layers: list[Layer], links: list[int], own: list[Kept | None]) -> Pairs[Kept]:
        return (upstream if self.readers_decide else downstream)(layers, links, own)


def _stays_zero(pair: tuple[object, object], removal: Removal) -> bool:
    """Whether something is lost that does not leave."""
    # The pair says how many or which stay; a removal of None on the same side leaves all places there.
    return any(
        kept is not None and left is None for kept, left in zip(pair, (removal.channels, removal.filters), strict=True)
    )
