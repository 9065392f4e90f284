"""Published figures: value, source, tolerance, and what we get. DEVIATIONS.md holds the same numbers."""

import pytest

from dataflows.registry import create
from simulator.network_simulation import simulate
from workloads.workload import load_workload


@pytest.mark.parametrize(
    ("workload", "published", "tolerance"),
    [
        ("alexnet@scnn", 2.37, 0.05),  # Parashar et al., ISCA 2017, performance section: 5 convolutional layers
        ("vgg16@scnn", 3.52, 0.05),  # the same, 13 convolutional layers
    ],
)
def test_speedup_of_scnn_over_dcnn(workload, published, tolerance):
    (report,) = simulate([create("scnn")], load_workload(workload))
    assert report.total.speedup == pytest.approx(published, rel=tolerance)
