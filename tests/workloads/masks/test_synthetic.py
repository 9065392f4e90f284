import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shared_data import SHARED, needs_shared
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.masks.synthetic import Clustered, Skewed, Uniform, uniform_mask

PATTERNS = [
    Uniform(), Clustered(), Clustered(0, 0, 0, 0, 0), Clustered(channel_share=1, shared_share=0),
    Clustered(channel_share=0, shared_share=1), Clustered(channel_share=0, shared_share=0, independent_share=1),
    Skewed(), Skewed(0.0), Skewed(9.0),
]  # fmt: skip
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
    short, long = (Clustered(correlation_length=n).draw(rng(5), shape, 100_000).astype(float) for n in (1, 4))
    assert neighbours(short, 1) > 0.15
    assert abs(neighbours(short, 4)) < 0.1
    assert neighbours(long, 4) > 0.2


def latent(left, right):
    """The correlation of normal values of which half are non-zero: both are with 1/4 + arcsin(r) / 2 pi (Sheppard)."""
    return float(np.sin(2 * np.pi * ((left & right).mean() - 0.25)))


def correlations(mask):
    """Of elements one column, two rows, a diagonal and half a map apart, and of channels one and no columns apart."""
    half, other = mask.shape[2] // 2, np.roll(mask, 1, axis=0)
    return np.array(
        [
            latent(mask[:, :, :-1], mask[:, :, 1:]), latent(mask[:, :-2], mask[:, 2:]),
            latent(mask[:, :-1, :-1], mask[:, 1:, 1:]), latent(mask[:, :, :half], mask[:, :, half:]),
            latent(mask[:, :, :-1], other[:, :, 1:]), latent(mask, other),
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("channel", "shared", "own"), [(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.6, 0.0), (0.0, 0.0, 0.4), (0.3, 0.3, 0.2)]
)
def test_shares_of_the_variance_are_correlations(channel, shared, own):
    pattern = Clustered(3, channel, shared, own, places=20)  # the shared term fades over 40 / 20 = 2 positions
    masks = [pattern.draw(rng(seed), (300, 40, 40), 240_000) for seed in range(12)]
    found = np.array([correlations(mask) for mask in masks])
    blobs = 1 - channel - shared - own
    expected = [channel + blobs * np.exp(-d / 3) + shared * np.exp(-d / 2) for d in (1, 2, 2, 20)]
    expected += [shared * np.exp(-1 / 2), shared]
    error = found.std(axis=0) / np.sqrt(len(masks))
    # The count is exact, which takes a little of what all elements of a draw have in common.
    assert np.all(np.abs(found.mean(axis=0) - expected) < 5 * error + 0.006)
    assert np.all(error < 0.015)


def test_an_axis_of_depth_fades_as_the_others_do():
    masks = [Clustered(2, 0, 0).draw(rng(seed), (60, 12, 20, 16), 115_200) for seed in range(4)]
    pairs = [(m[:, :-1], m[:, 1:]) for m in masks], [(m[:, :, :-1], m[:, :, 1:]) for m in masks]
    for axis in pairs:
        assert np.mean([latent(*pair) for pair in axis]) == pytest.approx(np.exp(-1 / 2), abs=0.01)


def vectors(mask, edge, size=4):
    channels, rows, columns = mask.shape
    counts = mask.reshape(channels, rows // edge, edge, columns // edge, edge).sum((2, 4))
    return np.ceil(counts / size).mean()


def test_clusters_begin_anywhere_so_that_seeds_and_shifted_tiles_agree():
    masks = [Clustered().draw(rng(seed), (512, 15, 15), 35_712) for seed in range(8)]
    straight, shifted = ([vectors(mask[:, s : s + 14, s : s + 14], 2) for mask in masks] for s in (0, 1))
    assert np.std(straight) < 0.02 * np.mean(straight)
    assert np.mean(shifted) == pytest.approx(np.mean(straight), rel=0.01)


def test_terms_that_all_elements_have_in_common_leave_the_count_exact():
    alike = Clustered(channel_share=1, shared_share=0).draw(rng(6), (10, 4, 4), 40)
    assert sorted(alike.sum((1, 2))) == [0] * 7 + [8, 16, 16]
    same = Clustered(channel_share=0, shared_share=1).draw(rng(7), (10, 4, 4), 40)
    assert sorted(same.sum(0).reshape(-1)) == [0] * 12 + [10] * 4


def test_clustered_maps_may_have_depth_and_settings_beyond_the_map():
    mask = Clustered(correlation_length=10**9, places=10**6).draw(rng(), (3, 4, 5, 6), 100)
    assert mask.sum() == 100


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Clustered(correlation_length=-1), "pattern 'clustered': correlation_length = -1: must be a number of at least 0"),
        (lambda: Clustered(channel_share=2), "pattern 'clustered': channel_share = 2: must be a number between 0 and 1"),
        (lambda: Clustered(channel_share=0.5, shared_share=0.5, independent_share=0.25), "pattern 'clustered': its shares add up to 1.25: must be at most 1"),
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


@pytest.mark.slow
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
