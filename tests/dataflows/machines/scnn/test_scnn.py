"""SCNN by hand-worked tiles, known numbers and closed forms; the twin's comparisons stand in test_scnn_twin.py."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

import dataflows.machines.scnn.tile_work
from dataflows.machines.scnn.bank_tables import fits_tables
from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.schedule import Cause, Tensor
from simulator.network_simulation import MachineRun
from tests.dataflows.machines.scnn.cases import layers, specs
from workloads.errors import UnsupportedLayerError
from workloads.layer import Layer
from workloads.network import load_network
from workloads.trace import LayerTrace


def spec(**settings):
    """One PE that takes vectors of two on four banks, unless told otherwise."""
    small = {"pe_rows": 1, "pe_columns": 1, "weights_per_vector": 2, "activations_per_vector": 2}
    return ScnnSpec(**{**small, "accumulator_banks": 4, "queue_depth": 8, **settings})


def trace_of(layer, weights=None, activations=None, output_density=1.0):
    return LayerTrace(
        layer,
        np.ones(layer.weight_shape, bool) if weights is None else np.asarray(weights, bool).reshape(layer.weight_shape),
        np.ones(layer.input_shape, bool)
        if activations is None
        else np.asarray(activations, bool).reshape(layer.input_shape),
        output_density,
    )


def random_trace(layer, weight_density, activation_density, output_density=1.0, seed=0):
    random = np.random.default_rng(seed)
    activations = random.random(layer.input_shape) < activation_density
    return LayerTrace(layer, random.random(layer.weight_shape) < weight_density, activations, output_density)


def only(schedule, tile=0, pe=0):
    """The causes of one PE in one tile that are not zero."""
    return {Cause(i).key: int(n) for i, n in enumerate(schedule.cycles[tile, pe]) if n}


LINE = Layer.conv(
    "line", in_channels=1, out_channels=2, input_size=(1, 4), kernel_size=(1, 2), padding=((0, 0), (0, 1))
)


def test_a_tile_worked_by_hand():
    # Activations at x = 0, 1, 3; weights k0: s0 s1, k1: s1. A weight s moves x to x - s; the region spans x = -1 .. 3,
    # five accumulators a channel. Entries are k0s0, k0s1, k1s1 with offsets 1, 0, 5, and x itself.
    # Step 1, x (0, 1) with (k0s0, k0s1): addresses 1 0 2 1 -> banks 1 0 2 1; one product waits in bank 1.
    # Step 2, x (0, 1) with (k1s1): addresses 5 6 -> banks 1 2; one product waits in bank 1 again.
    # Step 3, x (3) with (k0s0, k0s1): addresses 4 3 -> banks 0 3. Bank 1 runs empty.
    # Step 4, x (3) with (k1s1): address 8 -> bank 0. Nothing is left.
    schedule = Scnn(spec()).schedule(trace_of(LINE, [1, 1, 0, 1], [1, 1, 0, 1]))
    assert only(schedule) == {"busy": 4}
    assert schedule.issued.tolist() == [[9]]
    # With no queues step 1 lasts until bank 1 has retired two products.
    schedule = Scnn(spec(queue_depth=0)).schedule(trace_of(LINE, [1, 1, 0, 1], [1, 1, 0, 1]))
    assert only(schedule) == {"busy": 4, "bank_conflict": 1}
    # Post-processing takes 2 channels x 4 positions, 4 a cycle; the halo is one column of each channel.
    assert schedule.drain_cycles.tolist() == [3]


def test_index_cycles_alone():
    # Every zero before a non-zero is stored when there is no run field, and a step over it issues nothing.
    machine = Scnn(spec(zero_run_bits=0, weights_per_vector=1))
    layer = Layer.conv("index", in_channels=1, out_channels=2, input_size=(1, 2), kernel_size=1)
    schedule = machine.schedule(trace_of(layer, [0, 1]))
    assert only(schedule) == {"busy": 1, "index": 1}


def test_bank_conflicts_alone():
    layer = Layer.conv("bank", in_channels=1, out_channels=2, input_size=(1, 2), kernel_size=1)
    assert only(Scnn(spec(accumulator_banks=1)).schedule(trace_of(layer))) == {"busy": 1, "bank_conflict": 3}
    assert only(Scnn(spec(accumulator_banks=4)).schedule(trace_of(layer))) == {"busy": 1}


def test_waits_for_the_weight_fifo_alone():
    # Two PEs; the left one has two activation vectors in channel 0, the right one only an activation in channel 1.
    layer = Layer.conv("fifo", in_channels=2, out_channels=1, input_size=(1, 8), kernel_size=1)
    activations = [[1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0]]
    narrow = Scnn(spec(pe_columns=2, weight_fifo_vectors=1)).schedule(trace_of(layer, activations=activations))
    assert only(narrow, pe=0) == {"busy": 2}
    assert only(narrow, pe=1) == {"imbalance": 2, "busy": 1}
    wide = Scnn(spec(pe_columns=2, weight_fifo_vectors=2)).schedule(trace_of(layer, activations=activations))
    assert only(wide, pe=1) == {"busy": 1}


def test_pes_without_positions_do_nothing():
    layer = Layer.conv("few", in_channels=1, out_channels=1, input_size=(2, 2), kernel_size=1)
    schedule = Scnn(spec(pe_rows=3, pe_columns=3)).schedule(trace_of(layer))
    assert (schedule.cycles.sum(axis=2)[0] > 0).reshape(3, 3).tolist() == [[True, True, False]] * 2 + [[False] * 3]


CONV3_2 = Layer.conv("conv3_2", in_channels=256, out_channels=256, input_size=(56, 56), kernel_size=3, padding=1)
BOUNDLESS = {"iaram_bytes": 10**8, "oaram_bytes": 10**8, "weight_fifo_vectors": 10**9, "zero_run_bits": 12}


@pytest.mark.parametrize(("settings", "cycles"), [({"queue_depth": 8}, 255_208), ({"queue_depth": 0}, 491_781)])
def test_known_cycles_of_a_layer_with_222_million_products(settings, cycles):
    random = np.random.default_rng(0)
    activations = random.random((1, 256, 56, 56)) < 0.4
    trace = LayerTrace(CONV3_2, random.random(CONV3_2.weight_shape) < 0.3, activations)
    schedule = Scnn(ScnnSpec(**BOUNDLESS, **settings)).schedule(trace)
    assert schedule.issued.sum() == schedule.expected_issued == 221_646_807
    assert schedule.cycles.sum(axis=2).max(axis=1).sum() == cycles
    if settings["queue_depth"]:
        assert schedule.cycles[:, :, Cause.BUSY].max(axis=1).sum() == 255_187


@pytest.mark.parametrize("settings", [
    {}, {"queue_depth": 1}, {"accumulator_banks": 8, "weight_fifo_vectors": 4}, {"queue_depth": 40},
    {"bank_hash": "mix"}, {"accumulator_banks": 64}, {"accumulator_banks": 128, "weights_per_vector": 8},
    {"activations_per_vector": 16, "queue_depth": 60}, {"accumulator_banks": 24, "weight_fifo_vectors": 4},
])  # fmt: skip
@pytest.mark.parametrize("stride", [1, 2])
def test_fast_and_generic_kernels_agree_on_a_layer_of_real_size(settings, stride, monkeypatch):
    layer = Layer.conv("middle", in_channels=24, out_channels=32, input_size=(28, 28), kernel_size=3, padding=1,
                       stride=stride)  # fmt: skip
    trace, machine = random_trace(layer, 0.2, 0.3), Scnn(ScnnSpec(**settings))
    assert fits_tables(machine.spec.queue_rules)
    fast = machine.schedule(trace)
    monkeypatch.setattr(dataflows.machines.scnn.tile_work, "fits_planes", lambda _: False)
    np.testing.assert_array_equal(machine.schedule(trace).cycles, fast.cycles)
    monkeypatch.setattr(dataflows.machines.scnn.tile_work, "fits_tables", lambda _: False)
    np.testing.assert_array_equal(machine.schedule(trace).cycles, fast.cycles)


def test_the_number_of_threads_changes_nothing(monkeypatch):
    trace = random_trace(
        Layer.conv("threads", in_channels=40, out_channels=50, input_size=(60, 60), kernel_size=3), 0.3, 0.5
    )
    monkeypatch.setenv("PRUNESIM_THREADS", "1")
    one = Scnn().schedule(trace)
    monkeypatch.setenv("PRUNESIM_THREADS", "3")
    three = Scnn().schedule(trace)
    np.testing.assert_array_equal(one.cycles, three.cycles)
    np.testing.assert_array_equal(one.loads.size_bytes, three.loads.size_bytes)


def convolved(layer, weights, activations):
    """The convolution from its definition, kernel position by kernel position."""
    (top, bottom), (left, right) = layer.padding
    padded = np.pad(activations, ((0, 0), (0, 0), (top, bottom), (left, right)))
    outputs = np.zeros(layer.output_shape, np.int64)
    (P, Q), (sy, sx), K, C = layer.output_size, layer.stride, layer.group_out_channels, layer.group_in_channels
    for r, s, g in np.ndindex(*layer.kernel_size, layer.groups):
        y, x = r * layer.dilation[0], s * layer.dilation[1]
        window = padded[:, g * C : (g + 1) * C, y : y + (P - 1) * sy + 1 : sy, x : x + (Q - 1) * sx + 1 : sx]
        outputs[:, g * K : (g + 1) * K] += np.einsum("kc,ncpq->nkpq", weights[g * K : (g + 1) * K, :, r, s], window)
    return outputs


@given(st.data())
def test_outputs_in_the_machines_order_equal_a_convolution(data):
    layer = data.draw(st.one_of(layers(), layers(one_position=True)))
    machine = Scnn(data.draw(specs()))
    assume(machine.refusal(layer) is None)
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    weights = random.integers(-9, 10, layer.weight_shape) * (random.random(layer.weight_shape) < 0.6)
    activations = random.integers(-9, 10, layer.input_shape) * (random.random(layer.input_shape) < 0.6)
    np.testing.assert_array_equal(machine.execute(layer, weights, activations), convolved(layer, weights, activations))


def test_a_fully_connected_layer_reaches_a_quarter_of_the_peak():
    layer = Layer.dense("fc", in_features=64, out_features=1024)
    schedule = Scnn().schedule(trace_of(layer))
    assert schedule.tiles == 1
    assert 4 * schedule.issued.sum() == schedule.multipliers * schedule.cycles.sum(axis=2).max()
    assert schedule.loads.total_bytes == schedule.compulsory_bytes == 64 * 1024 * 20 // 8


def test_one_sided_machines_multiply_the_other_sides_zeros():
    layer = Layer.conv("sides", in_channels=6, out_channels=9, input_size=(11, 7), kernel_size=3, padding=1, stride=2)
    trace = random_trace(layer, 0.3, 0.4)
    both, weights, activations = (
        Scnn(ScnnSpec(skip=skip)).schedule(trace) for skip in ("both", "weights", "activations")
    )
    assert weights.issued.sum() == Scnn().schedule(trace_of(layer, weights=trace.weights)).issued.sum()
    assert activations.issued.sum() == Scnn().schedule(trace_of(layer, activations=trace.activations)).issued.sum()
    assert both.issued.sum() < min(weights.issued.sum(), activations.issued.sum())


def test_layers_on_chip_only_load_weights():
    layer = Layer.conv("small", in_channels=8, out_channels=20, input_size=(16, 16), kernel_size=3, padding=1)
    trace = random_trace(layer, 0.5, 0.5)
    schedule = Scnn().schedule(trace)
    assert set(schedule.loads.tensor.tolist()) == {Tensor.WEIGHT}
    assert len(schedule.stores.tile) == 0
    assert schedule.notes == ()
    # No run of 16 zeros at this density, or hardly: 20 bits for each non-zero, whole bytes for each of three groups.
    assert trace.weight_nonzeros * 20 // 8 <= schedule.compulsory_bytes <= trace.weight_nonzeros * 20 // 8 * 1.02 + 3


def test_a_layer_too_large_moves_each_input_and_output_once():
    layer = Layer.conv("large", in_channels=64, out_channels=48, input_size=(112, 112), kernel_size=3, padding=1)
    schedule = Scnn().schedule(trace_of(layer, output_density=0.5))
    inputs, outputs = layer.input_count * 20 // 8, layer.output_count * 20 // 8 // 2
    assert schedule.loads.bytes_of(Tensor.INPUT) == pytest.approx(inputs, rel=1e-3)
    assert schedule.stores.bytes_of(Tensor.OUTPUT) == pytest.approx(outputs, rel=1e-3)
    assert any(note.startswith("activations spill to DRAM: inputs take 31360 bytes on a PE, IARAM has 10240")
               for note in schedule.notes)  # fmt: skip
    assert schedule.spills
    loads = schedule.loads.size_bytes[schedule.loads.tensor == Tensor.INPUT]
    assert loads.max() <= 64 * 10240
    groups = 6
    assert len(loads) * groups == schedule.tiles
    assert (schedule.loads.last_tile - schedule.loads.tile).max() == groups - 1


SIDES = {"inputs": (64, 24, 1.0), "outputs": (24, 64, 1.0), "both": (64, 64, 1.0), "neither": (24, 64, 0.25)}


@pytest.mark.parametrize("side", SIDES)
def test_only_what_overflows_moves(side):
    """A PE has 14 x 14 positions; 24 channels of them take 11,760 bytes of 10,240, at a quarter of the values 2,940."""
    in_channels, out_channels, density = SIDES[side]
    layer = Layer.conv("map", in_channels=in_channels, out_channels=out_channels, input_size=(112, 112), kernel_size=1)
    trace = random_trace(layer, 1, 0.25 if in_channels == 24 else 1, density if out_channels == 64 else 0.25)
    schedule = Scnn().schedule(trace)
    assert (schedule.loads.bytes_of(Tensor.INPUT) > 0) == (side in ("inputs", "both"))
    assert (schedule.stores.total_bytes > 0) == (side in ("outputs", "both"))
    moved = schedule.loads.total_bytes + schedule.stores.total_bytes
    assert schedule.compulsory_bytes <= moved


@pytest.mark.parametrize("side", SIDES)
def test_only_what_overflows_moves_in_a_fully_connected_layer(side):
    """A PE of 64 has a 64th of the activations, 2.5 bytes each: in RAMs of 160 bytes they keep 4,096 values."""
    many, few = 4096 + 64, 64
    features = {"inputs": (many, few), "outputs": (few, many), "both": (many, many), "neither": (few, few)}[side]
    layer = Layer.dense("fc", in_features=features[0], out_features=features[1])
    trace = LayerTrace(layer, np.zeros(layer.weight_shape, bool), np.ones(layer.input_shape, bool))
    machine = Scnn(ScnnSpec(iaram_bytes=160, oaram_bytes=160, accumulator_entries=64))
    schedule = machine.schedule(trace)
    MachineRun(machine).layer(trace)  # results leave round by round, so that they find room
    assert (schedule.loads.bytes_of(Tensor.INPUT) > 0) == (side in ("inputs", "both"))
    assert (schedule.stores.total_bytes > 0) == (side in ("outputs", "both"))


@pytest.mark.parametrize(
    ("skip", "weight_bits", "activation_bits"), [("both", 20, 20), ("weights", 20, 16), ("activations", 16, 20)]
)
@pytest.mark.parametrize("weight_layout", ["tiles", "filters"])
def test_dense_tensors_are_stored_without_run_fields_and_read_as_they_were_written(
    skip, weight_bits, activation_bits, weight_layout
):
    """Both maps hold a quarter of their values: compressed as many entries, else all; likewise half of the weights."""
    layer = Layer.conv("map", in_channels=128, out_channels=128, input_size=(64, 64), kernel_size=1)
    mask = np.zeros(layer.input_shape, bool)
    mask[:, :, ::2, ::2] = True  # no run of zeros needs a filler
    weights = np.zeros(layer.weight_shape, bool)
    weights[::2] = True
    trace = LayerTrace(layer, weights, mask, output_density=0.25)
    spec = ScnnSpec(skip=skip, weight_layout=weight_layout, iaram_bytes=2600, oaram_bytes=2600)
    schedule = Scnn(spec).schedule(trace)
    values = layer.input_count if skip == "weights" else layer.input_count // 4
    kept = layer.weight_count if skip == "activations" else layer.weight_count // 2
    assert schedule.loads.bytes_of(Tensor.INPUT) == pytest.approx(values * activation_bits / 8, rel=1e-3)
    assert schedule.stores.bytes_of(Tensor.OUTPUT) == pytest.approx(values * activation_bits / 8, rel=1e-3)
    distinct = len(np.unique(schedule.loads.tile[schedule.loads.tensor == Tensor.INPUT]))
    weight_bytes = schedule.loads.bytes_of(Tensor.WEIGHT) / distinct
    assert weight_bytes == pytest.approx(kept * weight_bits / 8, rel=0.21 if weight_layout == "filters" else 1e-3)


def test_inputs_that_never_fit_pass_through():
    layer = Layer.conv("deep", in_channels=64, out_channels=16, input_size=(2, 2), kernel_size=2, padding=1)
    schedule = Scnn(ScnnSpec(iaram_bytes=100)).schedule(trace_of(layer))
    assert schedule.loads.bytes_of(Tensor.INPUT) == schedule.tiles * layer.input_count * 20 // 8
    assert [use.streamed for use in schedule.buffers if use.tensor == Tensor.INPUT] == [True]
    assert schedule.notes[-1] == "inputs of a single position exceed the IARAM: they are read again for every tile"


def test_exactly_nine_of_the_authors_72_layers_overflow():
    """Parashar et al., ISCA 2017: nine layers of VGG-16 need temporal tiling, no other of the three networks."""
    spilled = []
    names = ("alexnet@scnn", "vgg16@scnn", "googlenet@scnn")
    networks = [(name, load_network(name)) for name in names]
    layers = [(name, *both) for name, each in networks for both in zip(each.layers, each.densities, strict=True)]
    assert len(layers) == 72 + 1  # the halves of AlexNet's conv2 stand apart
    for seed, (name, layer, kept) in enumerate(layers):
        schedule = Scnn().schedule(random_trace(layer, kept.weights, kept.activations, kept.outputs, seed))
        assert schedule.issued.sum() == schedule.expected_issued
        if schedule.spills:
            spilled.append((name, layer.name))
    tiled = ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "4_1", "4_2")
    assert spilled == [("vgg16@scnn", f"conv{place}") for place in tiled]


def test_refusals_say_why():
    volume = Layer.conv("volume", in_channels=1, out_channels=1, input_size=(4, 4, 4), kernel_size=3)
    with pytest.raises(
        UnsupportedLayerError, match=r"^scnn cannot run layer 'volume': its planar tiles and accumulators"
    ):
        Scnn().schedule(trace_of(volume))
    wide = Layer.conv("wide", in_channels=1, out_channels=1, input_size=(40, 40), kernel_size=33)
    with pytest.raises(
        UnsupportedLayerError, match=r"reach more outputs than the 1024 accumulator entries of a PE hold$"
    ):
        Scnn().schedule(trace_of(wide))


def test_an_output_ram_smaller_than_the_accumulators_is_refused():
    with pytest.raises(ValidationError, match="oaram_bytes = 100 cannot hold the 1024 results of one accumulator copy"):
        ScnnSpec(oaram_bytes=100)


def test_the_baseline_has_the_same_array():
    settings = Scnn(ScnnSpec(pe_rows=4, activations_per_vector=2)).baseline_settings()
    assert settings == {"pe_rows": 4, "pe_columns": 8, "multipliers_per_pe": 8}
