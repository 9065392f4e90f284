"""What goes into the simulation of a network, layer by layer, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dataflows.schedule import LayerSchedule, Tensor
from simulator.engine.traffic import Traffic

Overlap = Literal["serial", "weights", "tiles"]


@dataclass(frozen=True)
class Read:
    """A layer reads another: `layer` is its number among those of its input (0, 1, ...; smaller than the reader's own).

    in_order  whether it reads the map in the order in which the other stores it, so that a part of it is enough
    """

    layer: int
    in_order: bool = False


@dataclass(frozen=True, eq=False)
class NetworkLayer:
    """A layer of a network: its schedule, and the layers whose results it reads.

    reads           what its inputs are made of; empty: the network's own input
    operands        layers whose results `schedule.operands` carries
    moving_weights  whether its weights are results of layers that it reads, too, and so inputs (a product of two
                    activations)
    """

    name: str
    schedule: LayerSchedule
    reads: tuple[Read, ...] = ()
    operands: tuple[int, ...] = ()
    moving_weights: bool = False

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors that are inputs by the rules, results of other layers."""
        return (Tensor.INPUT, Tensor.WEIGHT) if self.moving_weights else (Tensor.INPUT,)


@dataclass(frozen=True, eq=False)
class PlayedLayer:
    """A layer's part in the run of a network.

    start, end  cycles of the network between which the array belongs to it
    pe_cycles   int64 (PEs, CAUSES): every PE-cycle of that span by its cause
    """

    name: str
    start: int
    end: int
    pe_cycles: np.ndarray


@dataclass(frozen=True, eq=False)
class PlayedInput:
    """An input's part in the run of a network that several follow one another through.

    start, end  cycles between which the array belongs to its layers
    done        when all of its layers have been made, which others may have overtaken by then
    pe_cycles   int64 (CAUSES,): the PE-cycles of all PEs from start to end by their cause
    """

    start: int
    end: int
    done: int
    pe_cycles: np.ndarray


@dataclass(frozen=True, eq=False)
class NetworkPlayed:
    """What came of playing a network.

    cycles             from the first load to the last byte written
    layers             of the first input
    inputs             one, where `NetworkPlay.next_input` was not called
    traffic            what memory carried
    buffer_peak_bytes  fullest level of each buffer
    """

    cycles: int
    layers: tuple[PlayedLayer, ...]
    inputs: tuple[PlayedInput, ...]
    traffic: Traffic
    buffer_peak_bytes: dict[str, int]


def check_order(layer: NetworkLayer, number: int) -> None:
    """Raise `AssertionError` where a layer of a number reads or adds one that does not come before it."""
    later = [other for other in (*(read.layer for read in layer.reads), *layer.operands) if not 0 <= other < number]
    if later:
        raise AssertionError(
            f"layer '{layer.name}', number {number}, reads layer {later[0]}, which does not come before it"
        )
