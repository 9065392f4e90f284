"""The ideal machine by hand: products over multipliers, and nothing else."""

import numpy as np
import pytest

from dataflows.machines.ideal import Ideal, IdealSpec
from dataflows.schedule import Cause
from workloads.layer import Layer
from workloads.trace import LayerTrace

# Nine positions of 2 x 2 kernels, two channels, three filters: 216 products, 3 x 9 x 2 of them with both sides non-zero.
LAYER = Layer.conv("hand", in_channels=2, out_channels=3, input_size=(4, 4), kernel_size=2)


def trace():
    weights = np.zeros(LAYER.weight_shape, bool)
    weights[:, 0, 0, :] = True  # two weights a filter, all of channel 0
    activations = np.zeros(LAYER.input_shape, bool)
    activations[:, 0] = True
    return LayerTrace(LAYER, weights, activations)


@pytest.mark.parametrize(
    ("skip", "multipliers", "products", "cycles"),
    [("both", 9, 54, 6), ("both", 10, 54, 6), ("both", 53, 54, 2), ("nothing", 9, 216, 24), ("nothing", 1000, 216, 1)],
)
def test_cycles_are_the_products_over_the_multipliers_rounded_up(skip, multipliers, products, cycles):
    schedule = Ideal(IdealSpec(multipliers=multipliers, skip=skip)).schedule(trace())
    assert schedule.issued.tolist() == [[products]]
    assert schedule.expected_issued == products
    assert schedule.lanes_per_pe == multipliers
    assert {Cause(i): int(n) for i, n in enumerate(schedule.cycles[0, 0]) if n} == {Cause.BUSY: cycles}
    assert schedule.drain_cycles.tolist() == [0]
    assert schedule.compulsory_bytes == schedule.loads.total_bytes == schedule.stores.total_bytes == 0


def test_the_baseline_is_the_same_machine_without_skipping():
    assert Ideal(IdealSpec(multipliers=7)).baseline_settings() == {"multipliers": 7, "skip": "nothing"}
    assert IdealSpec().multipliers == 64 * 4 * 4, "as many as SCNN has"
