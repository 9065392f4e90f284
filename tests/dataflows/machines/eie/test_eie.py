"""EIE: the paper's column, two PEs by hand, every cause provoked, what stays on chip, and the published latencies."""

import numpy as np
import pytest

from dataflows.machines.eie.csc_columns import ColumnEntries, encode
from dataflows.machines.eie.eie import Eie, EieSpec
from dataflows.registry import create
from dataflows.schedule import Cause, Tensor
from simulator.network_simulation import MachineRun
from workloads.layer import Layer
from workloads.trace import LayerTrace


def trace(rows, activations=None, columns=1):
    """1x1 filters as texts of 0 and 1; activations likewise, the same at every one of `columns` positions."""
    mask = np.array([[digit == "1" for digit in row] for row in rows])
    filters, channels = mask.shape
    layer = Layer.conv("l", in_channels=channels, out_channels=filters, input_size=(1, columns), kernel_size=1)
    sent = np.array([digit == "1" for digit in activations or "1" * channels])
    return LayerTrace(layer, mask.reshape(layer.weight_shape), np.repeat(sent, columns).reshape(layer.input_shape))


def stack(given, **settings):
    """Cycles by cause, those that are not zero."""
    report = MachineRun(create("eie", settings)).layer(given)
    return {cause: cycles for cause, cycles in report.pe_cycle_stack.items() if cycles}, report


def test_the_papers_column():
    # Section III: [0, 0, 1, 2, 0 (18 times), 3] is stored as values 1, 2, 0, 3 after 2, 0, 15, 2 zeros.
    column = np.array([0, 0, 1, 2, *[0] * 18, 3])[:, None]
    pointers, values, runs = encode(column, 4)
    assert pointers.tolist() == [0, 4]
    assert values.tolist() == [1, 2, 0, 3]
    assert runs.tolist() == [2, 0, 15, 2]
    counted = ColumnEntries.of(column != 0, 1, 4)
    assert (counted.entries[0, 0].tolist(), counted.fillers[0, 0].tolist()) == ([4] + [0] * 15, [1] + [0] * 15)


@pytest.mark.parametrize(("zeros", "fillers"), [(15, 0), (16, 1), (31, 1), (32, 2)])
def test_a_filler_every_sixteen_zeros(zeros, fillers):
    column = np.array([False] * zeros + [True, False] + [False] * 40)[:, None]
    assert ColumnEntries.of(column, 1, 4).fillers[0, 0].tolist() == [fillers] + [0] * 15


@pytest.mark.parametrize("run_bits", [0, 1, 4, 7, 8, 16])
@pytest.mark.parametrize(("rows", "density"), [(40, 0.5), (381, 0.004), (382, 0.004), (1000, 0.3), (1000, 0.002)])
def test_entries_of_long_columns(run_bits, rows, density):
    """Three PEs; up to 127 rows each are counted in bytes, more in words, and the last column has none but the last."""
    mask = np.random.default_rng(rows).random((rows, 5)) < density
    mask[:, 4] = np.arange(rows) == rows - 1
    counted = ColumnEntries.of(mask, 3, run_bits)
    for pe, column in np.ndindex(3, 5):
        pointers, _, runs = encode(mask[pe::3, [column]].astype(np.int64), run_bits)
        real = int(mask[pe::3, column].sum())
        assert counted.entries[column, 0, pe] == pointers[-1] == len(runs)
        assert counted.fillers[column, 0, pe] == len(runs) - real
    np.testing.assert_array_equal(counted.per_pe, counted.entries.sum(axis=0)[0, :3])


# Filters 0, 2, 4 lie on PE 0, filters 1, 3, 5 on PE 1; columns hold 2 and 1, 1 and 3, 0 and 1 entries.
TWO_PES = ["110", "111", "100", "010", "000", "010"]


@pytest.mark.parametrize(
    ("queue_depth", "cycles"),
    [
        # Broadcasts in cycles 1, 2, 3. Entries of PE 0 in 4-5, 6; its empty column is read in cycle 6, unnoticed.
        # Entries of PE 1 in 4, 5-7, 8.
        (8, [{"busy": 3, "imbalance": 2, "fill": 3}, {"busy": 5, "fill": 3}]),
        # Broadcasts in cycles 1, 3, 5. PE 0: entries in 4-5, 6, the empty column read in 7. PE 1: 4, 6-8, 9,
        # and a pointer read that nothing hides in 5.
        (1, [{"busy": 3, "port": 1, "imbalance": 2, "fill": 3}, {"busy": 5, "port": 1, "fill": 3}]),
    ],
)
def test_two_pes_by_hand(queue_depth, cycles):
    spec = EieSpec(pes=2, queue_depth=queue_depth, arithmetic_cycles=0)
    schedule = Eie(spec).schedule(trace(TWO_PES))
    for pe, expected in enumerate(cycles):
        did = schedule.cycles[0, pe]
        assert {cause.key: int(did[cause]) for cause in Cause if did[cause]} == expected
    assert schedule.issued.tolist() == [[3, 5]]
    assert schedule.expected_issued == 8


def test_outputs_by_hand():
    """Two PEs, runs of one zero at most: the third column of PE 0 has three zeros before its entry, and a filler."""
    layer = Layer.dense("hand", in_features=3, out_features=7)
    matrix = np.array([[2, 9, 0], [0, 9, 3], [0, 9, 0], [0, 9, -1], [4, 9, 0], [1, 9, 0], [0, 9, 5]])
    _, values, runs = encode(matrix[::2, 2:], 1)
    assert (values.tolist(), runs.tolist()) == ([0, 5], [1, 1])
    activations = np.array([3, 0, -2]).reshape(layer.input_shape)
    computed = Eie(EieSpec(pes=2, run_bits=1)).execute(layer, matrix.reshape(layer.weight_shape), activations)
    assert computed.reshape(-1).tolist() == [6, -6, 0, 2, 12, 3, -10]


def test_a_dense_matrix_keeps_every_pe_busy():
    found, _ = stack(trace(["1111"] * 4), pes=2, arithmetic_cycles=4)
    assert found == {"busy": 2 * 4 * 2, "fill": 2 * (3 + 4)}


def test_fillers_alone():
    found, _ = stack(trace(["0", "0", "1"]), pes=1, run_bits=1, arithmetic_cycles=0)
    assert found == {"busy": 1, "index": 1, "fill": 3}


def test_empty_columns_alone():
    found, _ = stack(trace(["10001"]), pes=1, arithmetic_cycles=0)
    assert found == {"busy": 2, "port": 3, "fill": 3}


def test_empty_columns_hide_behind_a_long_one():
    found, _ = stack(trace(["10001", "10000", "10000", "10000"]), pes=1, arithmetic_cycles=0)
    assert found == {"busy": 5, "fill": 3}


def test_zero_activations_are_never_sent():
    found, report = stack(trace(["1111"], "0110"), pes=1, arithmetic_cycles=0)
    assert found == {"busy": 2, "fill": 3}
    assert report.issued_macs == report.effectual_macs == 2


def test_imbalance_alone():
    found, _ = stack(trace(["1111", "1000"]), pes=2, arithmetic_cycles=0)
    assert found == {"busy": 5, "port": 2, "imbalance": 1, "fill": 6}  # pointers of empty columns are read
    found, report = stack(trace(["1111", "1000", "1111", "0111"]), pes=2, arithmetic_cycles=0)
    assert found == {"busy": 12, "imbalance": 4, "fill": 6}
    assert report.load_imbalance == pytest.approx(8 / 6)


def test_unmapped_alone():
    found, _ = stack(trace(["1111"]), pes=3, arithmetic_cycles=0)
    assert found == {"busy": 4, "fill": 3, "unmapped": 2 * 7}


def test_results_that_the_register_file_cannot_hold_are_written_to_the_sram():
    settings = {"pes": 2, "arithmetic_cycles": 0, "sram_port_bits": 8}
    held, _ = stack(trace(["1", "1"], columns=5), **settings, accumulators_per_pe=5)
    written, _ = stack(trace(["1", "1"], columns=5), **settings, accumulators_per_pe=4)
    assert held == {"busy": 10, "fill": 30}
    assert written == {"busy": 10, "fill": 30, "drain": 2 * 5 * 2}


def test_weights_that_are_not_resident_are_waited_for():
    given = trace(["1" * 64] * 4)
    found, _ = stack(given, pes=2, weights_resident="never", arithmetic_cycles=0)
    assert found.pop("memory") > 0
    assert found == {"busy": 256, "fill": 6}
    assert Eie(EieSpec(pes=2, weights_resident="never")).schedule(given).loads.total_bytes == 256 + 2 * 65 * 2
    assert Eie(EieSpec(pes=2)).schedule(given).loads.total_bytes == 0


def test_more_rows_than_accumulators_are_sent_the_vector_again():
    schedule = Eie(EieSpec(pes=2, accumulators_per_pe=2)).schedule(trace(["11"] * 9))
    assert schedule.tiles == 3
    assert schedule.issued.sum(axis=1).tolist() == [8, 8, 2]


def test_large_maps_stream_through_dram():
    given = trace(["11"] * 2, columns=8)
    schedule = Eie(EieSpec(pes=1, activation_sram_bytes=16)).schedule(given)
    assert schedule.spills
    assert not Eie(EieSpec(pes=1)).schedule(given).spills
    assert schedule.loads.bytes_of(Tensor.INPUT) == schedule.stores.total_bytes == 2 * 8 * 2
    assert schedule.compulsory_bytes == 64


DENSE = Layer.dense("fc", in_features=64, out_features=8)  # on 2 PEs 256 bytes of entries and 130 of pointers in each


@pytest.mark.parametrize(
    ("settings", "moved", "notes"),
    [
        ({}, 0, ()),
        ({"weight_sram_bytes": 256, "pointer_sram_bytes": 130}, 0, ()),
        (
            {"weight_sram_bytes": 255},
            512,
            (
                "entries of a PE take 256 bytes, there is room for 255: they stream in",
                "a block of rows exceeds the SRAMs: what does not stay streams in for every vector",
            ),
        ),
        (
            {"pointer_sram_bytes": 129},
            260,
            (
                "column pointers of a PE take 130 bytes, there is room for 129: they stream in",
                "a block of rows exceeds the SRAMs: what does not stay streams in for every vector",
            ),
        ),
        (
            {"weight_sram_bytes": 255, "weights_resident": "always"},
            0,
            ("entries of a PE take 256 bytes, there is room for 255: they are taken to lie there all the same",),
        ),
        ({"weights_resident": "never"}, 772, ()),
        # Blocks of 4 rows fit, the layer does not: each is loaded once.
        (
            {"weight_sram_bytes": 128, "accumulators_per_pe": 2},
            512,
            ("entries of a PE take 256 bytes, there is room for 128: they stream in",),
        ),
    ],
)
def test_what_exceeds_its_sram_streams_in(settings, moved, notes):
    given = LayerTrace(DENSE, np.ones(DENSE.weight_shape, bool), np.ones(DENSE.input_shape, bool))
    schedule = Eie(EieSpec(pes=2, **settings)).schedule(given)
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == moved == schedule.compulsory_bytes
    assert schedule.notes == notes


def test_deeper_queues_gain_less_and_less():
    random = np.random.default_rng(0)
    layer = Layer.dense("fc", in_features=1024, out_features=1024)
    given = LayerTrace(layer, random.random(layer.weight_shape) < 0.1, random.random(layer.input_shape) < 0.4)
    cycles = [
        Eie(EieSpec(queue_depth=depth)).schedule(given).cycles.sum(axis=2).max() for depth in (1, 2, 4, 8, 16, 32)
    ]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[0] / cycles[3] > 1.1  # section VI, figure 8: little is gained beyond 8
    assert cycles[3] / cycles[5] < 1.1


def test_kernels_with_a_window_are_refused():
    layer = Layer.conv("conv", in_channels=4, out_channels=4, input_size=(8, 8), kernel_size=3)
    assert Eie().refusal(layer) == "it multiplies a matrix by vectors and cannot slide a 3x3 kernel over a map"


BENCHMARKS = {  # of Table III: inputs, outputs, density of weights and of activations in percent
    "Alex-6": (9216, 4096, 9, 35.1),
    "Alex-7": (4096, 4096, 9, 35.3),
    "Alex-8": (4096, 1000, 25, 37.5),
    "NT-LSTM": (1201, 2400, 10, 100),
}


def benchmark_trace(name):
    """A layer of Table III with non-zeros drawn uniformly at the published densities (whole percents)."""
    inputs, outputs, weight_percent, activation_percent = BENCHMARKS[name]
    layer = Layer.dense(name, in_features=inputs, out_features=outputs)
    random = np.random.default_rng(0)
    return LayerTrace(
        layer,
        random.random(layer.weight_shape, np.float32) < weight_percent / 100,
        random.random(layer.input_shape, np.float32) < activation_percent / 100,
    )


@pytest.mark.parametrize(
    ("name", "published_us", "deviation", "published_theoretical_us", "theoretical_deviation"),
    [
        ("Alex-6", 30.3, -0.05, 28.1, 0.00),
        ("Alex-7", 12.2, 0.06, 11.7, 0.07),
        ("Alex-8", 9.9, -0.18, 8.9, -0.15),
        ("NT-LSTM", 7.5, -0.11, 6.5, -0.03),
    ],
)
def test_published_latencies(name, published_us, deviation, published_theoretical_us, theoretical_deviation):
    """Table IV; the theoretical time is entries, fillers included, over PEs. Deviations hold within 2 points."""
    given = benchmark_trace(name)
    actual_us = Eie().schedule(given).cycles.sum(axis=2).max() / 800
    stored = ColumnEntries.of(given.weight_mask.reshape(given.layer.out_channels, -1), 64, 4).entries
    theoretical_us = stored[given.activation_mask.reshape(-1)].sum() / 64 / 800
    assert actual_us / published_us - 1 == pytest.approx(deviation, abs=0.02)
    assert theoretical_us / published_theoretical_us - 1 == pytest.approx(theoretical_deviation, abs=0.02)
