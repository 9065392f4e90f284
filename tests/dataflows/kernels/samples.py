"""Kernels of every kind that is called: what they take, what they return, what they call."""

from typing import NamedTuple

import numpy as np

from dataflows.kernels.arguments import struct
from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import load, store
from dataflows.kernels.words import trailing_zeros


class Extent(NamedTuple):
    least: int
    most: int


@kernel
def total(values):
    found = 0
    for value in values.flat:
        found += value
    return found


@kernel
def doubled(values):
    """An array of the kernel's own."""
    made = np.empty(values.size, np.int64)
    for i in range(values.size):
        made[i] = 2 * values[i]
    return made


@kernel
def extent(values):
    return Extent(values.min(), values.max())


@kernel
def width(of):
    return of.most - of.least


@kernel(inline="always")
def first_bit(word):
    return trailing_zeros(word)


@kernel
def first_bits(words, places):
    for i in range(words.size):
        places[i] = first_bit(words[i])


@kernel
def twice(words):
    lanes = load(words, 0)
    lanes += lanes
    store(words, 0, lanes)


@kernel
def max(values):  # noqa: A001 (an attribute has the kernel's name)
    return values.max()


@kernel
def shifted(value, by=1):
    return value + by


@kernel
def empty(size):
    return np.empty(size, np.int64)


SEAT = struct(__name__, "SEAT", "row", "taken")


@kernel
def take(seats):
    for i in range(len(seats)):
        seat = seats[i]
        seat.taken = seat.row + 1


@kernel
def halves(value):
    return value / 2, value > 1


def with_offset(offset):
    @kernel
    def moved(value):
        return value + offset

    return moved


def call_all():
    """Results of all of them, as Python's own objects."""
    values = np.array([3, 1, 2])
    places = np.empty(2, np.int64)
    first_bits(np.array([8, 1], np.uint64), places)
    words = np.arange(16, dtype=np.uint32)
    twice(words)
    seats = np.zeros(2, SEAT)
    take(seats)
    found = extent(values)
    assert type(found) is Extent
    return [
        total(values),
        total(values[::2]),
        total(np.array([[0.5, 1.5]])),
        doubled(values).tolist(),
        tuple(found),
        width(found),
        places.tolist(),
        words.tolist(),
        max(values),
        shifted(2),
        shifted(value=2, by=5),
        halves(3),
        seats.tolist(),
        with_offset(4)(1),
        with_offset(5)(1),
    ]


RESULTS = [6, 5, 2.0, [6, 2, 4], (1, 3), 2, [3, 0], [*range(0, 32, 2)], 3, 3, 7, (1.5, True), [(0, 1), (0, 1)], 5, 6]
