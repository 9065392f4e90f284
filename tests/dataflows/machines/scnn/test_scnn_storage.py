"""What SCNN's PEs hold, by hand: lists of activations, results in the output RAM, vectors in the weight FIFO."""

import numpy as np
import pytest

from dataflows.machines.scnn.nonzero_lists import as_bytes
from dataflows.machines.scnn.planar_schedule import plan_of
from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.machines.scnn.tile_work import StoredActivations
from workloads.layer import Layer
from workloads.trace import LayerTrace


def ones(layer):
    return LayerTrace(layer, np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("run_bits", [0, 1, 4])
def test_windows_hold_what_the_lists_do(stride, run_bits):
    """Two images in four sub-tiles of 1 x 4 positions: eight windows, whose bits stand at the lists' offsets."""
    size = (4 * stride, 3 * stride + 1)
    layer = Layer.conv("cut", in_channels=3, out_channels=1, input_size=size, kernel_size=1, stride=stride, batch=2)
    spec = ScnnSpec(
        pe_rows=1, pe_columns=1, accumulator_entries=4, tile_cut="positions", zero_run_bits=run_bits, iaram_bytes=10**6
    )
    mask, plan = np.random.default_rng(0).random(layer.input_shape) < 0.5, plan_of(spec, layer)
    assert plan is not None
    stored = StoredActivations.of(as_bytes(mask), plan, spec.activation_rules)
    assert len(stored.windows) == 8
    for image, cut in np.ndindex(2, 4):
        lists, windows = stored.lists(image, cut), stored.windows[4 * image + cut]
        assert lists.entries.tolist() == [stored.entries[image, cut, 0]]
        for v in range(3):
            listed = lists.offset[lists.start[0, v] : lists.start[0, v + 1]]
            assert sum(1 << int(offset) for offset in listed if offset >= 0) == windows.words[0, v, 0, 0]
            assert windows.fillers[0, v, 0] == (listed < 0).sum()


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
