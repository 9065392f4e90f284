"""Which pattern a kernel is sorted by, case by case."""

import numpy as np

from dataflows.machines.pattern.kernel_batches import _labels


def test_a_kernel_is_sorted_by_the_smallest_pattern_that_holds_it_and_of_equals_by_the_first():
    """Patterns {0, 1}, {0, 2} and {0}, of which one, two and all three are at hand; behind these come other kernels."""
    labels = _labels(np.array([0b011, 0b101, 0b001]))
    assert labels[1:, 0b001].tolist() == [0, 0, 2]
    assert labels[1:, 0b101].tolist() == [1, 1, 1]
    assert labels[1:, 0b111].tolist() == [1, 2, 3]
