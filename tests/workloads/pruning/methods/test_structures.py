"""Every structure, found again in the kept weights by loops that know nothing of how they were chosen."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.pruning.cases import cases, conv, energy, kept_of, random_weights, workload
from tests.workloads.pruning.checks import assert_units, blocks
from workloads.errors import InputError
from workloads.pruning import kept, parse
from workloads.pruning.methods.aap import AcceleratorAware
from workloads.pruning.methods.block import Block
from workloads.pruning.methods.channels.filter import Filter
from workloads.pruning.methods.kernel import Kernel
from workloads.pruning.methods.nm import NM
from workloads.pruning.methods.nm_transposable import NMTransposable
from workloads.pruning.methods.shape import Shape
from workloads.pruning.methods.vector import Vector

DENSITIES = st.floats(0, 1)


@given(case=cases(), density=DENSITIES)
def test_filters(case, density):
    layer, weights = case
    keep = kept_of(Filter(density), layer, weights)
    depthwise = layer.groups == layer.in_channels == layer.out_channels
    size = layer.out_channels if depthwise else layer.group_out_channels
    for first in range(0, layer.out_channels, size):
        own = slice(first, first + size)
        assert_units(weights[own], keep[own], [(k,) for k in range(size)], round(density * size))


@given(case=cases(), density=DENSITIES)
def test_shapes_are_the_same_positions_in_all_filters_of_a_group(case, density):
    layer, weights = case
    keep = kept_of(Shape(density), layer, weights)
    columns = list(np.ndindex(weights.shape[1:]))
    for group in range(layer.groups):
        own = slice(group * layer.group_out_channels, (group + 1) * layer.group_out_channels)
        units = [(slice(None), *column) for column in columns]
        assert_units(weights[own], keep[own], units, round(density * len(columns)))


@given(case=cases(), density=DENSITIES)
def test_kernels_freely(case, density):
    layer, weights = case
    units = list(np.ndindex(weights.shape[:2]))
    assert_units(weights, kept_of(Kernel(density), layer, weights), units, round(density * len(units)))


@given(case=cases(), density=DENSITIES)
def test_kernels_as_many_in_every_filter(case, density):
    layer, weights = case
    keep = kept_of(Kernel(density, balance="filter"), layer, weights)
    units = [(c,) for c in range(layer.group_in_channels)]
    for own, chosen in zip(weights, keep, strict=True):
        assert_units(own, chosen, units, round(density * len(units)))


@given(case=cases(), density=DENSITIES, axis=st.sampled_from(["row", "column"]))
def test_vectors(case, density, axis):
    layer, weights = case
    keep = kept_of(Vector(density, axis), layer, weights)
    if axis == "row":
        units = list(np.ndindex(weights.shape[:-1]))
    else:
        units = [(*place[:-1], slice(None), place[-1]) for place in np.ndindex(*weights.shape[:-2], weights.shape[-1])]
    assert_units(weights, keep, units, round(density * len(units)))


@given(case=cases(), density=DENSITIES, filters=st.integers(1, 9), channels=st.integers(1, 9))
def test_blocks(case, density, filters, channels):
    layer, weights = case
    units = list(blocks(layer, filters, channels))
    keep = kept_of(Block(density, filters, channels), layer, weights)
    assert_units(weights, keep, units, round(density * len(units)))


def assert_largest_in_groups(weights, keep, groups, count):
    for group in groups:
        own, chosen = weights[group], keep[group]
        assert chosen.sum() == min(count, np.count_nonzero(own))
        if weights.dtype != np.bool_:
            best = max(map(energy, map(np.array, itertools.combinations(own, min(count, own.size)))), default=0)
            assert energy(own * chosen) == pytest.approx(best, rel=1e-5)


@given(case=cases(kernels=[(1, 1), (2, 3), (3, 1, 1)]), m=st.integers(1, 8), data=st.data())
def test_n_of_every_m_channels(case, m, data):
    layer, weights = case
    n = data.draw(st.integers(0, m))
    groups = [
        (k, slice(c, c + m), *place)
        for k in range(layer.out_channels)
        for c in range(0, layer.group_in_channels, m)
        for place in np.ndindex(weights.shape[2:])
    ]
    assert_largest_in_groups(weights, kept_of(NM(n, m), layer, weights), groups, n)


@given(case=cases(kernels=[(1, 1), (2, 3)], kinds=("float32", "int8")), m=st.integers(1, 3), data=st.data())
def test_transposable_blocks_keep_the_most_that_any_square_mask_does(case, m, data):
    layer, weights = case
    n = data.draw(st.integers(0, m))
    keep = kept_of(NMTransposable(n, m), layer, weights)
    assert not (keep & (weights == 0)).any()
    size = np.abs(weights.astype(np.float64))
    squares = [np.reshape(bits, (m, m)) for bits in itertools.product([False, True], repeat=m * m)]
    squares = [mask for mask in squares if (mask.sum(axis=0) == n).all() and (mask.sum(axis=1) == n).all()]
    for group in range(layer.groups):
        own = slice(group * layer.group_out_channels, (group + 1) * layer.group_out_channels)
        for k, c, *tap in itertools.product(
            range(0, layer.group_out_channels, m),
            range(0, layer.group_in_channels, m),
            *map(range, layer.kernel_size),
        ):
            place = (slice(k, k + m), slice(c, c + m), *tap)
            block, kept_there = size[own][place], keep[own][place]
            most = max(block[mask[: block.shape[0], : block.shape[1]]].sum() for mask in squares)
            assert block[kept_there].sum() == pytest.approx(most)
            assert (kept_there.sum(axis=0) <= n).all()
            assert (kept_there.sum(axis=1) <= n).all()


def test_a_transposable_mask_is_nm_both_ways():
    layer = conv(16, 12, kernel=(1, 1))
    keep = kept_of(parse("nm-transposable"), layer, np.ones(layer.weight_shape, bool))[:, :, 0, 0]
    assert (keep.reshape(12, 4, 4).sum(axis=2) == 2).all()
    assert (keep.T.reshape(16, 3, 4).sum(axis=2) == 2).all()
    facts = parse("nm-transposable").facts(layer, keep.reshape(layer.weight_shape))
    along = {"groups": 48, "fewest_in_a_group": 2, "most": 2}
    assert facts == along | {f"filter_{key}": value for key, value in along.items()}


@given(case=cases(kernels=[(1, 1), (2, 3)]), g=st.integers(1, 8), data=st.data())
def test_accelerator_aware_along_filters(case, g, data):
    layer, weights = case
    p = data.draw(st.integers(0, g))
    keep = kept_of(AcceleratorAware(conv_g=g, conv_p=p, orientation="filters"), layer, weights)
    groups = [
        (slice(k, min(k + g, first + layer.group_out_channels)), *place)
        for first in range(0, layer.out_channels, layer.group_out_channels)
        for k in range(first, first + layer.group_out_channels, g)
        for place in np.ndindex(weights.shape[1:])
    ]
    assert_largest_in_groups(weights, keep, groups, g - p)


def test_accelerator_aware_settings_for_convolutions_fully_connected_layers_and_the_last():
    network = parse("aap").apply(
        workload(
            (conv(16, 4), np.ones((4, 16, 3, 3), bool)),
            *((fc, np.ones(fc.weight_shape, bool)) for fc in (dense("fc6", 64, 32), dense("fc7", 32, 16))),
        ).sources
    )
    weights = [source.weight_array(0) for source in network]
    assert (weights[0].reshape(4, 2, 8, 9).sum(axis=2) == 2).all()
    assert (weights[1].reshape(32, 4, 16).sum(axis=2) == 1).all()
    assert (weights[2].reshape(16, 2, 16).sum(axis=2) == 4).all()
    formats = [kept(source, 0).storage_format for source in network]
    assert formats == ["nm:n=2,m=8", "nm:n=1,m=16", "nm:n=4,m=16"]
    assert kept(network[2], 0).facts == {"aap": {"groups": 32, "fewest_in_a_group": 4, "most": 4}}


def dense(name, inputs, outputs):
    return conv(1, 1).dense(name, in_features=inputs, out_features=outputs)


def test_accelerator_aware_pruning_is_n_of_m_along_channels():
    layer = conv(16, 4)
    weights = random_weights(layer, "float32", 1, 0)
    assert np.array_equal(kept_of(parse("aap"), layer, weights), kept_of(NM(2, 8), layer, weights))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nm:n=5,m=4", "pruning 'nm': n = 5: must be at most m = 4"),
        ("nm-transposable:n=3,m=2", "pruning 'nm-transposable': n = 3: must be at most m = 2"),
        ("aap:conv_p=9", "pruning 'aap': conv_p = 9: must be at most conv_g = 8"),
        ("aap:last_g=8", "pruning 'aap': last_p = 12: must be at most last_g = 8"),
        (
            "aap:orientation=chanels",
            "pruning 'aap': orientation = 'chanels': must be one of channels, filters; did you mean 'channels'?",
        ),
        ("vector:density=.5,axis=z", "pruning 'vector': axis = 'z': must be one of row, column"),
        ("block:density=0.5,filters=0", "pruning 'block': filters = 0: must be a whole number between 1 and 4096"),
        ("block:density=0.5,density=0.6", "pruning 'block': key 'density' is given twice"),
    ],
)
def test_wrong_options_are_refused(text, message):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_facts_count_what_holds_a_non_zero():
    """Of 2 x 3 blocks of 4 filters x 2 channels two hold one; of 5 x 9 columns three are used, one by two filters."""
    layer = conv(5, 8)
    weights = np.zeros(layer.weight_shape, np.float32)
    weights[0, 0, 0, 0] = weights[7, 0, 0, 0] = weights[7, 1, 2, 2] = weights[6, 0, 1, 0] = 1.5
    assert Block(1.0, filters=4, channels=2).facts(layer, weights) == {"blocks": 2, "of": 6}
    assert Shape(1.0).facts(layer, weights) == {"columns": 3, "of": 45}
