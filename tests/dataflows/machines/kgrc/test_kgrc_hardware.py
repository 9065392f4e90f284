"""The group-sparse machine's actions against its twin's busy cycles, each with all that its lanes read."""

from collections import Counter

import pytest
from hypothesis import given

from dataflows.machines.kgrc.kgrc import Kgrc
from dataflows.schedule import Cause
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.kgrc.cases import specs
from tests.dataflows.machines.kgrc.twin import KgrcTwin
from tests.dataflows.small_layers import small_traces
from tests.draws import quarter_of_cases


@pytest.mark.twin
@quarter_of_cases
@given(specs(), small_traces())
def test_counts_as_its_twin(spec, trace):
    found, schedule = counted(machine := Kgrc(spec), trace)
    assert_products(found, trace, schedule)
    cycles, issued, _ = KgrcTwin(spec, trace).run()
    twin = Counter({("adders", "add"): int(issued.sum())})
    for _ in range(cycles[..., Cause.BUSY].sum()):
        for _lane in range(spec.channels_per_tile * spec.positions_parallel):
            twin["input_buffer", "read"] += 1
            twin["weight_buffer", "read"] += spec.rows_parallel
        twin["sums", "read"] += spec.rows_parallel
        twin["sums", "write"] += spec.rows_parallel
        if spec.design == "sparse":
            twin["row_lists", "read"] += spec.rows_parallel
            twin["position_lists", "read"] += spec.positions_parallel
    twin["input_buffer", "write"] = loads_of(machine, "input_buffer", schedule, INPUT)
    twin["weight_buffer", "write"] = loads_of(machine, "weight_buffer", schedule, WEIGHT)
    twin["sums", "read"] += words(machine, "sums", schedule.stores.total_bytes)
    assert_counts(found, twin | {key: n for key, n in found.items() if key[0] == "multipliers"})


@given(specs(), small_traces())
def test_lanes_hold_no_more_products_than_their_cycles_have_slots(spec, trace):
    found, _ = counted(Kgrc(spec), trace)
    rows_and_lanes = found["weight_buffer", "read"]
    assert found["adders", "add"] <= rows_and_lanes * spec.pixels_parallel
