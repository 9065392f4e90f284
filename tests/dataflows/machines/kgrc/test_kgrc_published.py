"""The 3-D machine beside its paper: equations, designs of Table V, latencies of C3D."""

import math

import numpy as np
import pytest

from dataflows.machines.kgrc.kgrc import Kgrc, KgrcSpec
from dataflows.registry import create
from simulator.engine.layer_simulation import LayerSimulation
from simulator.network_simulation import MachineRun, dense_trace
from tests.dataflows.machines.kgrc.cases import INFINITE, SQUARE, group_pruned, report
from workloads.network import load_network
from workloads.pruning.methods.kernel_groups.group_ratios import load_ratios


@pytest.mark.parametrize(("rows", "positions"), [(8, 9), (4, 9), (8, 3), (4, 3), (4, 6), (2, 1)])
def test_published_equations(rows, positions):
    outputs = window = 14 * 14  # padding is not loaded
    load_inputs = 8 // 4 * math.ceil(window / 8)
    load_weights = 32 * rows // 8 * 8 // 4 * math.ceil(positions / 8)
    compute = math.ceil(outputs / 4) * math.ceil(positions / 3) * math.ceil(rows / (16 / 4))
    store = 32 // 4 * math.ceil(outputs / 8)
    tile = max(load_inputs, load_weights, compute)
    expected = 2 * max(2 * tile + compute, store) + store
    found = report(group_pruned(SQUARE, rows, positions), start_cycles=0, row_list_cycles=0)
    # Where stores are the longest, the first tile need not wait for one before it, which the equation leaves out.
    assert found.cycles == expected - max(0, store - 2 * tile - compute)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 16])
def test_a_group_that_keeps_less_never_takes_more_cycles(bits):
    """Every number of rows by every number of positions, with the default DRAM;"""
    cycles = np.array(
        [
            [
                MachineRun(create("kgrc", {"value_bits": bits})).layer(group_pruned(SQUARE, r, p)).cycles
                for p in range(1, 10)
            ]
            for r in range(1, 9)
        ]
    )
    assert (np.diff(cycles, axis=0) >= 0).all()
    assert (np.diff(cycles, axis=1) >= 0).all()
    assert cycles[3, 2] < 0.7 * cycles[-1, -1]


@pytest.mark.parametrize(
    ("design", "bits", "multipliers"),
    [
        ("dense", 16, 1792),
        ("sparse", 16, 1536),
        ("dense", 8, 3072),
        ("sparse", 8, 3072),
        ("dense", 4, 6144),
        ("sparse", 4, 6144),
    ],
)
def test_designs_of_table_v(design, bits, multipliers):
    spec = create("kgrc", {"design": design, "value_bits": bits}).spec
    assert Kgrc(spec).schedule(dense_trace(SQUARE)).multipliers == multipliers
    assert KgrcSpec.model_validate(spec.model_dump()) == spec
    assert spec.input_port_values == 128 // bits
    assert spec.channel_ports == 64 // bits
    assert KgrcSpec(design=design, value_bits=bits, pixels_parallel=5).pixels_parallel == 5


# Latency of C3D's convolutions in ms (Sun et al., TCAD 2024, Table IV), and the deviation of the model: of the
# equations as they are published, and with the starts of steps.
LATENCIES = [
    ("dense", 16, 177.44, -0.010, 0.000),
    ("dense", 8, 104.80, -0.012, -0.002),
    ("KGR", 16, 118.45, -0.086, -0.005),
    ("KGC", 16, 104.67, -0.045, -0.010),
    ("KGRC", 16, 77.43, -0.132, -0.009),
    ("KGR", 8, 64.04, -0.153, -0.003),
    ("KGC", 8, 54.07, -0.074, -0.006),
    ("KGRC", 8, 43.10, -0.218, 0.004),
]


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["shipped", "equations"])
@pytest.mark.parametrize(("pruning", "bits", "published_ms", "of_equations", "with_starts"), LATENCIES)
def test_latency_of_c3d(pruning, bits, published_ms, of_equations, with_starts, alone):
    settings = {"design": "dense" if pruning == "dense" else "sparse", "value_bits": bits}
    spec = KgrcSpec.model_validate(settings | INFINITE | ({"start_cycles": 0, "row_list_cycles": 0} if alone else {}))
    deviation = of_equations if alone else with_starts
    cycles = 0
    layers = {layer.name: layer for layer in load_network("c3d").layers}
    for name, ratios in load_ratios("c3d").items():
        rows = 8 / ratios["kgr"] if pruning in {"KGR", "KGRC"} else 8
        positions = 9 / ratios["kgc"] if pruning in {"KGC", "KGRC"} else 9
        schedule = Kgrc(spec).schedule(group_pruned(layers[name], round(rows), round(positions)))
        cycles += LayerSimulation(schedule, spec.dram, spec.clock_hz).run().cycles
    assert cycles / spec.clock_hz * 1000 / published_ms - 1 == pytest.approx(deviation, abs=0.001)
