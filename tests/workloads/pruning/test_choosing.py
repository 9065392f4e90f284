import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.pruning.cases import layers, random_weights
from workloads.pruning.choosing import energies, groups_along, join_groups, join_kernel_groups, kernel_groups, largest


@given(
    rows=st.integers(1, 4), length=st.integers(1, 9), top=st.sampled_from([1, 3, 1000]), count=st.integers(0, 10),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_the_largest_are_those_of_a_sort_ties_going_to_the_first(rows, length, top, count, seed):
    scores = np.random.default_rng(seed).integers(0, top + 1, (rows, length)).astype(np.float32)
    expected = np.zeros(scores.shape, bool)
    for row, chosen in zip(scores, expected, strict=True):
        for place in sorted(range(length), key=lambda i: (-row[i], i))[:count]:
            chosen[place] = row[place] > 0
    assert np.array_equal(largest(scores, count), expected)
    assert np.array_equal(largest(scores[0], count), expected[0])


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)), axis=st.integers(0, 2),
    length=st.integers(1, 7),
)  # fmt: skip
def test_groups_along_an_axis_hold_neighbours_and_join_again(shape, axis, length):
    array = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    groups = groups_along(array, axis, length)
    assert np.array_equal(join_groups(groups, axis, shape[axis]), array)
    for place in np.ndindex(shape):
        where = list(place)
        where[axis] //= length
        assert groups[(*where, place[axis] % length)] == array[place]
    assert np.count_nonzero(groups) == array.size


@given(layer=layers(), filters=st.integers(1, 9), channels=st.integers(1, 9))
def test_kernel_groups_hold_kernels_of_one_convolution_group_and_join_again(layer, filters, channels):
    weights = np.arange(1, 1 + layer.weight_count).reshape(layer.weight_shape)
    groups = kernel_groups(layer, weights, filters, channels)
    assert np.array_equal(join_kernel_groups(layer, groups, weights.shape), weights)
    per_group = layer.group_out_channels
    for k, c in np.ndindex(weights.shape[:2]):
        inside = k % per_group
        kernel = groups[k // per_group, inside // filters, c // channels, inside % filters, c % channels]
        assert np.array_equal(kernel, weights[k, c].reshape(-1))


@given(layer=layers(), kind=st.sampled_from(["mask", "float32", "int8"]), seed=st.integers(0, 100))
def test_a_unit_scores_nothing_only_where_it_holds_nothing(layer, kind, seed):
    weights = random_weights(layer, kind, 0.2, seed)
    scores = energies(weights, np.random.default_rng(seed), tuple(range(2, weights.ndim)))
    assert np.array_equal(scores > 0, weights.any(axis=tuple(range(2, weights.ndim))))
