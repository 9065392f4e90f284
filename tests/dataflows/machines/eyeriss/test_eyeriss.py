"""Eyeriss v2's published rule of a PE, what its mappings leave, and what the search promises."""

import numpy as np
import pytest
from hypothesis import given

from dataflows.machines.eyeriss.eyeriss import Eyeriss
from dataflows.machines.eyeriss.eyeriss_v2 import EyerissV2, EyerissV2Spec
from dataflows.schedule import Cause
from tests.dataflows.machines.eyeriss.cases import dense_specs, sparse_specs
from tests.dataflows.small_layers import assert_transfers_are_whole, small_traces
from workloads.layer import Layer
from workloads.network import load_network
from workloads.trace import LayerTrace

# Cycles of one PE, Sparseloop's artifact, figure 12: layer, map, channels, filters, effectual products, cycles.
PUBLISHED = [
    ("L07", 32, 64, 64, 1702140), ("L09", 16, 64, 128, 1499682), ("L13", 8, 128, 256, 1144158),
    ("L19", 8, 256, 256, 1457458), ("L21", 8, 256, 256, 1677684), ("L23", 8, 256, 256, 1821557),
    ("L25", 4, 256, 512, 948572), ("L27", 4, 512, 512, 775316),
]  # fmt: skip
PORTS = {"weight_port_values": 1 << 20, "input_port_values": 1 << 20, "sum_port_values": 1 << 20}
ONE_PE = {"cluster_rows": 1, "cluster_columns": 1, "pe_rows": 1, "pe_columns": 1, "macs_per_pe": 1}


def masks_of(layer, products):
    """Masks with exactly so many products: whole channels, then one weight that meets what is left."""
    weights = np.zeros(layer.weight_shape, bool)
    activations = np.zeros(layer.input_shape, bool)
    positions = layer.input_size[0] * layer.input_size[1]
    whole, left = divmod(products, positions)
    filters, channels = layer.out_channels, layer.in_channels
    for channel in range(-(-whole // filters)):
        weights[: min(filters, whole - channel * filters), channel] = True
        activations[0, channel] = True
    weights[0, channels - 1] = True
    activations[0, channels - 1].reshape(-1)[:left] = True
    return weights, activations


@pytest.mark.parametrize(("name", "size", "channels", "filters", "products"), PUBLISHED)
def test_a_pe_takes_its_effectual_products(name, size, channels, filters, products):
    layer = Layer.conv(name, in_channels=channels, out_channels=filters, input_size=(size, size), kernel_size=1)
    trace = LayerTrace(layer, *masks_of(layer, products))
    schedule = EyerissV2(EyerissV2Spec(**ONE_PE, **PORTS)).schedule(trace)
    assert schedule.cycles[..., Cause.BUSY].sum() == schedule.issued.sum() == products


def test_alexnet_s_second_layer_has_the_published_blocks_and_no_fewer_pes():
    layer = next(layer for layer in load_network("alexnet").layers if layer.name == "conv2").with_batch(4)
    trace = LayerTrace(layer, np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool))
    way = Eyeriss().lay_out(trace).way
    # The paper's p = 16, q = 2, e = 27 with one set of channels and filters: 135 of 168 PEs.
    # Ours waits less for memory with 14 rows on chains of 10: other rows, the same blocks.
    assert (way.filters, way.channels, way.blocks) == (16, 2, 1)
    assert way.rows * way.depth >= 27 * 5


@given(dense_specs(), small_traces())
def test_eyeriss_moves_every_output_once(spec, trace):
    assert_transfers_are_whole(trace.layer, Eyeriss(spec).schedule(trace), spec.value_bits)


@given(sparse_specs(), small_traces())
def test_eyeriss_v2_moves_every_output_once(spec, trace):
    assert_transfers_are_whole(trace.layer, EyerissV2(spec).schedule(trace), spec.value_bits)
