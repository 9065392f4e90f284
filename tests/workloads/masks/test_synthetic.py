import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shared_data import SHARED, needs_shared
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.masks.synthetic import Clustered, Skewed, Uniform, uniform_mask

PATTERNS = [Uniform(), Clustered(), Clustered(correlation_length=1, places=1), Skewed(), Skewed(0.0), Skewed(9.0)]
SHAPES = st.lists(st.integers(1, 9), min_size=2, max_size=4).map(tuple)


def rng(seed=0):
    return np.random.default_rng(seed)


def variation_per_filter(mask):
    counts = mask.reshape(len(mask), -1).sum(1)
    return counts.std() / counts.mean()


@given(shape=SHAPES, share=st.floats(0, 1), seed=st.integers(0, 2**32), pattern=st.sampled_from(PATTERNS))
def test_the_count_is_exact_and_the_seed_decides(shape, share, seed, pattern):
    nonzeros = round(share * int(np.prod(shape)))
    mask = pattern.draw(rng(seed), shape, nonzeros)
    assert mask.dtype == np.bool_
    assert mask.shape == shape
    assert mask.sum() == nonzeros
    assert np.array_equal(mask, pattern.draw(rng(seed), shape, nonzeros))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_density_0_and_1_are_exact(pattern):
    for nonzeros in (0, 8 * 4 * 5 * 5):
        assert pattern.draw(rng(), (8, 4, 5, 5), nonzeros).sum() == nonzeros


@pytest.mark.parametrize(("size", "nonzeros"), [(12, 4), (12, 9), (7, 1), (600, 3), (600, 300), (600, 590)])
def test_uniform_masks_hit_every_position_equally_often(size, nonzeros):
    draws = 4000
    random = rng(1)
    hits = sum(uniform_mask(random, size, nonzeros).astype(int) for _ in range(draws))
    expected = draws * nonzeros / size
    spread = np.sqrt(expected * (1 - nonzeros / size))
    assert np.abs(hits - expected).max() < 5 * spread


def test_uniform_masks_hit_every_pair_equally_often():
    draws, size = 6000, 6
    random = rng(2)
    pairs = sum(np.outer(m, m).astype(int) for m in (uniform_mask(random, size, 3) for _ in range(draws)))
    off_diagonal = pairs[~np.eye(size, dtype=bool)]
    expected = draws * 3 * 2 / (size * (size - 1))
    assert np.abs(off_diagonal - expected).max() < 5 * np.sqrt(expected)


def test_uniform_masks_of_many_blocks_are_even():
    mask = uniform_mask(rng(), 10_000_000, 1_234_567)
    parts = mask.reshape(100, -1).sum(1)
    assert mask.sum() == 1_234_567
    assert abs(parts - 12345.67).max() < 5 * np.sqrt(12345.67)


def test_more_non_zeros_than_elements_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="5 non-zeros among 4 elements"):
        uniform_mask(rng(), 4, 5)


@pytest.mark.parametrize("variation", [0.0, 0.1, 0.31, 0.44, 1.0])
@pytest.mark.parametrize("shape", [(64, 64, 3, 3), (256, 256, 1, 1), (512, 128, 3, 3)])
def test_skewed_filters_reach_their_variation(variation, shape):
    mask = Skewed(variation).draw(rng(3), shape, round(0.2 * np.prod(shape)))
    assert variation_per_filter(mask) == pytest.approx(variation, abs=0.01)


def test_uniform_filters_vary_less_than_real_ones():
    shape = (64, 64, 3, 3)
    assert variation_per_filter(Uniform().draw(rng(), shape, 7372)) < 0.12


def test_a_variation_out_of_reach_gives_what_the_density_allows():
    mask = Skewed(50.0).draw(rng(), (8, 10), 20)
    assert sorted(mask.sum(1)) == [0, 0, 0, 0, 0, 0, 10, 10]
    assert variation_per_filter(Skewed(0.4).draw(rng(), (8, 10), 79)) < 0.05


def tiles(mask, tile):
    channels, rows, columns = mask.shape
    return mask.reshape(channels, rows // tile, tile, columns // tile, tile).mean((0, 2, 4))


@pytest.mark.parametrize(("shape", "density"), [((256, 56, 56), 0.35), ((128, 112, 112), 0.6), ((512, 16, 16), 0.3)])
def test_clustered_activations_vary_as_real_ones_do(shape, density):
    nonzeros = round(density * np.prod(shape))
    clustered, uniform = (pattern.draw(rng(4), shape, nonzeros) for pattern in (Clustered(), Uniform()))
    limit = np.sqrt(density * (1 - density))
    assert 0.4 < clustered.mean((1, 2)).std() / limit < 0.7
    assert uniform.mean((1, 2)).std() / limit < 0.1
    tile = shape[1] // 8
    varied, even = (tiles(mask, tile).std() / density for mask in (clustered, uniform))
    assert 2 * even < varied < 0.24


def neighbours(mask, distance):
    inside = mask - mask.mean((1, 2), keepdims=True)
    return (inside[:, :, :-distance] * inside[:, :, distance:]).mean() / (inside**2).mean()


def test_clusters_have_the_asked_length():
    shape = (64, 64, 64)
    short, long = (Clustered(correlation_length=n).draw(rng(5), shape, 100_000).astype(float) for n in (2, 8))
    assert neighbours(short, 1) > 0.15
    assert abs(neighbours(short, 4)) < 0.1
    assert neighbours(long, 4) > 0.2


def test_clustered_maps_may_have_depth_and_settings_beyond_the_map():
    mask = Clustered(correlation_length=10**9, local_spread=1e6, places=10**6).draw(rng(), (3, 4, 5, 6), 100)
    assert mask.sum() == 100


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Clustered(correlation_length=0), "pattern 'clustered': correlation_length = 0: must be a whole number of at least 1"),
        (lambda: Clustered(local_spread=-1), "pattern 'clustered': local_spread = -1: must be a number of at least 0"),
        (lambda: Skewed(float("nan")), "pattern 'skewed': variation = nan: must be a number of at least 0"),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(build, message):
    with pytest.raises(InputError) as caught:
        build()
    assert str(caught.value) == message


def spread(mask):
    """Between channels as a share of the largest possible, between the parts of an 8 by 8 split, between neighbours."""
    density = mask.mean()
    split = [np.array_split(part, 8, axis=2) for part in np.array_split(mask, 8, axis=1)]
    parts = np.array([part.mean() for row in split for part in row])
    limit = np.sqrt(density * (1 - density))
    return mask.mean((1, 2)).std() / limit, parts.std() / density, neighbours(mask.astype(float), 1)


REAL = [
    "blazepose",
    *(
        pytest.param(str(SHARED / "data" / name), marks=needs_shared, id=name)
        for name in ("squeezenet_dc", "vgg16_hed")
    ),
]


@pytest.mark.parametrize("name", REAL)
def test_clustered_is_nearer_to_real_activations_than_uniform(name):
    workload = load_workload(name)
    ratios = {pattern: [] for pattern in (Clustered(), Uniform())}
    for index, layer in enumerate(workload.layers):
        if min(layer.input_size) < 27:
            continue
        real = workload.trace(index).activation_mask[0]
        if not 0.1 < real.mean() < 0.9:
            continue
        for pattern, collected in ratios.items():
            drawn = pattern.draw(rng(index), real.shape, int(real.sum()))
            collected.append(np.array(spread(drawn)) / np.array(spread(real)))
    clustered, uniform = (np.median(collected, axis=0) for collected in ratios.values())
    assert len(ratios[Uniform()]) >= 9
    assert np.all((clustered > 0.6) & (clustered < 1.7))
    assert np.all(uniform < 0.5)
