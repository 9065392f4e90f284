"""Twice the room of any buffer, or twice the memory rate, never adds a cycle or a byte on the dense machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.registry import create
from simulator.network_simulation import MachineRun, dense_trace
from tests.dataflows.machines.diannao import test_dadiannao, test_diannao
from tests.dataflows.machines.systolic import test_systolic
from tests.dataflows.small_layers import small_layers

SPECS = {"diannao": test_diannao.specs, "dadiannao": test_dadiannao.specs, "systolic": test_systolic.specs}
ROOMS = [
    ("diannao", "nbin_bytes"),
    ("diannao", "sb_bytes"),
    ("dadiannao", "synapse_edram_bytes"),
    ("dadiannao", "central_edram_bytes"),
    ("systolic", "input_buffer_bytes"),
    ("systolic", "weight_buffer_bytes"),
    ("systolic", "output_buffer_bytes"),
]


@pytest.mark.parametrize(("name", "key"), ROOMS)
@given(small_layers(many_groups=True), st.sampled_from([0.5, 25.6, float("inf")]), st.data())
def test_twice_the_room_never_adds_a_cycle_or_a_byte(name, key, layer, bandwidth_gbs, data):
    settings = data.draw(SPECS[name]()).model_dump() | {"dram": {"bandwidth_gbs": bandwidth_gbs, "burst_bytes": 1}}
    small, large = (
        MachineRun(create(name, settings | {key: times * settings[key]})).layer(dense_trace(layer)) for times in (1, 2)
    )
    assert large.dram.total_bytes <= small.dram.total_bytes
    assert large.cycles <= small.cycles + small.tiles, "but for a cycle a tile, by which results may overtake data"
