"""Strips one after the other, or all positions past a block of filters: what loads fewer bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.registry import create
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.strips import strip_orders
from workloads.layer import Layer
from workloads.trace import LayerTrace

# Of 8-bit values: a map of 256 bytes, 4 blocks of one filter, of 9 x 4 = 36 bytes of weights each.
LAYER = Layer.conv("l", in_channels=4, out_channels=4, input_size=(8, 8), kernel_size=3, padding=1)


def traffics(inputs: int, weight_buffer_bytes: int) -> list[StripTraffic]:
    orders = strip_orders(LAYER, 8, inputs=inputs)
    plans = [StripPlan(LAYER, np.array([36]), np.ones((1, 4), np.int64), strips) for strips in orders]
    return [StripTraffic(plan, 8, weight_buffer_bytes, indexed=False) for plan in plans]


def test_weights_come_for_every_strip_or_inputs_for_every_block():
    # Half of 48 positions holds 3 rows: strips of 2, 1, 1, 1, 1 and 2 rows, for which weights of 144 bytes come, or the
    # map of 256 for each of 4 blocks.
    held, whole = traffics(48, 100)
    assert [traffic.plan.strips.count for traffic in (held, whole)] == [6, 1]
    assert held.loads().total_bytes == 256 + 6 * 144
    assert whole.loads().total_bytes == 4 * 256 + 144
    plans = [held.plan, whole.plan]
    assert StripTraffic.of_fewest_bytes(plans, 8, 100).plan is held.plan
    # With two rows a strip is one row of outputs, which reads up to three: nothing stays, and inputs stream in any case.
    held, whole = traffics(32, 100)
    assert held.plan.strips.count == 8
    assert StripTraffic.of_fewest_bytes([held.plan, whole.plan], 8, 100).plan is whole.plan
    assert "they stream in for every filter block" in " ".join(whole.notes())


def test_a_map_that_fits_has_one_order():
    (only,) = traffics(64 * 4, 100)
    assert only.loads().total_bytes == 256 + 144


@pytest.mark.parametrize("machine", ["dadiannao", "cnvlutin", "tcl"])
@given(st.sampled_from([64, 512, 4096]), st.integers(4, 9))
def test_a_machine_s_order_changes_bytes_alone(machine, central, synapses):
    layer = Layer.conv("l", in_channels=16, out_channels=24, input_size=(12, 12), kernel_size=3, padding=1)
    trace = LayerTrace(layer, np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool))
    shape = {"lanes": 4, "filters_per_tile": 4, "tiles": 2} if machine == "tcl" else {}
    small = shape | {"central_edram_bytes": 2 * central, "synapse_edram_bytes": 2 << synapses}
    ample = shape | {"central_edram_bytes": 1 << 20, "synapse_edram_bytes": 1 << 20}
    found, enough = (create(machine, settings).schedule(trace) for settings in (small, ample))
    np.testing.assert_array_equal(found.cycles.sum(axis=0), enough.cycles.sum(axis=0))
    np.testing.assert_array_equal(found.issued.sum(axis=0), enough.issued.sum(axis=0))
    assert found.loads.total_bytes >= enough.loads.total_bytes
    assert found.stores.total_bytes >= enough.stores.total_bytes
