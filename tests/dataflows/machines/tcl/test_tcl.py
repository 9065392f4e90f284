"""TCL: the twin, sets of random rows against it, fully connected batches, a set by hand, what is stored."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.tcl.tcl import Tcl, TclSpec
from dataflows.machines.tcl.weight_schedule import SetSchedules, places_within
from dataflows.registry import create
from dataflows.schedule import CAUSES, Cause, Tensor
from dataflows.tiling.group_packs import GroupPacks
from dataflows.truth.convolution import reference_convolution
from tests.dataflows.machines.tcl import twin as tcl_twin
from tests.dataflows.small_layers import DENSITIES, assert_transfers_are_whole, small_traces
from workloads.errors import UnsupportedLayerError
from workloads.layer import Layer
from workloads.trace import LayerTrace


@st.composite
def specs(draw):
    return TclSpec(
        tiles=draw(st.integers(1, 3)),
        filters_per_tile=draw(st.integers(1, 4)),
        lanes=draw(st.integers(1, 6) | st.sampled_from([16, 17, 33, 64])),
        lookahead=draw(st.integers(1, 3)),
        lookaside=draw(st.integers(0, 7)),
        shape=draw(st.sampled_from(["T", "L"])),
        promote=draw(st.sampled_from(["most", "fewest"])),
        groups=draw(st.sampled_from(["packed", "alone"])),
        central_edram_bytes=draw(st.sampled_from([8, 60, 200, 1 << 20])),
        synapse_edram_bytes=draw(st.sampled_from([10, 1 << 20])),
        weights_resident=draw(st.sampled_from(["fitting", "always", "never"])),
    )


@st.composite
def fully_connected(draw):
    layer = Layer.dense(
        "fc", in_features=draw(st.integers(1, 90)), out_features=draw(st.integers(1, 9)), batch=draw(st.integers(1, 4))
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return LayerTrace(layer, random.random(layer.weight_shape) < draw(DENSITIES), np.ones(layer.input_shape, bool))


@pytest.mark.twin
@given(specs(), small_traces(many_groups=True) | small_traces() | fully_connected())
def test_every_tile_does_what_the_twin_does(spec, trace):
    schedule = Tcl(spec).schedule(trace)
    cycles, issued = tcl_twin.twin(spec, trace.layer, trace.weight_mask)
    shape = (*cycles.shape[:2], -1, spec.tiles)  # strips, whose number is the plan's affair, add up
    np.testing.assert_array_equal(schedule.cycles.reshape(*shape, CAUSES).sum(axis=2), cycles)
    np.testing.assert_array_equal(schedule.issued.reshape(shape).sum(axis=2), issued)
    assert schedule.expected_issued == issued.sum()
    if len(schedule.stores.tile):
        assert_transfers_are_whole(trace.layer, schedule, spec.value_bits)


def scheduled_sets(spec, slots, sizes):
    """Of a pointwise layer whose filters' rows are bool (filters, rows, lanes), in sets of these sizes."""
    filters, channels = len(slots), slots[0].size
    layer = Layer.conv("rows", in_channels=channels, out_channels=filters, input_size=(1, 1), kernel_size=1)
    mask = slots.reshape(layer.weight_shape)
    return SetSchedules.of(GroupPacks(layer, 1), mask, sizes.reshape(1, 1, -1), spec.rule)


@pytest.mark.twin
@given(specs(), st.integers(1, 12), st.integers(1, 14), DENSITIES, st.integers(0, 2**32 - 1))
def test_sets_are_scheduled_as_the_twin_schedules_them(spec, filters, rows, density, seed):
    """Filters of several sets side by side, some of them without any filter."""
    random = np.random.default_rng(seed)
    slots = random.random((filters, rows, spec.lanes)) < density
    sizes = np.zeros(5, np.int64)
    for _ in range(filters):
        sizes[random.integers(0, 5)] += 1
    found = scheduled_sets(spec, slots, sizes)
    edges = np.append(0, np.cumsum(sizes))
    expected = []
    for i in range(5):
        own = slots[edges[i] : edges[i + 1]]
        done = tcl_twin.schedule_set(spec, own) if len(own) else np.zeros((0, 1, 1), bool)
        expected.append((len(done), int((~done.any(axis=(1, 2))).sum()), int(done.sum())))
    np.testing.assert_array_equal(
        np.stack([found.executed, found.empty, found.weights], axis=-1)[0, 0], np.array(expected)
    )


@given(specs(), small_traces(many_groups=True) | fully_connected(), st.integers(0, 2**32 - 1))
def test_outputs_equal_a_convolution(spec, trace, seed):
    random, layer = np.random.default_rng(seed), trace.layer
    weights = random.integers(-9, 10, layer.weight_shape) * trace.weights
    activations = random.integers(-9, 10, layer.input_shape)
    found = Tcl(spec).execute(layer, weights, activations)
    np.testing.assert_array_equal(found, reference_convolution(layer, weights, activations))


@pytest.mark.parametrize(
    ("lanes", "lookahead", "lookaside", "shape"), [(16, 2, 5, "T"), (4, 2, 5, "T"), (8, 3, 4, "L")]
)
def test_places_in_reach(lanes, lookahead, lookaside, shape):
    spec = TclSpec(lanes=lanes, lookahead=lookahead, lookaside=lookaside, shape=shape)
    assert list(map(tuple, places_within(lookahead, lookaside, shape, lanes).tolist())) == tcl_twin.reach(spec)


def scheduled(spec, rows):
    """Executed rows, empty ones among them, and weights of one filter."""
    found = scheduled_sets(spec, np.array([rows], bool), np.ones(1, np.int64))
    return int(found.executed.item()), int(found.empty.item()), int(found.weights.item())


def test_a_filter_by_hand():
    spec = TclSpec(lanes=4, lookahead=1, lookaside=0)
    # The second row fills the holes of the first: both take one cycle.
    assert scheduled(spec, [[1, 0, 1, 0], [0, 1, 0, 1]]) == (1, 0, 4)
    # Slot 0 is taken, and nothing reaches aside.
    assert scheduled(spec, [[1, 0, 1, 0], [1, 0, 0, 1]]) == (2, 0, 4)
    # One to the right is in reach: slot 3 of the second row moves into slot 3, slot 0 behind it into slot 3's right.
    assert scheduled(TclSpec(lanes=4, lookahead=1, lookaside=1), [[1, 0, 1, 0], [0, 0, 0, 1]]) == (1, 0, 3)
    # Five empty rows: of each three the last runs empty, and the last two are left out.
    assert scheduled(TclSpec(lanes=4, lookahead=2), [[0] * 4] * 5) == (1, 1, 0)
    # Four rows of a single weight each, one behind the other in one lane: rows 1 and 2 move ahead of their own.
    assert scheduled(TclSpec(lanes=4, lookahead=2, lookaside=0), [[1, 0, 0, 0]] * 4) == (4, 0, 4)
    assert scheduled(TclSpec(lanes=4, lookahead=2, lookaside=2), [[1, 0, 0, 0]] * 4) == (2, 0, 4)


def test_which_slot_is_filled_first():
    rows = [[0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 1, 1]]
    # Slots 1 and 2 of the first row see two weights each and go first: slot 1 takes the one that slot 0 alone could not
    # do without, and slot 0 stays empty. So it is in the second row, and a weight is left for the third.
    assert scheduled(TclSpec(lanes=4, lookahead=1, lookaside=1), rows) == (3, 0, 6)
    # Slot 0 sees one and goes first, then slot 1, then slot 2: nothing is left of the second row.
    assert scheduled(TclSpec(lanes=4, lookahead=1, lookaside=1, promote="fewest"), rows) == (2, 0, 6)


def tile(settings, rows, layer):
    """Cycles by tile (busy, index, imbalance, unmapped) and products of a small layer whose weights are given."""
    settings = {"lanes": 2, "filters_per_tile": 2, "tiles": 2, **settings}
    weights = np.array(rows, bool).reshape(layer.weight_shape)
    schedule = create("tcl", settings).schedule(LayerTrace(layer, weights, np.ones(layer.input_shape, bool)))
    shown = schedule.cycles.sum(axis=0)[:, [Cause.BUSY, Cause.INDEX, Cause.IMBALANCE, Cause.UNMAPPED]]
    return shown.tolist(), schedule.issued.sum(axis=0).tolist()


def pointwise(channels, filters, width=1):
    return Layer.conv("tile", in_channels=channels, out_channels=filters, input_size=(1, width), kernel_size=1)


def test_tiles_by_hand():
    # On two lanes a slot reaches the other lane a row ahead, its own, and its own two rows ahead. Row 0 is left out, row
    # 1 takes the first weight of row 2.
    assert tile({}, [0, 0, 1, 0, 1, 1], pointwise(6, 1)) == ([[2, 0, 0, 0], [0, 0, 0, 2]], [3, 0])
    # Four empty rows of two windows: rows 0, 1 and 3 are left out. Two of them take no cycle on any tile.
    assert tile({}, [0] * 8, pointwise(8, 1, 2)) == ([[0, 2, 0, 0], [0, 0, 0, 2]], [0, 0])
    assert tile({}, [0] * 4, pointwise(4, 1, 2)) == ([[0] * 4] * 2, [0, 0])
    # The second tile's filters leave row 1 out, and wait for the first's.
    assert tile({}, [1] * 8 + [1, 1, 0, 0] * 2, pointwise(4, 4)) == ([[2, 0, 0, 0], [1, 0, 1, 0]], [8, 4])
    # Groups 0 and 1 share rows two wide: 10 00 10 and 00 01 00. Row 1 moves into row 0 and is left out. Group 2 alone
    # has 10 10 10, whose second row moves beside the first.
    layer = Layer.conv(
        "tile",
        in_channels=3,
        out_channels=3,
        groups=3,
        input_size=(1, 3),
        kernel_size=(1, 3),
        stride=(1, 2),
        padding=(0, 1),
    )
    weights = [1, 0, 1, 0, 1, 0, 1, 1, 1]
    assert tile({}, weights, layer) == ([[8, 0, 0, 0], [0, 0, 0, 8]], [12, 0])
    assert tile({"groups": "alone"}, weights, layer) == ([[10, 0, 0, 0], [0, 0, 0, 10]], [12, 0])


def test_a_product_of_two_activations_is_refused():
    layer = Layer.product("scores", heads=2, rows=3, depth=4, columns=3)
    masks = (np.ones(shape, bool) for shape in (layer.weight_shape, layer.input_shape))
    with pytest.raises(UnsupportedLayerError, match="scheduled before the run"):
        create("tcl").schedule(LayerTrace(layer, *masks))


def test_stored_rows_are_those_that_run():
    layer = Layer.conv("one", in_channels=16, out_channels=20, input_size=(4, 4), kernel_size=1)
    trace = LayerTrace(layer, np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool))
    schedule = create("tcl", {"weights_resident": "never"}).schedule(trace)
    # A row of 16 filters and one of 4, of 16 weights of 16 + 3 bits, and two bits for what was left out before each.
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == -(-(16 * 16 * 19 + 2) // 8) + -(-(4 * 16 * 19 + 2) // 8)
    assert schedule.cycles[..., Cause.BUSY].sum(axis=0).tolist() == [16, 16, *[0] * 14]
