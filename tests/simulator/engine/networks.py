"""Plays networks of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataflows.specs import DramSpec
from simulator.engine.network_layers import NetworkLayer, NetworkPlayed, Overlap
from simulator.engine.network_play import NetworkPlay
from simulator.engine.observer import Observer

GHZ = 1_000_000_000
OVERLAPS: tuple[Overlap, ...] = ("serial", "weights", "tiles")


def play_network(
    layers: Sequence[NetworkLayer],
    memory: DramSpec,
    overlap: Overlap,
    observers: tuple[Observer, ...] = (),
    **settings: Any,
) -> NetworkPlayed:
    """The engine's result, at a cycle a nanosecond."""
    play = NetworkPlay(memory, GHZ, overlap, observers, **settings)
    for layer in layers:
        play.push(layer)
    return play.finish()
