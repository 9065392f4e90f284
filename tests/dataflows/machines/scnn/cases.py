"""Random small machines and layers for SCNN's tests."""

import numpy as np
from hypothesis import strategies as st

from dataflows.machines.scnn.scnn_spec import ScnnSpec
from workloads.layer import Layer
from workloads.trace import LayerTrace

DENSITIES = st.sampled_from([0.0, 0.03, 0.1, 0.3, 0.6, 0.9, 1.0])


@st.composite
def layers(draw, *, one_position=False):
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    kernel = (1, 1) if one_position else (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    size = (1, 1) if one_position else (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    pads = []
    for axis in (0, 1):
        short = max(0, dilation[axis] * (kernel[axis] - 1) + 1 - size[axis])
        before = draw(st.integers(0, 2))
        pads.append((before, max(short - before, draw(st.integers(0, 2)))))
    return Layer.conv(
        "random",
        in_channels=groups * draw(st.integers(1, 5 if not one_position else 20)),
        out_channels=groups * draw(st.integers(1, 6 if not one_position else 40)),
        input_size=size,
        kernel_size=kernel,
        stride=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        padding=tuple(pads),
        dilation=dilation,
        groups=groups,
        batch=draw(st.sampled_from([1, 1, 2])),
    )


@st.composite
def traces(draw, layer):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = random.random(layer.weight_shape) < draw(DENSITIES)
    activations = random.random(layer.input_shape) < draw(DENSITIES)
    if draw(st.booleans()):  # uneven channels and rows, so that PEs drift apart
        activations &= random.random((layer.batch, layer.in_channels, layer.input_size[0], 1)) < 0.6
    return LayerTrace(layer, weights, activations, draw(st.sampled_from([0.0, 0.5, 1.0])))


@st.composite
def specs(draw):
    """Small machines: half of them inside the range of the fastest kernel, most others inside that of tables."""
    fast = draw(st.booleans())
    banks = draw(st.sampled_from([1, 2, 4, 8, 16, 32] if fast else [1, 2, 3, 5, 8, 16, 32, 40, 64, 70, 128]))
    return ScnnSpec(
        pe_rows=draw(st.integers(1, 5)),
        pe_columns=draw(st.integers(1, 5)),
        weights_per_vector=draw(st.integers(1, 4)) if fast else draw(st.integers(1, 6)),
        activations_per_vector=draw(st.integers(1, 4)) if fast else draw(st.integers(1, 6)),
        accumulator_banks=banks,
        accumulator_entries=draw(st.sampled_from([64, 100, 256, 1024])),
        queue_depth=draw(st.integers(0, 11)) if fast else draw(st.sampled_from([0, 1, 2, 5, 12, 15, 20, 70, 130])),
        bank_hash="linear" if fast else draw(st.sampled_from(["linear", "mix"])),
        output_channel_group=draw(st.integers(1, 8)),
        tile_cut=draw(st.sampled_from(["vectors", "vectors", "positions"])),
        zero_run_bits=draw(st.integers(0, 4)),
        weight_fifo_vectors=draw(st.sampled_from([1, 2, 3, 5, 9, 50])),
        iaram_bytes=draw(st.sampled_from([8, 16, 40, 100, 10240])),
        oaram_bytes=10240,
        post_processing_entries_per_cycle=draw(st.integers(1, 5)),
        halo_entries_per_cycle=draw(st.integers(1, 5)),
        skip=draw(st.sampled_from(["both", "both", "weights", "activations"])),
    )


@st.composite
def tight_specs(draw):
    """Few PEs, whose large tiles seldom fit into the accumulators: most are cut."""
    changes = {
        "pe_rows": draw(st.integers(1, 2)),
        "pe_columns": draw(st.integers(1, 2)),
        "accumulator_entries": draw(st.integers(4, 60)),
    }
    return ScnnSpec.model_validate(draw(specs()).model_dump() | changes)
