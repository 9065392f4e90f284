"""Random small networks with every rule between layers in play, for the network's engine, its twin and its laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from dataflows.schedule import BufferUse, LayerSchedule, Runs, Tensor
from simulator.engine.network_layers import NetworkLayer, Read
from tests.simulator.engine.random_schedules import fullest, schedules, streamed

BOTH = (Tensor.INPUT, Tensor.WEIGHT)
LOADED = (BOTH, BOTH, BOTH, BOTH, (Tensor.INPUT,), (Tensor.WEIGHT,), ())


@st.composite
def networks(draw: st.DrawFn, *, least: int = 2, most: int = 4, operands: bool = True) -> list[NetworkLayer]:
    """Layers that read and, with `operands`, add what some of the layers before have made."""
    loaded = draw(st.lists(st.sampled_from(LOADED), min_size=least, max_size=most))
    # Layers that read each other wait for each other's results, which hides how far ahead their weights are asked for.
    # So does what they leave behind.
    chained, leave = draw(st.booleans()), draw(st.sampled_from([True, True, True, False]))
    plans: list[LayerSchedule] = []
    for may_load in loaded:
        plan = draw(plan_of(may_load, plans[-1] if plans else None))
        plans.append(plan if leave else without_results(plan))
    # Room for every layer, and at times for two; for results mostly so little that tiles wait for it.
    spare = {tensor: draw(st.sampled_from([0, 11, 40, 1000])) for tensor in BOTH}
    spare[Tensor.OUTPUT] = draw(st.sampled_from([0, 0, 3, 40]))
    shared = {
        tensor: more
        + max((use.capacity_bytes for plan in plans for use in plan.buffers if use.tensor == tensor), default=0)
        for tensor, more in spare.items()
    }
    return [
        draw(layer_of(number, plan, shared, chained=chained, operands=operands)) for number, plan in enumerate(plans)
    ]


@st.composite
def plan_of(draw: st.DrawFn, may_load: tuple[Tensor, ...], before: LayerSchedule | None) -> LayerSchedule:
    """A schedule with its data at addresses that mean something to the layers around it."""
    plan = draw(schedules(may_load=may_load, most_tiles=4))
    loads = draw(st.sampled_from([in_line(plan.loads), in_line(plan.loads), plan.loads]))
    plan = replace(plan, loads=loads, stores=draw(stores_of(plan)))
    if before is None or not before.stores.total_bytes or Tensor.INPUT not in may_load or draw(st.booleans()):
        return plan
    return as_stored(plan, before.stores)


def without_results(plan: LayerSchedule) -> LayerSchedule:
    """The same with nothing to drain or to write."""
    return replace(plan, stores=Runs.none(), drain_cycles=np.zeros_like(plan.drain_cycles))


def as_stored(plan: LayerSchedule, stores: Runs) -> LayerSchedule:
    """The same on inputs that are cut as they were stored, so that a load ends right where a store begins."""
    # Of stores of 3 tiles, a plan of 2 loads the first two with its first tile.
    tiles = int(stores.tile.max()) + 1
    inputs = Runs.per_tile(Tensor.INPUT, stores.tile * plan.tiles // tiles, stores.address + 8, stores.size_bytes)
    others = Runs(*(getattr(plan.loads, name)[plan.loads.tensor != Tensor.INPUT] for name in Runs.__dataclass_fields__))
    room = fullest(inputs, plan.tiles)
    buffers = tuple(
        replace(use, capacity_bytes=max(use.capacity_bytes, room)) if use.tensor == Tensor.INPUT else use
        for use in plan.buffers
    )
    return replace(plan, loads=Runs.merge(inputs, others), buffers=buffers)


@st.composite
def layer_of(
    draw: st.DrawFn, number: int, plan: LayerSchedule, shared: dict[Tensor, int], *, chained: bool, operands: bool
) -> NetworkLayer:
    """A layer on buffers that others share or not, with what it reads and adds."""
    uses = [draw(buffer_of(use, shared[use.tensor], f"{use.name} {number}")) for use in plan.buffers]
    # Now and then one tensor has no buffer of its own.
    bare = draw(st.sampled_from([*[None] * 9, *Tensor]))
    plan = replace(plan, buffers=tuple(use for use in uses if use.tensor != bare))
    reads = draw(earlier(number)) if chained or not draw(st.integers(0, 2)) else ()
    makers = draw(earlier(number)) if operands and draw(st.booleans()) else ()
    if makers:
        plan = replace(plan, operands=draw(operands_of(plan.tiles)))
    in_order = st.sampled_from([True, True, True, False])
    # In one of four layers that read others the weights are read from them, too.
    moving = bool(reads) and not draw(st.integers(0, 3))
    return NetworkLayer(f"layer {number}", plan, tuple(Read(layer, draw(in_order)) for layer in reads), makers, moving)


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
def operands_of(draw: st.DrawFn, tiles: int) -> Runs:
    """What is added to results of some of the tiles, even where these are written nowhere."""
    sizes = draw(st.lists(st.sampled_from([0, 1, 3, 9, 17, 24]), min_size=tiles, max_size=tiles))
    return Runs.per_tile(Tensor.INPUT, np.arange(tiles), np.arange(tiles) * 5, np.array(sizes))
