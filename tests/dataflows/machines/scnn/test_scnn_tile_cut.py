"""Cutting a tile between vectors of its lists costs no step: sub-tiles do together what the whole tile does at once."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.schedule import Cause
from tests.dataflows.machines.scnn.cases import layers, tight_specs, traces
from tests.dataflows.machines.scnn.twin import Twin


def changed(spec, **settings):
    return ScnnSpec.model_validate(spec.model_dump() | settings)


def work(spec, trace):
    """Sub-tiles of a tile; products, busy and index cycles of each image, group and PE."""
    schedule = Scnn(spec).schedule(trace)
    groups = -(-trace.layer.out_channels // spec.output_channel_group)
    did = np.dstack([schedule.issued[..., None], schedule.cycles[:, :, [Cause.BUSY, Cause.INDEX]]])
    by_tile = did.reshape(trace.layer.batch, -1, groups, spec.pes, 3)
    return by_tile.shape[1], by_tile.sum(axis=1)


@pytest.mark.law
@given(st.data())
def test_sub_tiles_take_as_many_steps_as_the_whole_tile(data):
    layer = data.draw(layers())
    assume(max(layer.input_size) > 1 or max(layer.kernel_size) > 1)
    spec = changed(data.draw(tight_specs()), tile_cut="vectors")
    assume(Scnn(spec).refusal(layer) is None)
    trace = data.draw(traces(layer))
    tiling = Twin(spec, trace)
    tiling.choose()
    assume(len(tiling.cuts()) > 1)
    spec = changed(spec, output_channel_group=tiling.Kc)  # or more accumulators hold more channels together
    region = [places + halo for places, halo in zip(tiling.tile, tiling.halo, strict=True)]
    room = {"accumulator_entries": tiling.Kc * region[0] * region[1], "iaram_bytes": 1 << 20}
    parts, cut = work(spec, trace)
    one, whole = work(changed(spec, **room), trace)
    assert (parts, one) == (len(tiling.cuts()), 1)
    np.testing.assert_array_equal(cut, whole)
