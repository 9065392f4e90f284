"""Eyeriss's and Eyeriss v2's actions against slow twins that count one after the other."""

import pytest
from hypothesis import given

from dataflows.machines.eyeriss.eyeriss import Eyeriss
from dataflows.machines.eyeriss.eyeriss_v2 import EyerissV2
from tests.dataflows.hardware.counting import INPUT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.eyeriss import eyeriss_twin, eyeriss_v2_twin
from tests.dataflows.machines.eyeriss.actions_twin import actions
from tests.dataflows.machines.eyeriss.cases import dense_specs, sparse_specs
from tests.dataflows.machines.eyeriss.mapping_twin import mapping_of
from tests.dataflows.small_layers import small_traces
from tests.draws import quarter_of_cases


def assert_as_twin(machine, twin, trace, sums):
    found, schedule = counted(machine, trace)
    assert_products(found, trace, schedule)
    laid = machine.lay_out(trace)
    walk = twin(machine.spec, trace.layer, trace.weight_mask, trace.activation_mask, mapping_of(laid.way))
    expected = actions(walk, laid.strips.blocks.tolist())
    expected["input_buffer", "write"] += loads_of(machine, "input_buffer", schedule, INPUT)
    expected[sums, "read"] += words(machine, sums, schedule.stores.total_bytes)
    assert_counts(found, expected)


@pytest.mark.twin
@quarter_of_cases
@given(dense_specs(), small_traces(many_groups=True))
def test_eyeriss_counts_as_its_twin(spec, trace):
    assert_as_twin(Eyeriss(spec), eyeriss_twin.Eyeriss, trace, "input_buffer")


@pytest.mark.twin
@quarter_of_cases
@given(sparse_specs(), small_traces(many_groups=True))
def test_eyeriss_v2_counts_as_its_twin(spec, trace):
    assert_as_twin(EyerissV2(spec), eyeriss_v2_twin.EyerissV2, trace, "sum_buffer")
