"""The structure that prunings leave is found again from the zeros alone."""

import numpy as np
import pytest

from workloads import pruning
from workloads.layer import Layer
from workloads.masks.structure import find_structure

LAYER = Layer.conv("c", in_channels=32, out_channels=32, input_size=(8, 8), kernel_size=3)


def pruned(text, layer=LAYER):
    weights = np.random.default_rng(4).standard_normal(layer.weight_shape)
    mask = pruning.parse(text).keep(layer, weights, np.random.default_rng(5))
    return find_structure(layer, mask)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("unstructured:density=0.3", "unstructured"),
        ("nm:n=2,m=4", "2:4"),
        ("nm:n=1,m=8", "1:8"),
        ("filter:density=0.5", "filter 16/32 empty, block 1x16"),
        ("block:filters=4,channels=4,density=0.5", "block 4x4"),
        ("shape:density=0.5", "shape 144/288 empty"),
    ],
)
def test_prunings_are_recognised(text, found):
    assert found in str(pruned(text))


def test_patterns():
    random = np.random.default_rng(1)
    library = np.array([[1, 1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1, 1, 1], [1, 0, 1, 0, 1, 0, 1, 0, 0]], bool)
    mask = library[random.integers(0, 3, (32, 32))].reshape(LAYER.weight_shape)
    assert find_structure(LAYER, mask).patterns == 3
    mask[0, 0, 0, 0] ^= True
    assert find_structure(LAYER, mask).patterns == 0


def test_counts_are_those_of_a_plain_loop():
    layer = Layer.conv("g", in_channels=8, out_channels=6, input_size=(5, 5), kernel_size=(2, 3), groups=2)
    mask = np.random.default_rng(2).random(layer.weight_shape) < 0.15
    mask[1] = False
    mask[3:, 2] = False
    found = find_structure(layer, mask)
    empty = [all(not mask[k, c].any() for k in range(3 * g, 3 * g + 3)) for g in range(2) for c in range(4)]
    shapes = [
        not mask[3 * g : 3 * g + 3, c, r, s].any()
        for g in range(2)
        for c in range(4)
        for r in range(2)
        for s in range(3)
    ]
    assert (found.empty_channels, found.channels) == (sum(empty), 8)
    assert (found.empty_shapes, found.shapes) == (sum(shapes), 48)
    assert (found.empty_filters, found.filters) == (sum(not mask[k].any() for k in range(6)), 6)
    assert (found.empty_kernels, found.kernels) == (sum(not mask[k, c].any() for k in range(6) for c in range(4)), 24)
    filters = [np.count_nonzero(mask[k]) for k in range(6)]
    channels = [np.count_nonzero(mask[3 * g : 3 * g + 3, c]) for g in range(2) for c in range(4)]
    assert found.filter_variation == pytest.approx(np.std(filters) / np.mean(filters))
    assert found.channel_variation == pytest.approx(np.std(channels) / np.mean(channels))


def test_no_weights_and_all_weights():
    assert str(find_structure(LAYER, np.ones(LAYER.weight_shape))) == "dense"
    found = find_structure(LAYER, np.zeros(LAYER.weight_shape))
    assert str(found).startswith("filter 32/32 empty, channel 32/32 empty")
    assert found.filter_variation == 0
