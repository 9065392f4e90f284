"""Kernels that call kernels: in turn, with what these return and raise, and with what callers share."""

import numpy as np

from dataflows.kernels.compiled import kernel


@kernel
def halved(value, least=0):
    if value < least:
        raise ValueError("below the least")
    return value // 2, value % 2


@kernel
def bits(values):
    """An array of the kernel's own, by way of another kernel."""
    found = np.zeros((len(values), 8), np.int64)
    for row in range(len(values)):
        rest = values[row]
        for place in range(8):
            rest, found[row, place] = halved(rest)
    return found


@kernel
def ones(values):
    count = 0
    for row in bits(values):
        count += row.sum()
    return count


@kernel
def ones_and_zeros(values, least):
    for value in values:
        halved(value, least)
    return ones(values), 8 * len(values) - ones(values)


VALUES = np.array([0, 1, 7, 255])


def call_all():
    return [bits(VALUES).sum(axis=0).tolist(), ones(VALUES), ones_and_zeros(VALUES, 0), ones_and_zeros(VALUES[2:], 7)]


RESULTS = [[3, 2, 2, 1, 1, 1, 1, 1], 12, (12, 20), (11, 5)]
