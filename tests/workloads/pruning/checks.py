"""Independent checks of what structured prunings keep."""

import numpy as np
import pytest

from tests.workloads.pruning.cases import energy


def assert_units(weights, keep, units, count):
    """Units (index tuples) stay whole or go whole; the right number stays, and no other choice has more energy."""
    holding = [unit for unit in units if weights[unit].any()]
    whole = [unit for unit in holding if keep[unit].any()]
    for unit in whole:
        assert np.array_equal(keep[unit], weights[unit] != 0)
    assert len(whole) == min(count, len(holding))
    if weights.dtype != np.bool_:
        best = sorted((energy(weights[unit]) for unit in holding), reverse=True)[:count]
        assert energy(weights * keep) == pytest.approx(sum(best), rel=1e-5)


def blocks(layer, filters, channels):
    per_group = layer.group_out_channels
    for group in range(layer.groups):
        first = group * per_group
        for k in range(first, first + per_group, filters):
            for c in range(0, layer.group_in_channels, channels):
                yield slice(k, min(k + filters, first + per_group)), slice(c, c + channels)
