"""What the study of the structured-sparse array's shape concludes, and that its closed form is what the machine does."""

import math

import numpy as np
import pytest

from benchmarks.experiments.structured_shapes import (
    FILL,
    FREE,
    KEPT,
    LIMITS,
    PUBLISHED,
    WITHIN,
    in_one_row,
    kept_columns,
    matching_pairs,
    rectangular,
    shapes,
)
from dataflows.registry import create
from simulator.network_simulation import MachineRun
from workloads import pruning
from workloads.catalog import load_workload


@pytest.mark.parametrize(("filters", "pixels"), [(64, 21), (32, 39), (64, 39), (16, 157), (100, 10)])
@pytest.mark.parametrize("name", ["conv2_1", "conv4_1", "conv5_3"])
def test_the_closed_form_is_what_the_machine_does_without_memory_and_drain(name, filters, pixels):
    trace = load_workload("vgg16").select(name).prune(pruning.parse(f"shape:density={KEPT}")).trace(0)
    layer, array = trace.layer, {"output_channels_parallel": filters, "pixels_parallel": pixels}
    blocks = math.ceil(layer.out_channels / filters) * math.ceil(math.prod(layer.output_size) / pixels)
    found = MachineRun(create("structured", array | FREE)).layer(trace)
    last_drain = 1
    assert found.cycles == blocks * kept_columns(layer) + FILL + last_drain


def test_a_batch_and_one_row_only_save_ends_of_blocks():
    for filters, pixels in ((64, 21), (32, 39)):
        one, four = (float(rectangular(filters, np.array([pixels]), images)[0]) for images in (1, 4))
        assert one <= four <= in_one_row(filters * pixels) * 1.001


def test_one_pair_of_arrays_with_a_doubled_side_has_both_figures():
    ((wide, narrow),) = matching_pairs(1)
    assert (wide.filters, wide.pixels, narrow.filters, narrow.pixels) == (32, 39, 64, 39)
    assert wide.deviation == pytest.approx(-0.025, abs=1e-3)
    assert narrow.deviation == pytest.approx(-0.025, abs=1e-3)


def test_over_a_batch_many_pairs_have_both_figures():
    assert [len(matching_pairs(images)) for images in (4, 16)] == [25, 111]


def test_no_rectangle_of_2520_products_is_nearer_to_the_8_bit_figure():
    bits, limit = LIMITS[-1]
    best = max(shapes(bits, limit, 1), key=lambda shape: shape.gops)
    assert (best.filters, best.pixels) == (64, 39)
    assert best.gops < (1 - 0.8 * WITHIN) * PUBLISHED[bits]
