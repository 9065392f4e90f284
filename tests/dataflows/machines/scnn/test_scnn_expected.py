"""SCNN's analytical model beside exact sums, random masks whose vectors are counted one by one, and the machine itself."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.scnn.expected_work import expected_vectors
from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.schedule import Cause
from workloads.errors import UnsupportedLayerError
from workloads.layer import Layer
from workloads.trace import LayerTrace

SMALL = {"pe_rows": 2, "pe_columns": 3, "weights_per_vector": 3, "activations_per_vector": 4}
STRIDED = Layer.conv(
    "strided", in_channels=4, out_channels=6, input_size=(9, 11), kernel_size=3, stride=2, padding=1, groups=2, batch=2
)
DILATED = Layer.conv("dilated", in_channels=3, out_channels=4, input_size=(7, 8), kernel_size=(2, 3), dilation=(2, 1))
FULLY_CONNECTED = Layer.dense("fc", in_features=30, out_features=20, batch=2)


@given(st.integers(0, 40), st.floats(0, 1), st.integers(1, 9))
def test_expected_vectors_are_the_sum_over_all_counts(positions, density, lanes):
    exact = sum(
        math.comb(positions, k) * density**k * (1 - density) ** (positions - k) * -(-k // lanes)
        for k in range(positions + 1)
    )
    assert expected_vectors(positions, density, lanes) == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_expected_vectors_by_hand():
    # Four positions at one half: 15 of 16 draws have a non-zero, which one vector of 4 holds. In vectors of 3 the one
    # draw of four non-zeros needs a second.
    assert expected_vectors(4, 0.5, 4) == pytest.approx(15 / 16)
    assert expected_vectors(4, 0.5, 3) == pytest.approx(16 / 16)
    assert (expected_vectors(9, 1.0, 4), expected_vectors(9, 0.0, 4), expected_vectors(0, 0.3, 4)) == (3.0, 0.0, 0.0)


@pytest.mark.parametrize("density", [1e-6, 0.01, 0.3, 0.999, 1.0])
def test_expected_vectors_of_large_tiles_neither_overflow_nor_lose_digits(density):
    positions, lanes = 100_000, 4
    drawn = np.random.default_rng(0).binomial(positions, density, 200_000)
    counted = -(-drawn // lanes)
    error = 5 * counted.std() / math.sqrt(len(counted)) + 1e-9
    assert expected_vectors(positions, density, lanes) == pytest.approx(counted.mean(), abs=error)


def counted_work(spec, layer, weights, activations):
    """Cycles and products of each PE for one pair of masks, each tap and channel looked at by itself.

    Written from the rules: a weight meets the activations of its tap's phase that lie in the PE's tile.
    """
    cycles, products = np.zeros((2, spec.pe_rows, spec.pe_columns))
    maps = [-(-size // stride) for size, stride in zip(layer.input_size, layer.stride, strict=True)]
    tile = [-(-extent // pes) for extent, pes in zip(maps, cycles.shape, strict=True)]
    for (k, c, r, s), kept in np.ndenumerate(weights):
        if not kept:
            continue
        channel = k // layer.group_out_channels * layer.group_in_channels + c
        top = (r * layer.dilation[0] - layer.padding[0][0]) % layer.stride[0]
        left = (s * layer.dilation[1] - layer.padding[1][0]) % layer.stride[1]
        for image in activations[:, channel, top :: layer.stride[0], left :: layer.stride[1]]:
            for i, j in np.ndindex(cycles.shape):
                here = image[i * tile[0] : (i + 1) * tile[0], j * tile[1] : (j + 1) * tile[1]].sum()
                cycles[i, j] += -(-here // spec.activations_per_vector) / spec.weights_per_vector
                products[i, j] += here
    return cycles.reshape(-1), products.reshape(-1)


@pytest.mark.twin
@pytest.mark.parametrize("layer", [STRIDED, DILATED], ids=lambda layer: layer.name)
@pytest.mark.parametrize("skip", ["both", "weights", "activations"])
def test_random_masks_cost_what_is_expected_of_them(layer, skip):
    spec, random = ScnnSpec(**SMALL, skip=skip), np.random.default_rng(1)
    densities, draws = (0.4, 0.3), []
    for _ in range(60):
        masks = [
            np.ones(shape, bool) if skip == other else random.random(shape) < density
            for shape, density, other in zip(
                (layer.weight_shape, layer.input_shape), densities, ("activations", "weights"), strict=True
            )
        ]
        draws.append(counted_work(spec, layer, *masks))
    work = Scnn(spec).expected_work(layer, *densities)
    for expected, counted in zip((work.busy, work.issued), np.array(draws).transpose(1, 0, 2), strict=True):
        error = 4.5 * counted.std(axis=0) / math.sqrt(len(counted)) + 1e-9
        assert (abs(counted.mean(axis=0) - expected) <= error).all()


@pytest.mark.parametrize("settings", [{}, {"weights_per_vector": 4}, {"weights_per_vector": 2, "pe_columns": 6}])
def test_a_dense_layer_is_busy_as_long_as_the_machine_is(settings):
    # 4 filters of 6 taps: blocks of 24 weights leave no lane empty in vectors of 2, 3 and 4.
    spec = ScnnSpec(**{**SMALL, "accumulator_banks": 256, **settings})
    trace = LayerTrace(DILATED, np.ones(DILATED.weight_shape, bool), np.ones(DILATED.input_shape, bool))
    schedule, work = Scnn(spec).schedule(trace), Scnn(spec).expected_work(DILATED, 1.0, 1.0)
    assert work.busy == pytest.approx(schedule.cycles[:, :, Cause.BUSY].sum(axis=0))
    assert work.issued == pytest.approx(schedule.issued.sum(axis=0))
    assert Scnn(spec).expected_cycles(DILATED, 1.0, 1.0) == pytest.approx(work.busy.max())


def test_a_dense_fully_connected_layer_is_busy_as_long_as_the_machine_is():
    spec = ScnnSpec(**{**SMALL, "weights_per_vector": 2, "accumulator_banks": 256})
    trace = LayerTrace(
        FULLY_CONNECTED, np.ones(FULLY_CONNECTED.weight_shape, bool), np.ones(FULLY_CONNECTED.input_shape, bool)
    )
    schedule, work = Scnn(spec).schedule(trace), Scnn(spec).expected_work(FULLY_CONNECTED, 1.0, 1.0)
    assert work.busy == pytest.approx(schedule.cycles[:, :, Cause.BUSY].sum(axis=0))
    assert work.issued == pytest.approx(schedule.issued.sum(axis=0))
    # Of the activations one in two is not zero, of a PE's weights one in five: a tenth of the cycles.
    sparse = Scnn(spec).expected_work(FULLY_CONNECTED, 0.2, 0.5)
    assert sparse.busy == pytest.approx(work.busy / 10)


def test_a_side_whose_zeros_are_kept_is_dense():
    for skip, kept in (("weights", (0.3, 1.0)), ("activations", (1.0, 0.4))):
        for layer in (STRIDED, FULLY_CONNECTED):
            one_sided, both = Scnn(ScnnSpec(**SMALL, skip=skip)), Scnn(ScnnSpec(**SMALL))
            assert one_sided.expected_cycles(layer, 0.3, 0.4) == both.expected_cycles(layer, *kept)


def test_a_batch_and_more_zeros_cost_what_they_must():
    machine = Scnn(ScnnSpec(**SMALL))
    one = machine.expected_cycles(STRIDED.with_batch(1), 0.3, 0.4)
    assert machine.expected_cycles(STRIDED, 0.3, 0.4) == pytest.approx(2 * one)
    assert machine.expected_cycles(STRIDED.with_batch(1), 0.6, 0.4) == pytest.approx(2 * one)  # weight vectors are full
    assert one < machine.expected_cycles(STRIDED.with_batch(1), 0.3, 0.8) < 2 * one  # activation vectors are not
    assert machine.expected_cycles(STRIDED, 0.0, 0.4) == machine.expected_cycles(STRIDED, 0.3, 0.0) == 0


def test_layers_that_the_machine_refuses_have_no_expectation():
    volume = Layer.conv("volume", in_channels=1, out_channels=1, input_size=(3, 3, 3), kernel_size=1)
    with pytest.raises(UnsupportedLayerError):
        Scnn().expected_cycles(volume, 1.0, 1.0)
    with pytest.raises(UnsupportedLayerError):
        Scnn(ScnnSpec(accumulator_entries=4)).expected_cycles(replace(STRIDED, kernel_size=(9, 9)), 1.0, 1.0)
