"""Eyeriss and Eyeriss v2 against slow twins that know their description alone."""

import numpy as np
import pytest
from hypothesis import given

from dataflows.machines.eyeriss.eyeriss import Eyeriss
from dataflows.machines.eyeriss.eyeriss_v2 import EyerissV2
from tests.dataflows.machines.eyeriss import eyeriss_twin, eyeriss_v2_twin
from tests.dataflows.machines.eyeriss.cases import dense_specs, sparse_specs
from tests.dataflows.machines.eyeriss.mapping_twin import mapping_of
from tests.dataflows.small_layers import small_traces


def assert_equal(machine, twin, trace):
    laid = machine.lay_out(trace)
    found = mapping_of(laid.way)
    waves = laid.strips.blocks.tolist()
    masks = trace.weight_mask, trace.activation_mask
    assert twin.WALK(machine.spec, trace.layer, *masks, found).fits(found)
    cycles, issued = twin.twin(machine.spec, trace.layer, waves, *masks, found)
    schedule = machine.schedule(trace)
    np.testing.assert_array_equal(schedule.cycles, cycles)
    np.testing.assert_array_equal(schedule.issued, issued)
    assert schedule.expected_issued == issued.sum()


@pytest.mark.twin
@given(dense_specs(), small_traces(many_groups=True))
def test_every_pe_of_eyeriss_equals_the_twin(spec, trace):
    assert_equal(Eyeriss(spec), eyeriss_twin, trace)


@pytest.mark.twin
@given(sparse_specs(), small_traces(many_groups=True))
def test_every_pe_of_eyeriss_v2_equals_the_twin(spec, trace):
    assert_equal(EyerissV2(spec), eyeriss_v2_twin, trace)
