"""SCNN's published energies and areas beside ours, with the deviations that DEVIATIONS.md records."""

import pytest

from benchmarks.experiments.scnn_energy import AREAS, NETWORKS, network_energy, pe_areas

RECORDED = {  # DCNN-opt and SCNN over DCNN, seed 0, by network and node
    ("alexnet", 45.0): (0.642, 0.781),
    ("alexnet", 16.0): (0.801, 0.803),
}


@pytest.mark.slow
@pytest.mark.parametrize(("network", "node_nm"), RECORDED)
def test_relative_energies_are_as_recorded(network, node_nm):
    energies = network_energy(network, node_nm)
    dense = energies["dcnn"].total()
    found = [energies[name].total() / dense for name in ("dcnn-opt", "scnn")]
    assert found == pytest.approx(RECORDED[network, node_nm], abs=0.01)


@pytest.mark.slow
def test_alexnet_at_45_nm_misses_the_goal_by_known_parts():
    """The known gap stands in DEVIATIONS.md: what a product pays behind its multiplier, and cheap multipliers in DCNN."""
    energies = network_energy("alexnet", 45.0)
    dense = energies["dcnn"].total()
    for name, published in zip(("dcnn-opt", "scnn"), NETWORKS["alexnet"], strict=True):
        assert energies[name].total() / dense > 1.1 * published
    scnn = energies["scnn"]
    behind = sum(scnn[part] for part in ("scatter_crossbar", "bank_queues", "accumulators"))
    assert behind / dense == pytest.approx(0.41, abs=0.01)
    assert behind > 2 * scnn["multipliers"]
    assert energies["dcnn"]["multipliers"] / dense == pytest.approx(0.54, abs=0.01)


def test_areas_of_a_pe_are_as_recorded():
    found = {name: area / AREAS[name][0] - 1 for name, area in pe_areas(16.0).items()}
    assert found == pytest.approx(
        {
            "IARAM + OARAM": -0.60,
            "weight FIFO": -0.89,
            "multiplier array": -0.47,
            "scatter network": -0.67,
            "accumulator buffers": 0.26,
        },
        abs=0.01,
    )
