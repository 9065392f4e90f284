"""SCNN's published energies and areas beside ours, with the deviations that DEVIATIONS.md records."""

import pytest

from benchmarks.experiments.scnn_energy import AREAS, NETWORKS, network_energy, pe_areas

RECORDED = {  # DCNN-opt and SCNN over DCNN, seed 0, by network and node
    ("alexnet", 45.0): (0.537, 0.811),
    ("alexnet", 16.0): (0.677, 0.744),
}


@pytest.mark.slow
@pytest.mark.parametrize(("network", "node_nm"), RECORDED)
def test_relative_energies_are_as_recorded(network, node_nm):
    energies = network_energy(network, node_nm)
    dense = energies["dcnn"].total()
    found = [energies[name].total() / dense for name in ("dcnn-opt", "scnn")]
    assert found == pytest.approx(RECORDED[network, node_nm], abs=0.01)


@pytest.mark.slow
def test_alexnet_at_45_nm_within_the_goal_for_dcnn_opt_and_not_for_scnn():
    """The known gap stands in DEVIATIONS.md: the crossbar carries it."""
    energies = network_energy("alexnet", 45.0)
    dense = energies["dcnn"].total()
    published = NETWORKS["alexnet"]
    assert energies["dcnn-opt"].total() / dense == pytest.approx(published[0], rel=0.1)
    scnn = energies["scnn"]
    assert scnn.total() / dense > 1.1 * published[1]
    assert scnn.most_common(1)[0][0] == "scatter_crossbar"


def test_areas_of_a_pe_are_as_recorded():
    found = {name: area / AREAS[name][0] - 1 for name, area in pe_areas(16.0).items()}
    assert found == pytest.approx(
        {
            "IARAM + OARAM": -0.60,
            "weight FIFO": -0.89,
            "multiplier array": -0.24,
            "scatter network": -0.07,
            "accumulator buffers": 2.49,
        },
        abs=0.01,
    )
