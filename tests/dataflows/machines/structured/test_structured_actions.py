"""The structured machine's counted actions against its twin's walk, and its books."""

import math
from collections import Counter

import pytest
from hypothesis import given

from dataflows.machines.structured import Structured
from dataflows.schedule import Tensor
from dataflows.truth.products import count_products
from tests.dataflows.machines.structured.test_structured import specs
from tests.dataflows.machines.structured.twin import StructuredTwin, strips
from tests.dataflows.small_layers import small_traces
from tests.draws import quarter_of_cases


class ActionsTwin(StructuredTwin):
    """Counts what the parts do while the array steps."""

    def run(self):
        self.did = Counter()
        list(super().run())
        for _sum in range(self.layer.output_count):
            self.did["accumulators", "read"] += 1
            self.did["output_buffer", "write"] += 1
            self.did["output_buffer", "read"] += 1
        return self.did

    def _block(self, kept, pixels, filters):
        for _column in kept:
            self.did["input_buffer", "read"] += 1
            for _pixel in pixels:
                self.did["vector_generator", "add"] += 1
            for _row in range(filters):
                self.did["vector_broadcast", "traverse"] += 1
                self.did["weight_buffer", "read"] += 1
                for _pixel in pixels:
                    self.did["accumulators", "read"] += 1
                    self.did["accumulator_adders", "add"] += 1
                    self.did["accumulators", "write"] += 1
        super()._block(kept, pixels, filters)


def counted(spec, trace):
    machine = Structured(spec)
    schedule = machine.schedule(trace)
    counts = machine.actions(trace, schedule, count_products(trace).effectual_macs)
    return schedule, {(name, action.value): n for (name, action), n in counts.counts.items()}


@pytest.mark.twin
@quarter_of_cases
@given(specs(), small_traces())
def test_equal_to_the_twin(spec, trace):
    _, did = counted(spec, trace)
    of_bytes = {("input_buffer", "write"), ("weight_buffer", "write")}
    found = {key: n for key, n in did.items() if key not in of_bytes and key[0] != "multipliers" and n}
    assert found == dict(ActionsTwin(spec, trace, strips(spec, trace.layer)[0]).run())


@given(specs(), small_traces())
def test_books(spec, trace):
    schedule, did = counted(spec, trace)
    issued = int(schedule.issued.sum())
    assert did["multipliers", "multiply"] == count_products(trace).effectual_macs
    assert did["multipliers", "multiply"] + did["multipliers", "gate"] == issued == did["accumulators", "write"]
    word = spec.value_bits * spec.pixels_parallel
    assert did["input_buffer", "write"] == math.ceil(8 * schedule.loads.bytes_of(Tensor.INPUT) / word)
    assert did["weight_buffer", "write"] == math.ceil(8 * schedule.loads.bytes_of(Tensor.WEIGHT) / spec.value_bits)
