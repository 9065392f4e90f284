"""The ideal machine counts products and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.ideal import Ideal, IdealSpec
from dataflows.truth.products import count_products
from tests.dataflows.small_layers import small_traces
from tests.draws import quarter_of_cases


@pytest.mark.twin
@quarter_of_cases
@given(small_traces(), st.sampled_from(["both", "nothing"]))
def test_products(trace, skip):
    machine, products = Ideal(IdealSpec(multipliers=7, skip=skip)), count_products(trace)
    schedule = machine.schedule(trace)
    counts = machine.actions(trace, schedule, products.effectual_macs)
    zeros = 0 if skip == "both" else trace.layer.dense_macs - products.effectual_macs
    assert counts.to_dict() == {"multipliers": {"multiply": products.effectual_macs, "multiply_zero": zeros}}
    assert [(part.name, part.count) for part in machine.components()] == [("multipliers", 7)]
    cycles = int(schedule.cycles.sum())
    counts.idle(7 * cycles)
    assert counts.of_component("multipliers")["idle"] == 7 * cycles - int(schedule.issued.sum())
