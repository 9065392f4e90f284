"""The ideal machine against its twin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.ideal import Ideal, IdealSpec
from dataflows.schedule import Cause
from tests.dataflows.machines.ideal.twin import ideal_cycles
from tests.dataflows.small_layers import small_traces


@pytest.mark.twin
@given(small_traces(), st.integers(1, 40), st.sampled_from(["both", "nothing"]))
def test_cycles_and_products_equal_the_twin(trace, multipliers, skip):
    schedule = Ideal(IdealSpec(multipliers=multipliers, skip=skip)).schedule(trace)
    found = int(schedule.cycles[0, 0, Cause.BUSY]), int(schedule.issued[0, 0])
    assert found == ideal_cycles(trace.layer, trace.weights, trace.activations, multipliers, skips=skip == "both")
