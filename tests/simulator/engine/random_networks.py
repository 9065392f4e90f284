"""Random small networks with every rule between layers in play, for the network's engine and its twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from dataflows.schedule import BufferUse, LayerSchedule, Runs, Tensor
from simulator.engine.network_layers import NetworkLayer, Read
from tests.simulator.engine.random_schedules import schedules, streamed

TENSORS = ((Tensor.INPUT, Tensor.WEIGHT), (Tensor.INPUT, Tensor.WEIGHT), (Tensor.INPUT,), (Tensor.WEIGHT,), ())


@st.composite
def networks(draw: st.DrawFn) -> list[NetworkLayer]:
    """Two to four layers that read and add what some of the layers before have made."""
    tensors = draw(st.lists(st.sampled_from(TENSORS), min_size=2, max_size=4))
    plans = [draw(schedules(may_load=may_load, most_tiles=4)) for may_load in tensors]
    shared = {
        tensor: max(use.capacity_bytes for plan in plans for use in plan.buffers if use.tensor == tensor)
        for tensor in {use.tensor for plan in plans for use in plan.buffers}
    }
    layers: list[NetworkLayer] = []
    for number, plan in enumerate(plans):
        uses = tuple(draw(buffer_of(use, shared[use.tensor], f"{use.name} {number}")) for use in plan.buffers)
        own = replace(plan, buffers=uses, stores=draw(stores_of(plan)))
        earlier = st.sets(st.integers(0, number - 1), min_size=1, max_size=2) if number else st.just(set[int]())
        reads = draw(earlier) if draw(st.integers(0, 3)) else set[int]()
        # Mostly a chain, where layers overlap most.
        reads = {number - 1} if number and draw(st.booleans()) else reads
        makers = draw(earlier) if draw(st.integers(0, 2)) == 0 else set[int]()
        layers.append(
            NetworkLayer(
                f"layer {number}",
                replace(own, operands=draw(operands_of(own))) if makers else own,
                tuple(Read(layer, in_order=draw(st.sampled_from([True, True, False]))) for layer in sorted(reads)),
                tuple(sorted(makers)),
            )
        )
    return layers


@st.composite
def buffer_of(draw: st.DrawFn, own: BufferUse, shared_bytes: int, name: str) -> BufferUse:
    """A buffer as the other layers use it, or one that differs in capacity, name or manner."""
    shared = replace(own, capacity_bytes=shared_bytes, streamed=False)
    others = [own, replace(own, name=name), replace(shared, streamed=draw(streamed))]
    return draw(st.sampled_from([shared, shared, shared, *others]))


@st.composite
def stores_of(draw: st.DrawFn, plan: LayerSchedule) -> Runs:
    """A schedule's stores at addresses of some order: one after the other, backwards or with gaps; some in two runs."""
    sizes = plan.stores.size_bytes
    before = np.cumsum(sizes) - sizes
    gap = draw(st.sampled_from([0, 0, 3]))
    address = draw(st.integers(0, 9)) + before + gap * np.arange(len(sizes))
    if draw(st.integers(0, 4)) == 0:
        address = address[::-1]
    head = np.minimum(sizes, draw(st.sampled_from([24, 24, 4])))
    tile = plan.stores.tile
    far = draw(st.sampled_from([0, 0, 50]))
    return Runs.merge(
        Runs.per_tile(Tensor.OUTPUT, tile, address, head),
        Runs.per_tile(Tensor.OUTPUT, tile, address + head + far, sizes - head),
    )


@st.composite
def operands_of(draw: st.DrawFn, plan: LayerSchedule) -> Runs:
    """What is added to results of some of the tiles that have any."""
    tiles = [tile for tile in sorted(set(plan.stores.tile.tolist())) if draw(st.integers(0, 3))]
    if not tiles:
        return Runs.none()
    sizes = draw(st.lists(st.integers(1, 24), min_size=len(tiles), max_size=len(tiles)))
    return Runs.per_tile(Tensor.INPUT, np.array(tiles), np.arange(len(tiles)) * 5, np.array(sizes))
