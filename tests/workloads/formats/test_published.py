"""Deep Compression's published storage per layer (Han et al., ICLR 2016, tables 4 and 5, pruning and quantization).

The published rate is stored bits / 32 bits an element, codebook included, from densities rounded to whole percent. On
random masks the relative format gives it for convolutions. In sparse fully connected layers fillers count: their rate
lies between that of no fillers and that of a random mask, since real non-zeros cluster.
"""

import numpy as np
import pytest

from workloads.formats import parse
from workloads.masks.synthetic import uniform_mask

LAYERS = [  # network, layer, weights, their density in percent, bits of a value and of an index, stored percent
    ("AlexNet", "conv1", 34_848, 84, 8, 4, 32.6),
    ("AlexNet", "conv2", 307_200, 38, 8, 4, 14.5),
    ("AlexNet", "conv3", 884_736, 35, 8, 4, 13.1),
    ("AlexNet", "conv4", 663_552, 37, 8, 4, 14.1),
    ("AlexNet", "conv5", 442_368, 37, 8, 4, 14.0),
    ("AlexNet", "fc6", 37_748_736, 9, 5, 4, 3.0),
    ("AlexNet", "fc7", 16_777_216, 9, 5, 4, 3.0),
    ("AlexNet", "fc8", 4_096_000, 25, 5, 4, 7.3),
    ("VGG-16", "conv1_1", 1_728, 58, 8, 5, 40.0),
    ("VGG-16", "conv1_2", 36_864, 22, 8, 5, 9.8),
    ("VGG-16", "conv2_1", 73_728, 34, 8, 5, 14.3),
    ("VGG-16", "conv2_2", 147_456, 36, 8, 5, 14.7),
    ("VGG-16", "conv3_1", 294_912, 53, 8, 5, 21.7),
    ("VGG-16", "conv3_2", 589_824, 24, 8, 5, 9.7),
    ("VGG-16", "conv3_3", 589_824, 42, 8, 5, 17.0),
    ("VGG-16", "conv4_1", 1_179_648, 32, 8, 5, 13.1),
    ("VGG-16", "conv4_2", 2_359_296, 27, 8, 5, 10.9),
    ("VGG-16", "conv4_3", 2_359_296, 34, 8, 5, 14.0),
    ("VGG-16", "conv5_1", 2_359_296, 35, 8, 5, 14.3),
    ("VGG-16", "conv5_2", 2_359_296, 29, 8, 5, 11.7),
    ("VGG-16", "conv5_3", 2_359_296, 36, 8, 5, 14.8),
    ("VGG-16", "fc6", 102_760_448, 4, 5, 5, 1.6),
    ("VGG-16", "fc7", 16_777_216, 4, 5, 5, 1.5),
    ("VGG-16", "fc8", 4_096_000, 23, 5, 5, 7.1),
]
SAMPLE = 1 << 21  # elements of a random mask; the rate of a larger layer is the same


@pytest.mark.parametrize(
    ("layer", "weights", "density_percent", "value_bits", "index_bits", "stored_percent"),
    [row[1:] for row in LAYERS],
    ids=[f"{network}-{layer}" for network, layer, *_ in LAYERS],
)
def test_storage_of_deep_compression(layer, weights, density_percent, value_bits, index_bits, stored_percent):
    density, published = density_percent / 100, stored_percent / 100
    chosen = parse(f"relative:value_bits={value_bits},index_bits={index_bits}")
    mask = uniform_mask(np.random.default_rng(0), SAMPLE, round(density * SAMPLE))
    codebook = 2**value_bits / weights
    with_fillers = chosen.bits(mask) / (32 * SAMPLE) + codebook
    without_fillers = density * (value_bits + index_bits) / 32 + codebook
    assert 0.95 * without_fillers <= published <= 1.05 * with_fillers
    if layer.startswith("conv"):  # measured: -4.1 % (conv1_1 of VGG-16, 1,728 weights) to +1.0 %
        assert with_fillers == pytest.approx(published, rel=0.05)
    else:  # measured: -2.7 % to +14.3 % (fc7 of VGG-16, 4 % +- 0.5 % of weights)
        assert with_fillers == pytest.approx(published, rel=0.15)
