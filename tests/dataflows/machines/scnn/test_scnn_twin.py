"""The kernels against the slow twin, bit for bit, over random small machines and layers."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflows.machines.scnn.scnn import Scnn
from tests.dataflows.machines.scnn.cases import layers, specs, tight_specs, traces
from tests.dataflows.machines.scnn.twin import SlicedTwin, Twin


def assert_equal_to_twin(spec, trace, twin):
    machine = Scnn(spec)
    assume(machine.refusal(trace.layer) is None)
    schedule = machine.schedule(trace)
    cycles, issued, drain = twin(spec, trace).run()
    np.testing.assert_array_equal(schedule.issued, issued)
    np.testing.assert_array_equal(schedule.cycles, cycles)
    np.testing.assert_array_equal(schedule.drain_cycles, drain)
    assert schedule.expected_issued == issued.sum()


@pytest.mark.twin
@given(st.data())
def test_planar_layers(data):
    layer = data.draw(layers())
    assume(max(layer.input_size) > 1 or max(layer.kernel_size) > 1)
    # Tiles of every fourth machine are cut, which takes the twin several times as long.
    spec = data.draw(tight_specs() if data.draw(st.integers(0, 3)) == 3 else specs())
    assert_equal_to_twin(spec, data.draw(traces(layer)), Twin)


@pytest.mark.twin
@given(st.data())
def test_fully_connected_layers(data):
    layer = data.draw(layers(one_position=True))
    assert_equal_to_twin(data.draw(specs()), data.draw(traces(layer)), SlicedTwin)
