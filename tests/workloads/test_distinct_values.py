"""Distinct values of weights against sets of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workloads.distinct_values import distinct_values


def test_distinct_values_of_filters_and_kernels():
    weights = np.array([[[[1.0, 2.0], [2.0, 0.0]], [[1.0, 3.0], [0.0, 0.0]]], np.zeros((2, 2, 2))])
    assert distinct_values(weights).tolist() == [3, 0]
    assert distinct_values(weights, "kernel").tolist() == [[2, 2], [0, 0]]


@given(arrays(np.int8, st.tuples(*[st.integers(1, 3)] * 4), elements=st.integers(-2, 2)))
def test_distinct_values_are_those_of_a_set(weights: np.ndarray):
    found = distinct_values(weights, "kernel")
    for k, c in np.ndindex(weights.shape[:2]):
        assert found[k, c] == len({value for value in weights[k, c].reshape(-1).tolist() if value})


def test_neither_zero_is_a_value():
    assert distinct_values(np.array([[1.5, -1.5, 0.0, 1.5], [0.0, -0.0, 0.0, 0.0]])).tolist() == [2, 0]
