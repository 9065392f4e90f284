from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflows.truth.convolution import reference_convolution
from tests.workloads.pruning.cases import cases, conv, random_weights, workload
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.layer import Layer
from workloads.pruning import kept, parse
from workloads.pruning.methods.low_rank.factorization import Factorization, factor_layers
from workloads.pruning.methods.low_rank.lowrank import LowRank

SCHEMES = ["spatial", "channel"]


def matrix(weights, scheme):
    """The matrix that is factored, element by element."""
    filters, channels, *kernel = weights.shape
    if scheme == "spatial":
        found = np.zeros((channels * kernel[0], filters * kernel[1]))
        for n, c, i, j in np.ndindex(weights.shape):
            found[c * kernel[0] + i, n * kernel[1] + j] = weights[n, c, i, j]
        return found
    return weights.reshape(filters, -1).T.astype(float)


def product(first, second, scheme):
    """Weights that the two layers make together, from what a convolution after a convolution is."""
    if scheme == "spatial":
        return np.einsum("rci,nrj->ncij", first[:, :, :, 0], second[:, :, 0, :])
    return np.einsum("rc...,nr->nc...", first, second.reshape(second.shape[:2]))


def convolve(layer, weights, activations):
    """The reference convolution of real numbers, by their integer parts in fixed point."""
    scale = 1 << 20
    fixed = np.rint(weights * scale).astype(np.int64)
    return reference_convolution(layer, fixed, activations) / scale


@given(case=cases(kernels=[(3, 3), (2, 3), (5, 5), (1, 1), (1, 3, 3)], kinds=["float64"]),
       scheme=st.sampled_from(SCHEMES), energy=st.floats(0, 1))  # fmt: skip
def test_the_factors_are_the_truncated_svd(case, scheme, energy):
    layer, weights = case
    parts = LowRank(energy=energy, scheme=scheme).apply(workload((layer, weights)).sources)
    assume(len(parts) == 2)
    first, second = (part.weight_array(0) for part in parts)
    rank = parts[0].layer.out_channels
    left, values, right = np.linalg.svd(matrix(weights, scheme), full_matrices=False)
    truncated = (left[:, :rank] * values[:rank]) @ right[:rank]
    assert np.allclose(matrix(product(first, second, scheme), scheme), truncated, atol=1e-9)
    shares = np.cumsum(values**2) / max((values**2).sum(), 1e-300)
    assert shares[rank - 1] >= energy - 1e-9 or not weights.any()
    assert rank == 1 or shares[rank - 2] < energy


@pytest.mark.parametrize("scheme", SCHEMES)
@given(
    channels=st.integers(1, 4), filters=st.integers(1, 4), kernel=st.tuples(st.integers(2, 3), st.integers(2, 3)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 3)), dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_two_layers_together_compute_the_layer(scheme, channels, filters, kernel, stride, dilation, pads, seed):
    layer = Layer.conv(
        "conv", in_channels=channels, out_channels=filters, input_size=(7, 6), kernel_size=kernel, stride=stride,
        dilation=dilation, padding=((pads[0], pads[1]), (pads[2], pads[3])), batch=2,
    )  # fmt: skip
    weights = random_weights(layer, "float64", 1, seed)
    factorization = LowRank(ratio=1, scheme=scheme)
    full = min(matrix(weights, scheme).shape)
    source = workload((layer, weights)).sources[0]
    chosen = Factorization(source, scheme, full)
    layers = factor_layers(layer, factorization.scheme, full)
    first, second = chosen.factors(0)
    activations = np.random.default_rng(seed).integers(-7, 8, layer.input_shape)
    middle = convolve(layers[0], first, activations)
    outputs = convolve(layers[1], second, np.rint(middle * (1 << 20)).astype(np.int64)) / (1 << 20)
    assert layers[1].output_shape == layer.output_shape
    assert np.allclose(outputs, convolve(layer, weights, activations), atol=1e-2)


def test_the_full_rank_is_the_shorter_side_of_the_matrix():
    """4 channels, 20 filters of 3 x 2: (C·kh, N·kw) = (12, 40), and (C·X, N) = (24, 20)."""
    layer = conv(4, 20, (3, 2))
    source = workload((layer, np.ones(layer.weight_shape, bool))).sources[0]
    assert {scheme: Factorization(source, scheme).full_rank for scheme in SCHEMES} == {"spatial": 12, "channel": 20}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_error_of_the_output_falls_with_the_rank(scheme):
    layer = conv(6, 8, padding=1)
    weights = random_weights(layer, "float64", 1, 5)
    activations = np.random.default_rng(5).integers(-7, 8, layer.input_shape)
    exact = convolve(layer, weights, activations)
    errors = []
    for energy in (0.2, 0.4, 0.6, 0.8):
        parts = LowRank(energy=energy, scheme=scheme).apply(workload((layer, weights)).sources)
        assert len(parts) == 2
        together = product(*(part.weight_array(0) for part in parts), scheme)
        errors.append(np.square(convolve(layer, together, activations) - exact).sum())
    assert errors == sorted(errors, reverse=True)
    assert len(set(errors)) == 4


@given(channels=st.integers(2, 40), filters=st.integers(2, 40), ratio=st.floats(1, 8), kernel=st.sampled_from([3, 5]))
def test_the_rank_of_a_mac_ratio(channels, filters, ratio, kernel):
    layer = conv(channels, filters, (kernel, kernel), padding=kernel // 2)
    weights = np.ones(layer.weight_shape, bool)
    parts = LowRank(ratio=ratio).apply(workload((layer, weights)).sources)
    exact = kernel * channels * filters / (ratio * (channels + filters))
    if len(parts) == 1:
        assert max(int(exact + 1e-9), 1) * kernel * (channels + filters) >= kernel**2 * channels * filters
        return
    rank = parts[0].layer.out_channels
    assert rank in {max(int(exact + error), 1) for error in (-1e-9, 1e-9)}
    pixels = layer.output_count // layer.out_channels
    assert sum(part.layer.dense_macs for part in parts) == kernel * rank * (channels + filters) * pixels
    assert rank == 1 or layer.dense_macs >= ratio * sum(part.layer.dense_macs for part in parts) * (1 - 1e-12)


def test_masks_become_dense_masks_and_the_map_between_is_dense():
    network = load_workload("vgg16@deep-compression").select("conv4_2").prune(parse("lowrank:ratio=4"))
    assert [layer.name for layer in network.layers] == ["conv4_2.vertical", "conv4_2.horizontal"]
    assert [layer.kernel_size for layer in network.layers] == [(3, 1), (1, 3)]
    assert network.layers[0].out_channels == 3 * 512 * 512 // (4 * 1024)
    traces = [network.trace(index) for index in range(2)]
    assert all(trace.weights.dtype == bool and trace.weights.all() for trace in traces)
    assert (
        traces[0].activation_density
        == load_workload("vgg16@deep-compression").select("conv4_2").trace(0).activation_density
    )
    assert traces[0].output_density == traces[1].activation_density == 1
    assert kept(network.sources[1], 0).storage_format == "dense"
    assert "spatial factor of rank 192" in network.sources[0].origin


def test_strides_and_padding_go_to_the_factor_of_their_axis():
    layer = conv(16, 16, size=9, stride=(2, 3), padding=((1, 0), (2, 1)))
    parts = LowRank(ratio=2).apply(workload((layer, np.ones(layer.weight_shape, bool))).sources)
    first, second = (part.layer for part in parts)
    assert (first.stride, first.padding) == ((2, 1), ((1, 0), (0, 0)))
    assert (second.stride, second.padding) == ((1, 3), ((0, 0), (2, 1)))
    assert second.output_size == layer.output_size
    assert layer.dense_macs >= 2 * (first.dense_macs + second.dense_macs)


def test_layers_that_cannot_gain_stay():
    grouped, thin = conv(4, 4, groups=2), conv(1, 1, (2, 2))
    pointwise, fully = conv(32, 32, (1, 1)), Layer.dense("fc", in_features=64, out_features=64)
    layers = (grouped, thin, pointwise, fully)
    sources = workload(*((layer, np.ones(layer.weight_shape, bool)) for layer in layers)).sources
    assert LowRank(ratio=2).apply(sources) == sources
    names = [source.layer.name for source in LowRank(ratio=2, scheme="channel").apply(sources)]
    assert names == ["conv", "conv", "conv.reduce", "conv.restore", "fc.reduce", "fc.restore"]
    assert LowRank(ratio=2, scheme="channel").apply(sources)[-1].layer.fully_connected


def test_the_other_layers_keep_their_traces():
    plain = load_workload("alexnet")
    network = plain.prune(parse("lowrank:ratio=2"))
    place = [layer.name for layer in network.layers].index("conv4")
    assert network.trace(place).digest == plain.trace(3).digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lowrank", "pruning 'lowrank': give either ratio or energy, one of them"),
        ("lowrank:ratio=2,energy=0.5", "pruning 'lowrank': give either ratio or energy, one of them"),
        ("lowrank:ratio=0.5", "pruning 'lowrank': ratio = 0.5: must be a number between 1 and 1000000.0"),
    ],
)
def test_wrong_options_are_refused(text, message):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_an_energy_needs_values():
    with pytest.raises(InputError) as caught:
        load_workload("vgg16").prune(parse("lowrank:energy=0.9"))
    assert str(caught.value) == ("pruning 'lowrank': energy = 0.9: layer 'conv1_1' is known as a mask only; give ratio")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_only_the_first_factor_reads_the_networks_input(scheme):
    chosen = load_workload("alexnet").select("conv1")
    sources = (replace(chosen.sources[0], input_in_dram=True),)
    split = replace(chosen, sources=sources).prune(parse(f"lowrank:scheme={scheme},ratio=2"))
    assert [split.trace(i).input_in_dram for i in range(2)] == [True, False]
