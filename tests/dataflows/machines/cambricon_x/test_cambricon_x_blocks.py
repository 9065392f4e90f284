"""Where Cambricon-X cuts a layer and where its inputs lie, by hand."""

import numpy as np
import pytest

from dataflows.machines.cambricon_x.cambricon_x import CambriconX
from dataflows.machines.cambricon_x.neuron_blocks import NeuronBlocks
from dataflows.schedule import Tensor
from workloads.layer import Layer
from workloads.trace import LayerTrace


@pytest.mark.parametrize(
    ("held_sums", "strip"), [(20, (1, 14)), (29, (1, 28)), (30, (1, 30)), (70, (2, 30)), (200, (4, 30))]
)
def test_a_strip_is_what_the_waiting_sums_have_room_for(held_sums, strip):
    """Four rows of 30 outputs, of which 7 neurons make blocks of 7; two chunks, so that sums wait."""
    layer = Layer.conv("l", in_channels=2, out_channels=1, input_size=(4, 30), kernel_size=1)
    blocks = NeuronBlocks.of(layer, np.arange(3), 1, groups=1, held_neurons=7, held_sums=held_sums)
    assert blocks is not None
    assert (blocks.block, blocks.strip) == ((1, 7), strip)


def test_an_image_lies_behind_all_channels_of_the_one_before():
    """Two images of three rows, each row 5 positions of 4 channels of two bytes: six runs of 40 bytes."""
    layer = Layer.conv("l", in_channels=4, out_channels=1, input_size=(3, 5), kernel_size=1, batch=2)
    trace = LayerTrace(layer, np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool))
    loads = CambriconX().schedule(trace).loads
    inputs = loads.tensor == Tensor.INPUT
    assert loads.address[inputs].tolist() == [0, 40, 80, 120, 160, 200]
    assert loads.size_bytes[inputs].tolist() == [40] * 6
