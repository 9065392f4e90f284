"""What SCNN's PEs hold, by hand: lists of activations, results in the output RAM, vectors in the weight FIFO."""

import numpy as np

import dataflows.machines.scnn.tile_work
from dataflows.machines.scnn.nonzero_lists import as_bytes
from dataflows.machines.scnn.planar_schedule import plan_of
from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.machines.scnn.tile_work import StoredActivations
from workloads.layer import Layer
from workloads.trace import LayerTrace


def ones(layer):
    return LayerTrace(layer, np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool))


def test_lists_stay_for_the_second_pass_where_they_have_room_and_are_the_same_when_built_again(monkeypatch):
    """Two images in four sub-tiles of 2 x 2 positions: eight windows, of four bytes an activation."""
    layer = Layer.conv("cut", in_channels=3, out_channels=1, input_size=(4, 4), kernel_size=1, batch=2)
    spec = ScnnSpec(pe_rows=1, pe_columns=1, accumulator_entries=4, tile_cut="positions")
    mask, plan = np.random.default_rng(0).random(layer.input_shape) < 0.5, plan_of(spec, layer)
    assert plan is not None
    stored = []
    for room in (4 * mask.size, 4 * mask.size - 1):
        monkeypatch.setattr(dataflows.machines.scnn.tile_work, "_KEPT_LIST_BYTES", room)
        stored.append(StoredActivations.of(as_bytes(mask), plan, spec.activation_rules))
    assert [len(each.kept) for each in stored] == [8, 0]
    for image, cut in np.ndindex(2, 4):
        kept, again = (each.lists(image, cut) for each in stored)
        np.testing.assert_array_equal(kept.start, again.start)
        np.testing.assert_array_equal(kept.offset, again.offset)


def test_rows_of_outputs_are_shared_by_rows_of_pes_and_columns_by_columns():
    """8 x 3 outputs on 2 x 3 PEs are 4 x 1 each: of 8 channels 32 results of 20 bits, 80 bytes."""
    layer = Layer.conv("tall", in_channels=1, out_channels=8, input_size=(8, 3), kernel_size=1)
    fits, exceeds = (
        Scnn(ScnnSpec(pe_rows=2, pe_columns=3, accumulator_entries=16, oaram_bytes=room)).schedule(ones(layer))
        for room in (80, 79)
    )
    assert not fits.spills
    assert "activations spill to DRAM: outputs take 80 bytes on a PE, OARAM has 79" in exceeds.notes


def test_the_published_weight_fifo_has_500_bytes_a_pe():
    """Table II of Parashar et al., ISCA 2017: 50 vectors of 4 weights, here of 20 bits."""
    layer = Layer.conv("small", in_channels=1, out_channels=1, input_size=(8, 8), kernel_size=1)
    rooms = {use.name: use.capacity_bytes for use in Scnn().schedule(ones(layer)).buffers}
    assert rooms["weight_fifo"] == 64 * 500
