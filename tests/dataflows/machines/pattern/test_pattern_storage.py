"""What the pattern machine's kernels take in DRAM, bit by bit."""

import math

import numpy as np
import pytest

from dataflows.machines.pattern.kernel_patterns import KernelPatterns


@pytest.mark.parametrize("kernel_size", [(1, 1), (2, 5)])
def test_the_only_name_of_a_layer_takes_no_bits(kernel_size):
    """Kernels that are whole or not there are their values and the channel: 2 bits for one of three."""
    mask = np.zeros((2, 3, *kernel_size), bool)
    mask[0, 2] = mask[1, 0] = mask[1, 1] = True
    bits = 2 + 16 * math.prod(kernel_size)
    assert KernelPatterns.of(mask, 2, patterns=8).filter_bits(16).tolist() == [bits, 2 * bits]


def test_kernels_of_more_than_nine_positions_have_two_names_and_no_set():
    """Of ten positions: a whole kernel is a bit and ten values, one of three values a bit, ten positions and these."""
    mask = np.zeros((2, 1, 2, 5), bool)
    mask[0] = True
    mask[1, 0, 0, :3] = True
    patterns = KernelPatterns.of(mask, 2, patterns=8)
    assert patterns.pattern_set.tolist() == []
    assert patterns.filter_bits(16).tolist() == [1 + 10 * 16, 1 + 10 + 3 * 16]
