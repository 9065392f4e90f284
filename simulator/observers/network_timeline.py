"""`NetworkTimeline`: the timeline of a network that is played as one run, on one clock.

As `Timeline`, but tiles of several layers are on their way at once: loads of a layer lie under the layers before it,
its stores under the layers behind it. So spans name the layer of their tile ("conv2: load of tile 0"), with the tile's
number in that layer. In the track of layers a span is as long as the array belongs to its layer.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from dataflows.schedule import LayerSchedule
from simulator.observers.timeline import LAYERS, Timeline, group_cycles
from workloads.units import MICROSECONDS


class NetworkTimeline(Timeline):
    """Give it to `NetworkPlay` as an observer, then call `to_json`."""

    def __init__(self) -> None:
        super().__init__()
        self._first_tiles: list[int] = []
        self._names: list[str] = []
        self._layer_groups: dict[int, np.ndarray] = {}  # by number of the layer; of those that are not computed yet
        self._computed = 0  # layers

    def network_layer(self, layer: str, schedule: LayerSchedule, first_tile: int, clock_hz: int) -> None:
        """A layer that goes on from those before it."""
        self._us = MICROSECONDS / clock_hz
        self._layer_groups[len(self._names)], self._group_pes = group_cycles(schedule)
        self._names.append(layer)
        self._first_tiles.append(first_tile)
        self._name_tracks(schedule)

    def network_layer_ended(self, layer: str, start: int, end: int) -> None:
        """The array is done with a layer, whose last results may still be on their way."""
        self._span(LAYERS, 1, layer, start, end - start, {"cycles": end - start})
        # Names stay, for transfers that are told when they are over; the tiles will be told no more.
        del self._layer_groups[self._computed]
        self._computed += 1

    def end(self, cycles: int) -> None:
        """Close the network: its counters fall to nothing."""
        self._close_counters(cycles)
        self._cycles += cycles

    def _name(self, tile: int, what: str = "") -> str:
        layer = self._layer_of(tile)
        return f"{self._names[layer]}: {super()._name(tile - self._first_tiles[layer], what)}"

    def _groups_of(self, tile: int) -> np.ndarray:
        layer = self._layer_of(tile)
        return self._layer_groups[layer][tile - self._first_tiles[layer]]

    def _layer_of(self, tile: int) -> int:
        # Of layers with the first tiles 0, 4 and 6, tile 5 belongs to the second.
        return bisect_right(self._first_tiles, tile) - 1
