"""SparTen, beside its slow twin, its own rules and what it moves."""

import math

import numpy as np
import pytest
from hypothesis import given

from dataflows.machines.sparten.sparten import Sparten
from dataflows.schedule import Cause
from dataflows.truth.convolution import reference_convolution
from tests.dataflows.machines.sparten.cases import specs, strips_of, wide_traces
from tests.dataflows.machines.sparten.twin import twin
from tests.dataflows.small_layers import small_traces


def assert_equals_the_twin(spec, trace):
    schedule = Sparten(spec).schedule(trace)
    strips = strips_of(spec, trace.layer).first_pixel.tolist()
    cycles, issued = twin(spec, trace.layer, trace.weight_mask, trace.activation_mask, strips)
    np.testing.assert_array_equal(schedule.cycles, cycles)
    np.testing.assert_array_equal(schedule.issued, issued)
    assert schedule.expected_issued == issued.sum()


@pytest.mark.twin
@given(specs(), small_traces())
def test_every_tile_equals_the_twin(spec, trace):
    assert_equals_the_twin(spec, trace)


@pytest.mark.twin
@given(specs(chunks=(1, 63, 64, 65, 100, 128, 130, 200)), wide_traces())
def test_chunks_of_several_words_equal_the_twin(spec, trace):
    assert_equals_the_twin(spec, trace)
