"""Kept weights of filters."""

import numpy as np
import pytest

from dataflows.tiling.filter_weights import kept_weights


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (5, 3, 2, 2), (3, 700, 1, 1), (2, 1, 3, 3, 3)])
def test_kept_weights_are_counted_filter_by_filter(shape):
    mask = np.random.default_rng(0).random(shape) < 0.4
    mask[0] = True
    assert kept_weights(mask).tolist() == [np.count_nonzero(own) for own in mask]
