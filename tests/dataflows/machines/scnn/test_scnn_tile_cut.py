"""Cutting a tile between vectors of its lists costs no step: sub-tiles do together what the whole tile does at once."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.schedule import Cause
from tests.dataflows.machines.scnn.cases import layers, specs, traces

MOST_PLACES = (9 + 6) ** 2
"""Of a region: the largest map of `cases` and the largest halo, of a kernel of 4 with dilation 2."""


@st.composite
def cut_machines(draw):
    """Accumulators that hold a few places of each of the output channels of a group, and few PEs, so that tiles are large.

    A group has as many channels as in a machine with more accumulators.
    """
    group = draw(st.integers(1, 4))
    changes = {
        "tile_cut": "vectors",
        "output_channel_group": group,
        "accumulator_entries": group * draw(st.integers(7 * 7, 90)),
        "pe_rows": draw(st.integers(1, 2)),
        "pe_columns": draw(st.integers(1, 2)),
        "oaram_bytes": 1 << 20,
    }
    return ScnnSpec.model_validate(draw(specs()).model_dump() | changes)


def work(spec, trace):
    """Sub-tiles of a tile; products, busy and index cycles of each image, group and PE."""
    schedule = Scnn(spec).schedule(trace)
    groups = -(-trace.layer.out_channels // min(spec.output_channel_group, trace.layer.out_channels))
    did = np.dstack([schedule.issued[..., None], schedule.cycles[:, :, [Cause.BUSY, Cause.INDEX]]])
    by_tile = did.reshape(trace.layer.batch, -1, groups, spec.pes, 3)
    return by_tile.shape[1], by_tile.sum(axis=1)


@st.composite
def machines_and_traces(draw):
    layer = draw(layers())
    assume(max(layer.input_size) > 1 or max(layer.kernel_size) > 1)
    return draw(cut_machines()), draw(traces(layer))


@pytest.mark.law
@given(machines_and_traces())
def test_sub_tiles_take_as_many_steps_as_the_whole_tile(drawn):
    spec, trace = drawn
    assume(Scnn(spec).refusal(trace.layer) is None)
    room = {"accumulator_entries": spec.output_channel_group * MOST_PLACES, "iaram_bytes": 1 << 20}
    parts, cut = work(spec, trace)
    assume(parts > 1)
    one, whole = work(ScnnSpec.model_validate(spec.model_dump() | room), trace)
    assert one == 1
    np.testing.assert_array_equal(cut, whole)
