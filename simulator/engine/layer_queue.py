"""`LayerQueue`: the layers of a network on their way to a process that takes them one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any

import simpy

from simulator.engine.layer_in_play import LayerInPlay


class LayerQueue:
    """Layers in order, added from outside the simulation, whose time stands still until one that is wanted is there.

    wanting   whether the process waits for a layer
    """

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._layers: deque[LayerInPlay] = deque()
        self._closed = False
        self._added: simpy.Event | None = None

    @property
    def wanting(self) -> bool:
        """Whether the process waits for a layer."""
        return self._added is not None

    def put(self, layer: LayerInPlay) -> None:
        """Add a layer."""
        self._layers.append(layer)
        self._wake()

    def close(self) -> None:
        """There are no more layers."""
        self._closed = True
        self._wake()

    def take(self) -> Generator[simpy.Event, Any, LayerInPlay | None]:
        """The next layer; None when there is none."""
        while not self._layers:
            if self._closed:
                return None
            self._added = self._env.event()
            yield self._added
        return self._layers.popleft()

    def _wake(self) -> None:
        if self._added is not None:
            self._added.succeed()
            self._added = None
