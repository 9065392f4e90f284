"""`InputInPlay`: how far one of several inputs has come that follow one another through a network."""

from __future__ import annotations

import numpy as np
import simpy

from dataflows.schedule import CAUSES
from simulator.engine.network_layers import PlayedInput


class InputInPlay:
    """Adds up what becomes of an input's layers; of none of them anything is kept."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._start: int | None = None
        self._end = 0
        self._done = 0
        self._pe_cycles = np.zeros(CAUSES, np.int64)

    def layer(self, made: simpy.Event) -> None:
        """Another layer is on its way, which has been made when the event fires."""
        made.callbacks.append(self._note)

    def computed(self, start: int, end: int, pe_cycles: np.ndarray) -> None:
        """The array has belonged to the next layer from start to end; pe_cycles: int64 (PEs, CAUSES)."""
        self._start = start if self._start is None else self._start
        self._end = end
        self._pe_cycles += pe_cycles.sum(axis=0)

    def played(self) -> PlayedInput:
        """What came of it, when all is over."""
        # A layer without tiles has been made when it is handed over, which may be before the array comes to it.
        return PlayedInput(self._start or 0, self._end, max(self._done, self._end), self._pe_cycles)

    def _note(self, _: simpy.Event) -> None:
        self._done = int(self._env.now)
