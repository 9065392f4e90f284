"""`NetworkConditions`: what the loads of a network's layer wait for, because other layers stand before it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import simpy

from dataflows.schedule import Tensor
from simulator.engine.input_shares import InputShares
from simulator.engine.layer_in_play import LayerInPlay
from simulator.engine.loading import Loading, Process
from simulator.engine.traffic import Transfer


class NetworkConditions:
    """The rules R2 to R5 of docs/network.md for the loads of one layer.

    inputs        tensors that are made of other layers' results
    inputs_last   of the first tile, inputs are asked for behind the other loads
    read          events that the layers have been made whose results the inputs are; empty with `shares`
    shares        of the layer before, where a part of the inputs needs a part of its results alone
    """

    def __init__(
        self,
        loading: Loading,
        layer: LayerInPlay,
        *,
        inputs: Collection[Tensor] = (Tensor.INPUT,),
        inputs_last: bool,
        read: Sequence[simpy.Event],
        shares: InputShares | None,
    ) -> None:
        self._loading = loading
        self._layer = layer
        self._inputs = inputs
        self._inputs_last = inputs_last
        self._read = read
        self._shares = shares
        self.state = ""

    def in_order(self, tile: int, parts: Sequence[Transfer]) -> Sequence[Transfer]:
        """See `LoadConditions`."""
        # Constant weights, which wait for nobody, are not held up by inputs that somebody has yet to make.
        return parts if tile or not self._inputs_last else sorted(parts, key=lambda part: part.tensor in self._inputs)

    def on_prefetch(self, tile: int, part: Transfer) -> bool:
        """See `LoadConditions`."""
        # The first tile's data wait for room alone: they may be loaded while the whole layer before is computed.
        ahead = self._layer.schedule.prefetch_tiles
        return bool(tile or not self._layer.number or not ahead or part.tensor not in self._layer.buffers)

    def met(self, tile: int, part: Transfer) -> Process:
        """See `LoadConditions`."""
        self.state = f"{self._layer.label}{part.tensor.key} of tile {tile}"
        if part.tensor in self._layer.unlike:
            computed = self._loading.computed.wait_for(self._layer.first_tile)
            if computed is not None:
                yield computed
        if part.tensor not in self._inputs:
            return
        for made in self._read:
            if not made.triggered:
                yield made
        for needed in self._shares.needed(part) if self._shares else ():
            written = self._shares.making.wait_for(needed) if self._shares else None
            if written is not None:
                yield written
