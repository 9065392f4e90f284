"""`Observer`: what can be watched of a simulation, from outside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataflows.schedule import Cause, LayerSchedule, Tensor


class Observer:
    """Hooks that a simulation calls; an observer overrides those it needs. Components do not know their observers.

    Cycles count from the start of the layer, which `begin` and `end` enclose. When a network is played as one run
    (`NetworkPlay`), `network_layer` and `network_layer_ended` tell of its layers: cycles count from the start of the
    network, and tiles go on counting from layer to layer. `end` comes once, at the network's end.
    """

    def begin(self, layer: str, schedule: LayerSchedule, clock_hz: int) -> None:
        """A layer is about to be played."""

    def end(self, cycles: int) -> None:
        """The layer, or the network, has been played."""

    def network_layer(self, layer: str, schedule: LayerSchedule, first_tile: int, clock_hz: int) -> None:
        """A layer of a network was added, whose tile 0 is called `first_tile`; layers before it are still played."""

    def network_layer_ended(self, layer: str, start: int, end: int) -> None:
        """The array, which had belonged to a layer of a network since `start`, is done with it."""

    def requests(self, address: np.ndarray, bursts: np.ndarray, write: np.ndarray, clock: int) -> None:
        """Banked memory was asked for runs of bursts: first byte, how many, whether written, at which DRAM clock."""

    # Example: a tile computes from cycle 100 to 150 and waits until 160 for data that come late. Told are, in this
    # order, `wait(Cause.MEMORY, 150, 160)` and `tile(tile, 100, 160)`.
    def tile(self, tile: int, start: int, end: int) -> None:
        """The array computed a tile from `start` to `end` (cycles), waits for its streamed data included."""

    def transfer(self, tile: int, tensor: Tensor, start: int, end: int, size_bytes: int, *, write: bool) -> None:
        """Memory moved one tensor's share of a tile; `start` is the cycle of the request."""

    def wait(self, cause: Cause, start: int, end: int) -> None:
        """The whole array waited. A wait for streamed data lies at the end of its tile, every other between tiles."""

    def channels(self, now: int, moved_bytes: Sequence[int]) -> None:
        """What each DRAM channel has moved since the layer began, in whole bursts; told at requests and arrivals."""

    def drain(self, tile: int, start: int, end: int) -> None:
        """The drain unit processed a tile's results."""

    def buffer_level(self, buffer: str, now: int, taken_bytes: int) -> None:
        """A buffer's level has changed."""
