from dataclasses import replace

import numpy as np
import pytest

from workloads.errors import InputError
from workloads.layer import Layer
from workloads.trace import LayerTrace

LAYER = Layer.conv("conv", in_channels=2, out_channels=3, input_size=(4, 4), kernel_size=3)


def trace(layer=LAYER, weights=None, activations=None, output_density=1.0):
    weights = np.ones(layer.weight_shape, bool) if weights is None else weights
    activations = np.ones(layer.input_shape, bool) if activations is None else activations
    return LayerTrace(layer, weights, activations, output_density)


def test_values_and_their_masks_are_the_same_trace_to_a_machine():
    values = np.arange(54, dtype=np.int8).reshape(LAYER.weight_shape) - 20
    by_value, by_mask = trace(weights=values), trace(weights=values != 0)
    assert by_value.weight_nonzeros == by_mask.weight_nonzeros == 53
    assert by_value.weight_density == 53 / 54
    assert np.array_equal(by_value.weight_mask, by_mask.weight_mask)
    assert by_value.digest == by_mask.digest


def test_the_digest_knows_geometry_and_zeros_but_no_names():
    renamed = Layer.conv("other", in_channels=2, out_channels=3, input_size=(4, 4), kernel_size=3)
    strided = Layer.conv("conv", in_channels=2, out_channels=3, input_size=(4, 4), kernel_size=3, stride=2)
    fewer = np.ones(LAYER.input_shape, bool)
    fewer[0, 1, 2, 3] = False
    assert trace(renamed).digest == trace().digest
    quantized = {replace(trace(), codebook_values=values).digest for values in (16, 256)}
    others = {trace(strided).digest, trace(activations=fewer).digest, trace(output_density=0.5).digest, *quantized}
    assert trace().digest not in others
    assert len(others) == 5


def test_a_trace_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        trace().weights[0] = 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.ones((3, 2, 3, 2))}, "layer 'conv': weights have shape (3, 2, 3, 2), must be (3, 2, 3, 3)"),
        ({"activations": np.full((1, 2, 4, 4), np.nan)}, "layer 'conv': activations hold a value that is not finite"),
        (
            {"weights": np.ones((3, 2, 3, 3), complex)},
            "layer 'conv': weights have type complex128, must be numbers or a mask",
        ),
        ({"output_density": 1.2}, "layer 'conv': output_density = 1.2, must lie between 0 and 1"),
        ({"output_density": float("nan")}, "layer 'conv': output_density = nan, must lie between 0 and 1"),
    ],
)
def test_impossible_traces_cannot_be_built(changes, message):
    with pytest.raises(InputError) as caught:
        trace(**changes)
    assert str(caught.value) == message


def test_a_codebook_without_values_cannot_be():
    with pytest.raises(InputError, match="layer 'conv': codebook_values = 0, must be at least 1"):
        replace(trace(), codebook_values=0)
