"""The study of clustered activations finds what masks were drawn with, and the defaults are what it finds in real ones."""

import math
from functools import cache

import numpy as np
import pytest

from benchmarks.experiments.activation_clusters import (
    OFFSETS,
    correlations,
    fit,
    fit_layer,
    latent,
    main,
    maps,
    tile_statistics,
)
from tests.shared_data import SHARED, needs_shared
from workloads.catalog import load_workload
from workloads.masks.synthetic import Clustered, Uniform

NETWORKS = ("squeezenet_dc", "vgg16_hed", "mediapipe_pose")


def drawn(pattern, density, seed, shape=(256, 28, 28)):
    return pattern.draw(np.random.default_rng(seed), shape, round(density * math.prod(shape)))


@pytest.mark.parametrize("r", [-0.9, -0.3, 0.0, 0.01, 0.5, 0.95])
def test_at_half_density_the_latent_correlation_is_that_of_sheppard(r):
    assert latent(0.5, math.asin(r) / (2 * math.pi)) == pytest.approx(r, abs=1e-4)


@pytest.mark.parametrize("density", [0.1, 0.4, 0.9])
@pytest.mark.parametrize("r", [-0.4, 0.2, 0.8])
def test_the_latent_correlation_is_that_of_normal_values(density, r):
    one, other = np.random.default_rng(0).standard_normal((2, 2_000_000))
    other = r * one + math.sqrt(1 - r * r) * other
    level = np.quantile(one, 1 - density)
    covariance = float(((one > level) & (other > level)).mean() - density**2)
    assert latent(density, covariance) == pytest.approx(r, abs=0.015)


@pytest.mark.parametrize("density", [0.15, 0.4, 0.8])
def test_the_fit_finds_what_masks_were_drawn_with_at_any_density(density):
    pattern = Clustered(correlation_length=2.5, channel_share=0.4, shared_share=0.04, places=9)
    found = fit([[correlations(drawn(pattern, density, seed, (256, 56, 56))) for seed in range(6)]])
    assert found.correlation_length == pytest.approx(2.5, abs=0.2)
    assert found.channel_share == pytest.approx(0.4, abs=0.04)
    assert found.shared_share == pytest.approx(0.04, abs=0.006)
    assert found.places == pytest.approx(9, rel=0.2)  # a finite map takes its own mean for the pattern's


def test_uniform_masks_have_no_correlation():
    measured = correlations(drawn(Uniform(), 0.3, 1))
    assert np.all(np.abs(measured) < 0.03)
    assert fit_layer(measured, 0.01).channel_share == pytest.approx(0, abs=0.02)


def test_pairs_that_a_small_map_does_not_hold_are_left_out():
    known = ~np.isnan(correlations(drawn(Clustered(), 0.4, 0, (64, 7, 7))))
    assert known.tolist() == [2 * max(offset) <= 7 for offset in OFFSETS] + [False, False]


def test_tile_statistics_of_a_map_worked_by_hand():
    mask = np.zeros((2, 4, 5), np.bool_)
    mask[0, :2, :2] = mask[0, 0, 2] = mask[1, :, 4] = True
    # Tiles of 2 x 2: 2 x 3 a channel, the last column of tiles half beyond the map. Channel 0 has 4, 1 and 0 elements
    # in the upper ones, channel 1 has 2 in each of the two ragged ones; whole tiles hold 1, 1, 0 and 0 vectors.
    assert tile_statistics(mask, 2).tolist() == [4 / 12, 8 / 12, 2.0]


@cache
def measured():
    return {
        name: [correlations(one.mask) for one in maps(load_workload(str(SHARED / "data" / name)))] for name in NETWORKS
    }


@needs_shared
def test_the_defaults_are_what_three_networks_have():
    found = fit(measured().values())
    assert [len(group) for group in measured().values()] == [17, 12, 31]
    assert Clustered() == Clustered(
        round(found.correlation_length, 2), round(found.channel_share, 2), round(found.shared_share, 3), 0.0,
        round(found.places),
    )  # fmt: skip


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize(("name", "below", "above"), [("squeezenet_dc", 0, 0.03), ("vgg16_hed", 0.05, 0.14),
                                                      ("mediapipe_pose", -0.06, -0.03)])  # fmt: skip
def test_a_network_is_near_what_the_others_say(name, below, above):
    """Vectors of 4 in tiles of 2 x 2; the VGG-16, with its dead channels, is known to have fewer."""
    pattern = fit(group for other, group in measured().items() if other != name)
    ratios = [
        tile_statistics(drawn(pattern, one.density, 0, one.mask.shape), 2)[0] / tile_statistics(one.mask, 2)[0]
        for one in maps(load_workload(str(SHARED / "data" / name)))
    ]
    assert below < np.mean(ratios) - 1 < above


@pytest.mark.slow
def test_the_tables_are_printed_for_the_shipped_network(capsys):
    main([])
    text = capsys.readouterr().out
    assert text.count("| **blazepose, mean** |") == 3
    assert "\n| blazepose | 31 | " in text
