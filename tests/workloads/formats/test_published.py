"""Deep Compression's published storage per layer (Han et al., ICLR 2016, tables 4 and 5, pruning and quantization).

The published rate is stored bits / 32 bits an element, codebook included, from densities rounded to whole percent. On
random masks the relative format gives it for convolutions. In sparse fully connected layers fillers count: their rate
lies between that of no fillers and that of a random mask, since real non-zeros cluster.
"""

import csv

import numpy as np
import pytest

from tests.shared_data import SHARED, needs_shared
from workloads.formats import parse
from workloads.masks.synthetic import uniform_mask

TABLE = SHARED / "models" / "deep_compression_density.csv"
LAYERS = (
    [row for row in csv.DictReader(TABLE.read_text().splitlines()) if row["layer"] != "Total"] if TABLE.exists() else []
)
SAMPLE = 1 << 21  # elements of a random mask; the rate of a larger layer is the same


@needs_shared
@pytest.mark.parametrize("row", LAYERS, ids=lambda row: f"{row['network']}-{row['layer']}")
def test_storage_of_deep_compression(row):
    value_bits, index_bits = int(row["weight_bits_PQ"]), int(row["index_bits_PQ"])
    density, published = float(row["weight_density_pct"]) / 100, float(row["compress_rate_PQ_pct"]) / 100
    chosen = parse(f"relative:value_bits={value_bits},index_bits={index_bits}")
    mask = uniform_mask(np.random.default_rng(0), SAMPLE, round(density * SAMPLE))
    codebook = 2**value_bits / int(row["weights_exact_dense"])
    with_fillers = chosen.bits(mask) / (32 * SAMPLE) + codebook
    without_fillers = density * (value_bits + index_bits) / 32 + codebook
    assert 0.95 * without_fillers <= published <= 1.05 * with_fillers
    if row["layer"].startswith("conv"):  # measured: -4.1 % (conv1_1 of VGG-16, 1,728 weights) to +1.0 %
        assert with_fillers == pytest.approx(published, rel=0.05)
    else:  # measured: -2.7 % to +14.3 % (fc7 of VGG-16, 4 % +- 0.5 % of weights)
        assert with_fillers == pytest.approx(published, rel=0.15)
