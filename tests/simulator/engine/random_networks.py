"""Random small networks with every rule between layers in play, for the network's engine and its twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from dataflows.schedule import BufferUse, LayerSchedule, Runs, Tensor
from simulator.engine.network_layers import NetworkLayer, Read
from tests.simulator.engine.random_schedules import schedules, streamed

BOTH = (Tensor.INPUT, Tensor.WEIGHT)
LOADED = (BOTH, BOTH, BOTH, BOTH, (Tensor.INPUT,), (Tensor.WEIGHT,), ())


@st.composite
def networks(draw: st.DrawFn) -> list[NetworkLayer]:
    """Two to four layers that read and add what some of the layers before have made."""
    loaded = draw(st.lists(st.sampled_from(LOADED), min_size=2, max_size=4))
    plans = [draw(schedules(may_load=may_load, most_tiles=4)) for may_load in loaded]
    # Room for every layer, and at times for two.
    spare = draw(st.sampled_from([0, 11, 40, 1000]))
    shared = {
        tensor: spare + max(use.capacity_bytes for plan in plans for use in plan.buffers if use.tensor == tensor)
        for tensor in {use.tensor for plan in plans for use in plan.buffers}
    }
    # Layers that read each other wait for each other's results, which hides how far ahead their weights are asked for.
    chained = draw(st.booleans())
    return [draw(layer_of(number, plan, shared, chained=chained)) for number, plan in enumerate(plans)]


@st.composite
def layer_of(
    draw: st.DrawFn, number: int, plan: LayerSchedule, shared: dict[Tensor, int], *, chained: bool
) -> NetworkLayer:
    """A layer on buffers that others share or not, with what it reads and adds."""
    uses = tuple(draw(buffer_of(use, shared[use.tensor], f"{use.name} {number}")) for use in plan.buffers)
    loads = draw(st.sampled_from([in_line(plan.loads), in_line(plan.loads), plan.loads]))
    plan = replace(plan, buffers=uses, loads=loads, stores=draw(stores_of(plan)))
    reads = draw(earlier(number)) if chained or not draw(st.integers(0, 2)) else ()
    makers = draw(earlier(number)) if draw(st.booleans()) else ()
    if makers:
        plan = replace(plan, operands=draw(operands_of(plan)))
    in_order = st.sampled_from([True, True, True, False])
    return NetworkLayer(f"layer {number}", plan, tuple(Read(layer, draw(in_order)) for layer in reads), makers)


@st.composite
def earlier(draw: st.DrawFn, number: int) -> tuple[int, ...]:
    """Layers before one: mostly the last of them, where layers overlap most."""
    if not number or not draw(st.integers(0, 5)):
        return ()
    some = st.sets(st.integers(0, number - 1), min_size=1, max_size=2)
    return (number - 1,) if draw(st.integers(0, 2)) else tuple(sorted(draw(some)))


def in_line(loads: Runs) -> Runs:
    """The same with each tile's data behind those of the tile before."""
    return replace(loads, address=12 * loads.tile + loads.address % 4)


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
