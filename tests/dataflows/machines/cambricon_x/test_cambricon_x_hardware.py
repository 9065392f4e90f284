"""Cambricon-X's actions against a slow twin that looks at every window of every output position."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.cambricon_x.cambricon_x import CambriconX
from dataflows.registry import create
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of
from tests.dataflows.machines.cambricon_x.test_cambricon_x_twin import layers, masks, specs
from tests.dataflows.machines.cambricon_x.twin import scanned, synapses
from tests.draws import quarter_of_cases
from workloads.layer import Layer
from workloads.trace import LayerTrace


def twin_of(spec, layer, mask, chunks):
    """What an output position's windows cost, filter by filter, all positions together."""
    twin, many = Counter(), layer.batch * math.prod(layer.output_size)
    scan = scanned(layer.group_in_channels, *layer.kernel_size, spec)
    selected = spec.multipliers_per_pe
    fetched = set()
    for k in range(layer.out_channels):
        turn = k // spec.pes, k // layer.group_out_channels
        for window, entries in zip(scan, synapses(mask[k], scan, spec.index_bits), strict=True):
            if spec.fetch == "asynchronous" or turn not in fetched:
                twin["nbin", "read"] += math.ceil(len(window) / selected)
            words = [entries[i : i + selected] for i in range(0, len(entries), selected)]
            twin["sb_steps", "read"] += max(1, len(words))
            for word in words:
                real = [entry for entry in word if entry is not None]
                twin["sb", "read"] += bool(real)
                twin["sum_registers", "write"] += bool(real)
                for name in (("adders", "add"), ("product_registers", "write")):
                    twin[name] += len(real)
                for name in (("step_adders", "add"), ("selectors", "select"), ("neuron_bus", "traverse")):
                    twin[name] += len(word)
        fetched.add(turn)
        twin["nbout", "read"] += chunks
        twin["nbout", "write"] += chunks
    return Counter({key: times * many for key, times in twin.items()})


@pytest.mark.twin
@quarter_of_cases
@given(st.data())
def test_counts_as_its_twin(data):
    spec, layer = data.draw(specs()), data.draw(layers())
    mask = data.draw(masks(layer))
    random = np.random.default_rng(1)
    trace = LayerTrace(layer, mask, random.random(layer.input_shape) < 0.5)
    machine = CambriconX(spec)
    found, schedule = counted(machine, trace)
    assert_products(found, trace, schedule)
    counts = machine.count(layer, mask)
    work = machine.arrange(layer, machine.step_bits(counts), counts.busy + counts.index)
    twin = twin_of(spec, layer, mask, work.shape[3])
    twin["nbin", "write"] = loads_of(machine, "nbin", schedule, INPUT)
    entry_bits = spec.multipliers_per_pe * (spec.value_bits + spec.index_bits)
    words = math.ceil(8 * schedule.loads.bytes_of(WEIGHT) / entry_bits)
    twin["sb", "write"] = twin["sb_steps", "write"] = words
    assert_counts(found, twin | {key: n for key, n in found.items() if key[0] == "multipliers"})


@given(st.data())
def test_fewer_weights_never_cost_more(data):
    spec, layer = data.draw(specs()), data.draw(layers())
    full = np.ones(layer.weight_shape, bool)
    machine, dense = CambriconX(spec.model_copy(update={"index_bits": 16})), np.ones(layer.input_shape, bool)
    more, _ = counted(machine, LayerTrace(layer, full, dense))
    less, _ = counted(machine, LayerTrace(layer, data.draw(masks(layer)), dense))
    for key in more:
        if key[0] not in ("nbin", "nbout") and key[1] != "write":
            assert less[key] <= more[key]


def test_a_window_by_hand():
    """300 inputs are windows of 256 and 44; 18 and no weights take two words of 16 and a look at the end mark."""
    layer = Layer.conv("hand", in_channels=300, out_channels=1, input_size=(1, 1), kernel_size=1)
    mask = np.zeros(layer.weight_shape, bool)
    mask[0, 10:28] = True
    found, _ = counted(create("cambricon-x"), LayerTrace(layer, mask, np.ones(layer.input_shape, bool)))
    assert found["nbin", "read"] == 16 + 3
    assert (found["sb", "read"], found["sb_steps", "read"]) == (2, 3)
    assert found["selectors", "select"] == found["adders", "add"] == 18
    assert found["nbout", "write"] == 1
