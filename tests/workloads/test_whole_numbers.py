"""Arithmetic of whole numbers against its meaning, counted out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workloads.whole_numbers import boundaries, ceil_div, even_slices, starts

SIZES = st.lists(st.integers(0, 9), max_size=8)


@given(st.integers(0, 50), st.integers(1, 9))
def test_as_many_parts_as_an_amount_begins(amount: int, part: int):
    assert ceil_div(amount, part) == len(range(0, amount, part))


def test_arrays_are_divided_number_by_number():
    assert ceil_div(np.array([0, 7, 8, 9]), 8).tolist() == [0, 1, 1, 2]
    assert ceil_div(9, np.array([1, 2, 10])).tolist() == [9, 5, 1]


def test_numbers_too_large_for_floating_point_are_divided_exactly():
    assert ceil_div((1 << 60) + 1, 2) == (1 << 59) + 1


@given(SIZES)
def test_parts_begin_where_those_before_them_end(sizes: list[int]):
    begins = [sum(sizes[:part]) for part in range(len(sizes))]
    assert starts(np.array(sizes, np.int64)).tolist() == begins
    assert boundaries(sizes).tolist() == [*begins, sum(sizes)]
    assert boundaries(sizes).dtype == np.int64


def test_parts_of_a_table_lie_row_after_row():
    assert starts(np.array([[3, 0], [2, 5]], np.int32)).tolist() == [[0, 3], [3, 5]]
    assert starts(np.array([[3, 0], [2, 5]], np.int32)).dtype == np.int64


@given(st.integers(0, 60), st.integers(1, 12))
def test_even_slices_hold_every_number_once_and_differ_by_one_at_most(count: int, parts: int):
    slices = even_slices(count, parts)
    assert [number for first, end in slices for number in range(first, end)] == list(range(count))
    assert len(slices) == min(count, parts)
    assert len({end - first for first, end in slices}) <= 2
    assert all(end - first in (count // parts, count // parts + 1) for first, end in slices)
