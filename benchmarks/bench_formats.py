"""Speed of the storage formats: `pytest benchmarks/bench_formats.py`. Each case asserts its limit and its result.

bits    of VGG-16's fc6 (25,088 x 4,096, 103 M elements, density 4 %) without building streams
encode  a convolution of 256 x 256 x 3 x 3 (590 k elements, density 35 %) into streams
tiles   exact bits of fc6 in 256 tiles of 16 filters
"""

import numpy as np
import pytest

from workloads.formats import parse
from workloads.masks.synthetic import uniform_mask

EVERY_TENSOR = [
    "dense",
    "bitmap",
    "csr",
    "csc",
    "relative",
    "relative:scan=columns",
    "step:index_bits=4",
    "shape",
    "block",
]
BITS_LIMIT_SECONDS = 1.5
ENCODE_LIMIT_SECONDS = 0.02


@pytest.fixture(scope="module")
def fc6():
    size = 4096 * 25088
    return uniform_mask(np.random.default_rng(0), size, size // 25).reshape(4096, 25088)


@pytest.fixture(scope="module")
def weights():
    random = np.random.default_rng(0)
    values = random.standard_normal((256, 256, 3, 3), np.float32)
    values[random.random(values.shape) >= 0.35] = 0
    return values


def two_of_four(array):
    kept = array.copy()
    kept[:, 2::4] = kept[:, 3::4] = 0
    return kept


def best_seconds(benchmark):
    return benchmark.stats.stats.min


@pytest.mark.parametrize("text", [*EVERY_TENSOR, "nm"])
def test_bits(benchmark, fc6, text):
    mask = two_of_four(fc6) if text == "nm" else fc6
    bits = benchmark.pedantic(parse(text).bits, (mask,), rounds=3, warmup_rounds=1)
    assert bits > 16 * np.count_nonzero(mask)
    assert best_seconds(benchmark) < BITS_LIMIT_SECONDS


@pytest.mark.parametrize("text", EVERY_TENSOR)
def test_encode(benchmark, weights, text):
    chosen = parse(text)
    encoded = benchmark.pedantic(chosen.encode, (weights,), rounds=20, warmup_rounds=2)
    assert encoded.bits == chosen.bits(weights)
    assert best_seconds(benchmark) < ENCODE_LIMIT_SECONDS


@pytest.mark.parametrize("text", EVERY_TENSOR)
def test_tiles(benchmark, fc6, text):
    bits = benchmark.pedantic(parse(text).tile_bits, (fc6, range(0, 4097, 16)), rounds=3, warmup_rounds=1)
    assert bits.shape == (256, 1)
    assert best_seconds(benchmark) < BITS_LIMIT_SECONDS
