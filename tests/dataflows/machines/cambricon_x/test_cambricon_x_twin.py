"""Cambricon-X's whole schedule against the slow twin, bit for bit, over random small machines and layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflows.machines.cambricon_x.filter_rounds
from dataflows.machines.cambricon_x.cambricon_x import CambriconX, CambriconXSpec
from dataflows.schedule import Tensor
from dataflows.specs import DramSpec
from tests.dataflows.machines.cambricon_x.twin import Twin
from workloads.layer import Layer
from workloads.trace import LayerTrace


@st.composite
def layers(draw):
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    size = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    pads = []
    for axis in (0, 1):
        short = max(0, dilation[axis] * (kernel[axis] - 1) + 1 - size[axis])
        before = draw(st.integers(0, 2))
        pads.append((before, max(short - before, draw(st.integers(0, 1)))))
    return Layer.conv(
        "random",
        in_channels=groups * draw(st.integers(1, 6)),
        out_channels=groups * draw(st.integers(1, 6)),
        input_size=size,
        kernel_size=kernel,
        stride=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        padding=tuple(pads),
        dilation=dilation,
        groups=groups,
        batch=draw(st.sampled_from([1, 1, 2])),
    )


@st.composite
def masks(draw, layer):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = random.random(layer.weight_shape) < draw(st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.9, 1.0]))
    if draw(st.booleans()):  # uneven filters, so that PEs drift apart
        mask &= random.random((layer.out_channels, 1, 1, 1)) < 0.6
    return mask


@st.composite
def specs(draw):
    pes, window = draw(st.integers(1, 5)), draw(st.integers(1, 20))
    value_bits = draw(st.sampled_from([8, 16]))
    return CambriconXSpec(
        pes=pes,
        multipliers_per_pe=draw(st.integers(1, 5)),
        window=window,
        index_bits=draw(st.integers(0, 5)),
        value_bits=value_bits,
        nbin_bytes=value_bits // 4 * (window + draw(st.integers(0, 60))),
        nbout_bytes=value_bits // 4 * (pes + draw(st.integers(0, 40))),
        sb_bytes=draw(st.sampled_from([1, 10, 30, 100, 2048])),
        loop_order=draw(st.sampled_from(["auto", "inputs_outer", "weights_outer"])),
        window_spans=draw(st.sampled_from(["kernel", "position"])),
        fetch=draw(st.sampled_from(["asynchronous", "shared"])),
        dram=DramSpec(bandwidth_gbs=1.0),  # type: ignore[call-arg]
    )


def loaded(schedule, tensor):
    rows = schedule.loads.tensor == tensor
    return np.bincount(schedule.loads.tile[rows], schedule.loads.size_bytes[rows], schedule.tiles).astype(np.int64)


def assert_equal_to_twin(spec, layer, mask):
    machine = CambriconX(spec)
    schedule = machine.schedule(LayerTrace(layer, mask, np.ones(layer.input_shape, bool)))
    counts = machine.count(layer, mask)
    work = machine.arrange(layer, machine.step_bits(counts), counts.busy + counts.index)
    twin = Twin(spec, layer, mask, work).run()
    np.testing.assert_array_equal(schedule.cycles, twin.cycles)
    np.testing.assert_array_equal(schedule.issued, twin.issued)
    # PEs met after every block in the twin and meet once a tile in the schedule: it must be the same.
    np.testing.assert_array_equal(schedule.cycles.sum(axis=2).max(axis=1), twin.duration)
    assert schedule.expected_issued == twin.issued.sum()
    np.testing.assert_array_equal(loaded(schedule, Tensor.WEIGHT), twin.loaded_synapses)
    stored = np.bincount(schedule.stores.tile, schedule.stores.size_bytes, schedule.tiles)
    np.testing.assert_array_equal(stored, twin.finished * spec.value_bits // 8)
    neurons = loaded(schedule, Tensor.INPUT) * 8 // spec.value_bits
    if work.shape[3] == 1:
        np.testing.assert_array_equal(neurons, twin.loaded_neurons)
    else:  # whole columns are loaded where a chunk begins or ends inside one
        assert (neurons >= twin.loaded_neurons).all()


@pytest.mark.twin
@given(st.data(), st.sampled_from([1, 4, 1024]))
def test_the_schedule_is_what_the_twin_does(data, tiles):
    layer = data.draw(layers())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataflows.machines.cambricon_x.filter_rounds, "TILES_AT_MOST", tiles)
        assert_equal_to_twin(data.draw(specs()), layer, data.draw(masks(layer)))
