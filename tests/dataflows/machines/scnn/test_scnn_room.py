"""More room never hurts SCNN: what doubling a buffer or a queue does to random small layers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from tests.dataflows.machines.scnn.cases import layers, specs, traces


def doubled(machine, key):
    settings = machine.spec.model_dump()
    return Scnn(ScnnSpec.model_validate(settings | {key: max(1, 2 * settings[key])}))


def moved_bytes(schedule):
    return schedule.loads.total_bytes + schedule.stores.total_bytes


@st.composite
def machines_and_traces(draw):
    """Output RAMs are small as well: one accumulator copy and little more."""
    spec, one_position = draw(specs()), draw(st.sampled_from([False, False, False, True]))
    trace = draw(traces(draw(layers(one_position=one_position))))
    smallest = -(-spec.accumulator_entries * spec.activation_bits // 8)
    room = {"oaram_bytes": smallest + draw(st.sampled_from([0, 10, 100]))}
    layout = {"weight_layout": draw(st.sampled_from(["tiles", "filters"]))}
    return Scnn(ScnnSpec.model_validate(spec.model_dump() | room | layout)), trace


@pytest.mark.parametrize("key", ["oaram_bytes", "weight_fifo_vectors", "queue_depth"])
@given(machines_and_traces())
@settings(max_examples=100)
def test_twice_the_room_never_adds_a_cycle_or_a_byte(key, drawn):
    machine, trace = drawn
    if machine.refusal(trace.layer):
        return
    less, more = (chosen.schedule(trace) for chosen in (machine, doubled(machine, key)))
    assert (more.cycles.sum(axis=2) <= less.cycles.sum(axis=2)).all()
    assert moved_bytes(more) <= moved_bytes(less)


@pytest.mark.slow
@given(machines_and_traces())
@settings(max_examples=200)
def test_twice_the_input_ram_never_adds_a_byte_or_a_tile(drawn):
    """Cycles can grow: other sub-tiles send their products to other banks (DEVIATIONS.md).

    Runs of zeros need no fillers here: a larger sub-tile has longer ones.
    """
    drawn_machine, trace = drawn
    machine = Scnn(
        ScnnSpec.model_validate(drawn_machine.spec.model_dump() | {"zero_run_bits": 8, "oaram_bytes": 10240})
    )
    if machine.refusal(trace.layer):
        return
    less, more = (chosen.schedule(trace) for chosen in (machine, doubled(machine, "iaram_bytes")))
    assert more.tiles <= less.tiles
    assert moved_bytes(more) <= moved_bytes(less)
