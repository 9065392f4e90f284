import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.truth.convolution import reference_convolution
from dataflows.truth.products import activation_meetings, count_meetings, count_products
from tests.conformance.layers import LAYERS, random_trace
from workloads.layer import Layer
from workloads.trace import LayerTrace


def meetings(trace: LayerTrace) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Every non-zero weight (k, c, kernel position) with every input (channel, place) that it meets inside the map."""
    layer = trace.layer
    for k, c, *kernel in zip(*np.nonzero(trace.weight_mask), strict=True):
        channel = k // layer.group_out_channels * layer.group_in_channels + c
        for output in itertools.product(*map(range, layer.output_size)):
            read = [
                o * stride + position * dilation - before
                for o, stride, position, dilation, (before, _) in zip(
                    output, layer.stride, kernel, layer.dilation, layer.padding, strict=True
                )
            ]
            if all(0 <= at < size for at, size in zip(read, layer.input_size, strict=True)):
                yield (k, c, *kernel), (channel, *read)


def products_one_by_one(trace: LayerTrace) -> tuple[int, int]:
    """(weight products, effectual products) by walking over every weight and every output position."""
    weight_macs, effectual_macs = 0, 0
    for _, read in meetings(trace):
        weight_macs += trace.layer.batch
        effectual_macs += int(trace.activation_mask[(slice(None), *read)].sum())
    return weight_macs, effectual_macs


def met_values(trace: LayerTrace) -> tuple[int, int]:
    """(non-zero weights that meet a non-zero activation, non-zero activations that meet one), product by product."""
    weights, inputs = set(), set()
    for weight, read in meetings(trace):
        for image in np.flatnonzero(trace.activation_mask[(slice(None), *read)]).tolist():
            weights.add(weight)
            inputs.add((image, *read))
    return len(weights), len(inputs)


@st.composite
def small_traces(draw: st.DrawFn) -> LayerTrace:
    axes = draw(st.sampled_from([2, 2, 3]))

    def per_axis(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    kernel, dilation = per_axis(1, 3), per_axis(1, 2)
    pads = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(axes))
    size = tuple(max(draw(st.integers(1, 6)), (k - 1) * d + 1) for k, d in zip(kernel, dilation, strict=True))
    groups = draw(st.integers(1, 3))
    layer = Layer.conv(
        "random",
        in_channels=groups * draw(st.integers(1, 2)),
        out_channels=groups * draw(st.integers(1, 2)),
        input_size=size,
        kernel_size=kernel,
        stride=per_axis(1, 3),
        padding=pads,
        dilation=dilation,
        groups=groups,
        batch=draw(st.integers(1, 2)),
    )
    densities = (draw(st.sampled_from([0, 0.3, 1])), draw(st.sampled_from([0, 0.5, 1])))
    return random_trace(layer, *densities, seed=draw(st.integers(0, 9)))


@pytest.mark.twin
@given(small_traces())
def test_counts_equal_a_walk_over_every_product(trace):
    counts = count_products(trace)
    assert (counts.weight_macs, counts.effectual_macs) == products_one_by_one(trace)
    assert counts.dense_macs == trace.layer.dense_macs


@pytest.mark.twin
@given(small_traces())
def test_needed_values_are_those_that_some_product_meets(trace):
    weights, inputs = met_values(trace)
    counts = count_products(trace)
    assert counts.needed_weights == weights
    assert counts.needed_inputs == inputs
    assert counts.needed_outputs == trace.layer.output_count


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_needed_values_of_layers_of_all_kinds(layer):
    trace = random_trace(layer, 0.5, 0.5)
    counts = count_products(trace)
    assert (counts.needed_weights, counts.needed_inputs) == met_values(trace)


@pytest.mark.twin
@given(small_traces())
def test_meetings_are_what_weights_at_every_place_would_meet(trace):
    full = LayerTrace(trace.layer, np.ones(trace.layer.weight_shape, np.bool_), trace.activations)
    met = activation_meetings(trace)
    assert met.shape == (trace.layer.in_channels, *trace.layer.kernel_size)
    assert int(met.sum()) * trace.layer.group_out_channels == products_one_by_one(full)[1]
    assert count_meetings(trace) == met.sum()


@given(small_traces())
def test_the_reference_convolution_of_masks_counts_products(trace):
    outputs = reference_convolution(trace.layer, trace.weights.astype(np.int64), trace.activations.astype(np.int64))
    assert outputs.sum() == count_products(trace).effectual_macs


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_dense_layer_without_padding_has_only_effectual_products(layer):
    counts = count_products(random_trace(layer, 1, 1))
    assert counts.weight_macs == counts.effectual_macs
    if not any(map(sum, layer.padding)):
        assert counts.effectual_macs == counts.dense_macs


def test_a_hand_worked_layer():
    """A 1x3 row 1 0 1 with padding 1 under the kernel 1 1 0: outputs read (pad,1), (1,0), (0,1)."""
    layer = Layer.conv("row", in_channels=1, out_channels=1, input_size=(1, 3), kernel_size=(1, 3), padding=(0, 1))
    trace = LayerTrace(layer, np.array([[[[1, 1, 0]]]]) > 0, np.array([[[[1, 0, 1]]]]) > 0)
    counts = count_products(trace)
    assert (counts.dense_macs, counts.weight_macs, counts.effectual_macs) == (9, 5, 3)


def test_more_filters_than_a_byte_counts():
    layer = Layer.conv("wide", in_channels=2, out_channels=600, input_size=(1, 2), kernel_size=1, groups=2)
    trace = random_trace(layer, 1, 1)
    counts = count_products(trace)
    assert (counts.weight_macs, counts.effectual_macs, counts.needed_weights) == (1200, 1200, 600)


def test_more_rows_than_a_byte_counts():
    layer = Layer.conv("tall", in_channels=1, out_channels=1, input_size=(700, 1), kernel_size=(3, 1), batch=2)
    counts = count_products(random_trace(layer, 1, 1))
    assert (counts.effectual_macs, counts.needed_inputs) == (2 * 3 * 698, 2 * 700)


def test_a_trace_is_counted_once_and_another_with_equal_content_by_itself():
    layer = Layer.conv("one", in_channels=1, out_channels=1, input_size=(2, 2), kernel_size=1)
    trace, other = random_trace(layer, 1, 1), random_trace(layer, 1, 1)
    assert count_products(trace) is count_products(trace)
    assert count_products(other) == count_products(trace)
    assert count_products(other) is not count_products(trace)


def test_reference_convolution_of_a_hand_worked_layer():
    layer = Layer.conv("row", in_channels=1, out_channels=1, input_size=(1, 3), kernel_size=(1, 3), padding=(0, 1))
    outputs = reference_convolution(layer, np.array([[[[2, 3, 5]]]]), np.array([[[[1, 10, 100]]]]))
    assert outputs.ravel().tolist() == [3 + 50, 2 + 30 + 500, 20 + 300]
