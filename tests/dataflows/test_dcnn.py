import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.dcnn import Dcnn, DcnnSpec
from dataflows.schedule import Cause, Tensor
from simulator.network_simulation import MachineRun
from tests.conformance.layers import LAYERS, random_trace
from tests.dataflows.test_products import small_traces
from workloads.layer import Layer


def machine(**settings) -> Dcnn:
    return Dcnn(DcnnSpec.model_validate(settings))


def walk(spec: DcnnSpec, layer: Layer, parts: int) -> list[list[tuple[int, int]]]:
    """(busy cycles, products) of each PE in each tile: PEs step through their own outputs, one dot-product step a cycle."""
    rows, columns, lanes = spec.pe_rows, spec.pe_columns, spec.multipliers_per_pe
    positions = list(itertools.product(*map(range, layer.output_size)))
    spread = len(positions) == 1
    per_tile = spec.output_channel_group * (rows * columns if spread else 1)
    tile_rows = -(-layer.output_size[-2] // rows)
    tile_columns = -(-layer.output_size[-1] // columns)
    tiles = []
    for _image in range(layer.batch):
        for part in range(1 if spread else parts):
            begin, end = part * tile_rows // parts, (part + 1) * tile_rows // parts
            for first in range(0, layer.out_channels, per_tile):
                work: list[list[tuple]] = [[] for _ in range(rows * columns)]
                for turn, k in enumerate(range(first, min(first + per_tile, layer.out_channels))):
                    for position in positions:
                        pe_row, row = divmod(position[-2], tile_rows)
                        if spread:
                            work[turn % (rows * columns)].append((k, position))
                        elif begin <= row < end:
                            work[pe_row * columns + position[-1] // tile_columns].append((k, position))
                tiles.append([_step_through(outputs, math.prod(layer.weight_shape[1:]), lanes) for outputs in work])
    return tiles


def _step_through(outputs: list[tuple], terms: int, lanes: int) -> tuple[int, int]:
    cycles = products = 0
    for _output in outputs:
        left = terms
        while left:
            taken = min(lanes, left)
            left -= taken
            products += taken
            cycles += 1
    return cycles, products


@pytest.mark.twin
@given(
    trace=small_traces(),
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    lanes=st.integers(1, 5),
    group=st.integers(1, 3),
    sram=st.sampled_from([128, 512, 1 << 20]),
)
def test_schedule_equals_a_walk_over_every_output(trace, rows, columns, lanes, group, sram):
    dcnn = machine(
        pe_rows=rows, pe_columns=columns, multipliers_per_pe=lanes, output_channel_group=group, sram_bytes=sram
    )
    schedule = dcnn.schedule(trace)
    parts = dcnn._parts(trace.layer, -(-trace.layer.output_size[-2] // rows))
    twin = np.array(walk(dcnn.spec, trace.layer, parts))
    assert schedule.cycles[:, :, Cause.BUSY].tolist() == twin[:, :, 0].tolist()
    assert schedule.issued.tolist() == twin[:, :, 1].tolist()
    assert schedule.cycles.sum() == schedule.cycles[:, :, Cause.BUSY].sum()


@pytest.mark.parametrize(
    ("size", "channels", "outputs"), [((56, 56), 256, 256), ((14, 14), 512, 512), ((27, 27), 96, 64)]
)
def test_cycles_follow_the_published_rule(size, channels, outputs):
    """ceil(P/8)·ceil(Q/8)·R·S·C·K/16 where 16 divides C·R·S."""
    layer = Layer.conv("vgg", in_channels=channels, out_channels=outputs, input_size=size, kernel_size=3, padding=1)
    report = MachineRun(machine(dram={"bandwidth_gbs": float("inf")})).layer(random_trace(layer, 1, 1))
    assert report.cycles == -(-size[0] // 8) * -(-size[1] // 8) * 9 * channels * outputs // 16


def test_a_hand_worked_tile():
    """3x3 outputs of 5 terms on 2x2 PEs of 2 lanes: tiles of 2x2, 2x1, 1x2 and 1x1 outputs, 3 cycles each output."""
    layer = Layer.conv("hand", in_channels=5, out_channels=1, input_size=(3, 3), kernel_size=1)
    schedule = machine(pe_rows=2, pe_columns=2, multipliers_per_pe=2).schedule(random_trace(layer, 1, 1))
    assert schedule.cycles[0, :, Cause.BUSY].tolist() == [12, 6, 6, 3]
    assert schedule.issued[0].tolist() == [20, 10, 10, 5]


def test_maps_that_fit_never_leave_the_chip_and_others_cross_it_once():
    layer = Layer.conv("map", in_channels=8, out_channels=8, input_size=(32, 32), kernel_size=3, padding=1)
    inside = machine().schedule(random_trace(layer, 1, 1))
    assert inside.loads.bytes_of(Tensor.INPUT) == inside.stores.total_bytes == 0
    spilled = machine(sram_bytes=16384).schedule(random_trace(layer, 1, 1))
    assert (inside.spills, spilled.spills) == (False, True)
    assert spilled.loads.bytes_of(Tensor.INPUT) == 8 * 32 * 32 * 2
    assert spilled.stores.bytes_of(Tensor.OUTPUT) == 8 * 32 * 32 * 2
    assert spilled.loads.bytes_of(Tensor.WEIGHT) == 4 * inside.loads.bytes_of(Tensor.WEIGHT), "once for each part"


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
@pytest.mark.parametrize("bits", [4, 8, 16, 32])
def test_every_word_width_balances(layer, bits):
    MachineRun(machine(value_bits=bits)).layer(random_trace(layer, 0.5, 0.5))


@pytest.mark.parametrize(
    "layer",
    [
        Layer.conv("wide", in_channels=64, out_channels=8, input_size=(16, 1920), kernel_size=3, padding=1),
        Layer.dense("long", in_features=5000, out_features=20),
    ],
    ids=lambda layer: layer.name,
)
def test_a_map_of_which_not_even_one_row_fits_is_read_again_for_every_group(layer):
    dcnn = machine(sram_bytes=8192, output_channel_group=4)
    report = MachineRun(dcnn).layer(random_trace(layer, 1, 1))
    groups = -(-layer.out_channels // (4 if layer.name == "wide" else 4 * 64))
    read = dcnn.schedule(random_trace(layer, 1, 1)).loads.bytes_of(Tensor.INPUT)
    assert read == groups * layer.input_count * 2
    assert report.cycles > 0
