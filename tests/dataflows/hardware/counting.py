"""Actions of a layer on a machine, checked against the books that hold for every machine."""

import math
import pickle
from collections import Counter

from dataflows.hardware.components import Action
from dataflows.schedule import Tensor
from dataflows.truth.products import count_products

INPUT, WEIGHT = Tensor.INPUT, Tensor.WEIGHT
PRODUCTS = (Action.MULTIPLY, Action.MULTIPLY_ZERO, Action.GATE)


def counted(machine, trace):
    """The counts, a Counter by (component, action), and the schedule."""
    schedule = machine.schedule(trace)
    effectual = count_products(trace).effectual_macs
    counts = machine.actions(trace, schedule, effectual)
    for _, _, times in counts:
        assert type(times) is int
        assert times >= 0
    # A machine that did not schedule the layer itself counts the same.
    assert pickle.loads(pickle.dumps(machine)).actions(trace, schedule, effectual).to_dict() == counts.to_dict()
    found = {(name, action): n for name, did in counts.to_dict().items() for action, n in did.items()}
    return Counter(found), schedule


def words(machine, name, size_bytes):
    """Words of a component that so many bytes take."""
    (bits,) = (component.bits for component in machine.components() if component.name == name)
    return math.ceil(8 * size_bytes / bits)


def loads_of(machine, name, schedule, tensor):
    """Words that all loads of a tensor write into a buffer."""
    return words(machine, name, schedule.loads.bytes_of(tensor))


def assert_products(found, trace, schedule):
    """Every issued product is one of two non-zeros or not, and those of two non-zeros are the layer's."""
    effectual = count_products(trace).effectual_macs
    assert found["multipliers", "multiply"] == effectual
    assert sum(found["multipliers", action.value] for action in PRODUCTS) == schedule.issued.sum()


def assert_counts(found, expected):
    """Both Counters have the same entries, zeros aside."""
    assert +found == +Counter(expected)
