"""Settings and traces of SparTen that its slow twin can step through."""

import numpy as np
from hypothesis import strategies as st

from dataflows.machines.sparten.spec import SpartenSpec
from tests.dataflows.small_layers import DENSITIES
from workloads.layer import Layer
from workloads.trace import LayerTrace


@st.composite
def specs(draw, chunks=(1, 2, 3, 4, 5, 7, 16, 128)):
    return SpartenSpec(
        clusters=draw(st.integers(1, 7)),
        units=draw(st.integers(1, 5)),
        chunk=draw(st.sampled_from(chunks)),
        chunks_of=draw(st.sampled_from(["position", "window"])),
        least_chunk_cycles=draw(st.sampled_from([0, 1, 1, 2])),
        skips=draw(st.sampled_from(["both", "both", "both", "inputs", "weights", "neither"])),
        balancing=draw(st.sampled_from(["none", "gb-s", "gb-h", "gb-h"])),
        permute_share=draw(st.sampled_from([1, 2, 3, 8])),
        barrier=draw(st.sampled_from(["chunk", "window"])),
        value_bits=draw(st.sampled_from([4, 8, 16, 32])),
        input_buffer_bytes=draw(st.sampled_from([1, 30, 100, 300, 4096])),
        weight_buffer_bytes=draw(st.sampled_from([1, 40, 200, 4096])),
        output_buffer_bytes=1024,
    )


@st.composite
def wide_traces(draw):
    """Few windows with as many elements as chunks of several words have."""
    kernel = draw(st.sampled_from([1, 1, 2]))
    layer = Layer.conv(
        "wide",
        in_channels=draw(st.integers(1, 150)),
        out_channels=draw(st.integers(1, 9)),
        input_size=(draw(st.integers(kernel, 3)), 2),
        kernel_size=kernel,
        padding=draw(st.integers(0, 1)),
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights, activations = (random.random(shape) < draw(DENSITIES) for shape in (layer.weight_shape, layer.input_shape))
    return LayerTrace(layer, weights, activations)
