"""Batches found for sixteen channels side by side against those found kernel by kernel."""

import numpy as np
import pytest

from dataflows.machines.pattern import kernel_batches
from dataflows.machines.pattern.kernel_batches import Batches
from dataflows.machines.pattern.kernel_patterns import KernelPatterns


@pytest.mark.parametrize("positions", [2, 9])
@pytest.mark.parametrize("rows", [1, 3, 16])
@pytest.mark.parametrize(("filters", "group_filters", "part"), [(40, 40, (0, 40)), (40, 40, (7, 30)), (24, 8, (4, 20))])
def test_lanes_find_what_a_single_channel_finds(monkeypatch, positions, rows, filters, group_filters, part):
    random = np.random.default_rng(rows)
    mask = random.random((filters, 19, 1, positions)) < random.choice([0.1, 0.3, 1.0], (1, 19, 1, 1))
    mask[:, 3] = False
    kernels = KernelPatterns.of(mask, group_filters, 8)
    sizes = {"reads": 5, "switch_cycles": 12}
    in_lanes = Batches.of(kernels, part, rows, **sizes)
    monkeypatch.setattr(kernel_batches, "MOST_CYCLES", 0)
    alone = Batches.of(kernels, part, rows, **sizes)
    assert in_lanes.whole == alone.whole
    for found, wanted in zip(in_lanes[:5], alone[:5], strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_kernels_of_one_weight_stand_by_channel_and_filter():
    mask = np.random.default_rng(0).random((12, 5, 1, 1)) < 0.6
    kernels, part = KernelPatterns.of(mask, 4, 8), (2, 11)
    batches = Batches.of(kernels, part, 2, reads=3, switch_cycles=1)
    wanted = [
        (group * 5 + c, k)
        for group in range(3)
        for c in range(5)
        for k in range(max(2, group * 4), min(11, group * 4 + 4))
        if mask[k, c]
    ]
    channel = np.repeat(batches.channel, np.diff(batches.first))
    assert list(zip(channel.tolist(), batches.kernel_filters(kernels, part).tolist(), strict=True)) == wanted
    assert np.diff(batches.first).tolist() == [
        size for count in np.bincount(channel) if count for size in [2] * (count // 2) + [1] * (count % 2)
    ]
    assert set(batches.positions.tolist()) == {1}
