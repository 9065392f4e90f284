import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.pruning.cases import cases, conv, random_weights, workload
from workloads.errors import InputError
from workloads.pruning import kept, parse
from workloads.pruning.methods.quantize import Quantize, codebook, to_codebook, to_grid
from workloads.source import LayerSource
from workloads.workload import Workload


@given(case=cases(kinds=["mask", "float32", "float64", "int8"]), bits=st.integers(2, 8),
       method=st.sampled_from(["uniform", "codebook"]))  # fmt: skip
def test_weights_take_few_values_and_zeros_stay_where_they_are(case, bits, method):
    layer, weights = case
    quantized = Quantize(bits, method).pruned(layer, weights, np.random.default_rng(0))
    assert np.array_equal(quantized != 0, weights != 0)
    assert len(np.unique(quantized[quantized != 0])) <= (1 << bits) - (method == "uniform")
    again = Quantize(bits, method).pruned(layer, weights, np.random.default_rng(0))
    assert np.array_equal(quantized, again)


@given(case=cases(kinds=["float64"]), bits=st.integers(2, 8))
def test_the_grid_is_uniform_and_nearest(case, bits):
    weights = case[1]
    quantized = to_grid(weights, bits)
    top = np.abs(weights).max()
    step = top / (2 ** (bits - 1) - 1)
    for value, found in zip(weights.reshape(-1), quantized.reshape(-1), strict=True):
        if value == 0:
            assert found == 0
        else:
            levels = [sign * n * step for n in range(1, 2 ** (bits - 1)) for sign in (1, -1)]
            assert abs(found - value) <= min(abs(level - value) for level in levels) + 1e-12


@given(case=cases(kinds=["float64"]), bits=st.integers(1, 4))
def test_the_codebook_is_a_fixed_point_of_k_means(case, bits):
    weights = case[1]
    nonzeros = weights[weights != 0]
    if not nonzeros.size:
        return
    centres = codebook(nonzeros, bits)
    assert np.array_equal(centres, np.sort(centres))
    nearest = np.abs(nonzeros[:, None] - centres).argmin(axis=1)
    for place, centre in enumerate(centres):
        assert centre == pytest.approx(nonzeros[nearest == place].mean(), abs=1e-9)
    spread = np.linspace(nonzeros.min(), nonzeros.max(), 1 << bits)
    assert np.square(to_codebook(weights, bits) - weights).sum() <= (
        np.square(np.abs(nonzeros[:, None] - spread).min(axis=1)).sum() + 1e-9
    )


def test_a_centroid_at_zero_takes_no_weight_away():
    """The two centroids of -1, 1 and 20 are 0 and 20: a weight of value 0 would be a pruned one."""
    weights = np.array([-1.0, 1.0, 20.0, 0.0])
    assert codebook(weights[:3], 1).tolist() == [0.0, 20.0]
    quantized = to_codebook(weights, 1)
    assert (quantized != 0).tolist() == [True, True, True, False]
    assert quantized == pytest.approx([0, 0, 20, 0], abs=1e-30)


def test_masks_get_values_by_the_seed():
    layer = conv(16, 16)
    network = workload((layer, random_weights(layer, "mask", 0.5, 0))).prune(parse("quantize:bits=4"))
    first, second = network.trace(0).weights, Workload("other", network.sources, seed=1).trace(0).weights
    assert np.array_equal(first != 0, second != 0)
    assert not np.array_equal(first, second)
    facts = kept(network.sources[0], 0).facts["quantize"]
    assert facts["bits"] == 4
    assert facts["codebook_bits"] == 0
    assert 8 < facts["values"] <= 15
    assert kept(network.sources[0], 0).storage_format == "dense:value_bits=4"
    assert Quantize(4, "codebook").codebook_bits == 16 * 16


def test_activations_of_known_value_are_quantized_and_masks_stay():
    layer = conv(4, 4)
    weights = random_weights(layer, "float32", 1, 0)
    source = workload((layer, weights)).sources[0]
    values = np.random.default_rng(1).random(layer.input_shape).astype(np.float32)

    class Values:
        def array(self, shape, stream):
            del stream
            return values.reshape(shape)

    held = LayerSource(0, layer, source.weights, Values())
    pruned = Workload("small", (held, source)).prune(parse("quantize:activation_bits=3"))
    assert len(np.unique(pruned.trace(0).activations)) <= 4
    assert pruned.trace(1).activations.dtype == bool


def test_a_codebook_index_may_have_twelve_bits():
    assert Quantize(12, "codebook").codebook_bits == 16 << 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quantize:bits=1", "pruning 'quantize': bits = 1: method = uniform needs at least 2"),
        (
            "quantize:bits=13,method=codebook",
            "pruning 'quantize': bits = 13: method = codebook takes at most 12",
        ),
        ("quantize:activation_bits=1", "pruning 'quantize': activation_bits = 1: must be 0 or at least 2"),
        ("quantize:bits=32", "pruning 'quantize': bits = 32: must be a whole number between 1 and 16"),
    ],
)
def test_wrong_options_are_refused(text, message):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value) == message
