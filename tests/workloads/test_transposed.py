"""Transposed convolutions in both forms, against the definition in plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.truth.convolution import reference_convolution
from dataflows.truth.products import count_products
from workloads.errors import InputError
from workloads.trace import LayerTrace
from workloads.transposed import FORMS, Transposed


def transposed(weights, values, whole):
    """Every input times the kernel, added to its outputs: (N, K, ...) and the products of two non-zeros."""
    outputs = np.zeros((whole.batch, whole.out_channels, *whole.output_size), np.int64)
    products = 0
    inputs, filters = whole.in_channels // whole.groups, whole.out_channels // whole.groups
    for n, c, k in np.ndindex(whole.batch, whole.in_channels, filters):
        channel = c // inputs * filters + k
        for at in np.ndindex(*whole.input_size):
            for tap in np.ndindex(*whole.kernel_size):
                place = tuple(
                    s * i + d * t - pair[0]
                    for s, i, d, t, pair in zip(whole.stride, at, whole.dilation, tap, whole.padding, strict=True)
                )
                if all(0 <= o < size for o, size in zip(place, whole.output_size, strict=True)):
                    product = weights[(c, k, *tap)] * values[(n, c, *at)]
                    outputs[(n, channel, *place)] += product
                    products += bool(product)
    return outputs, products


def joined(whole, form, weights, values):
    """Outputs from the parts, each phase's at its places; and products of two non-zeros."""
    outputs = np.zeros((whole.batch, whole.out_channels, *whole.output_size), np.int64)
    products = 0
    for part in whole.parts(form):
        layer = part.layer
        own, read = part.weights(weights), part.activations(values)
        made = reference_convolution(layer, own, read)
        products += count_products(LayerTrace(layer, own, read)).effectual_macs
        # The phase of output 0 is that of the padding.
        first = [(a.label - pair[0]) % s for a, pair, s in zip(part.axes, whole.padding, whole.stride, strict=True)]
        steps = whole.stride if form == "phases" else (1,) * len(whole.stride)
        outputs[(..., *(slice(f if form == "phases" else 0, None, s) for f, s in zip(first, steps, strict=True)))] = (
            made
        )
    return outputs, products


@st.composite
def cases(draw):
    axes = draw(st.sampled_from([2, 2, 3]))

    def sizes(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    groups = draw(st.integers(1, 2))
    stride, dilation, kernel = sizes(1, 3), sizes(1, 3), sizes(1, 4 if axes == 2 else 2)
    size = sizes(1, 4 if axes == 2 else 3)
    more = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    pads = []
    for i, s, d, k, extra in zip(size, stride, dilation, kernel, more, strict=True):
        room = (i - 1) * s + d * (k - 1) + extra
        before = draw(st.integers(0, room))
        pads.append((before, draw(st.integers(0, room - before))))
    return Transposed(
        "up", groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)), size, kernel, stride, tuple(pads),
        more, dilation, groups, draw(st.integers(1, 2)),
    )  # fmt: skip


@given(cases(), st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_both_forms_compute_the_transposed_convolution_with_its_products(whole, seed):
    random = np.random.default_rng(seed)
    shapes = (
        (whole.in_channels, whole.out_channels // whole.groups, *whole.kernel_size),
        (whole.batch, whole.in_channels, *whole.input_size),
    )
    weights, values = (random.integers(-3, 4, shape) * (random.random(shape) < 0.7) for shape in shapes)
    wanted, products = transposed(weights, values, whole)
    for form in FORMS:
        try:
            outputs, effectual = joined(whole, form, weights, values)
        except InputError:
            # Nothing is left to compute: no output meets an input, or every input is cut off.
            assert not wanted.any()
            continue
        np.testing.assert_array_equal(outputs, wanted)
        assert effectual == products


def plain(**changes):
    sizes = {"input_size": (4, 5), "kernel_size": (3, 3), "stride": (2, 2), "padding": ((1, 1), (1, 1))}
    rest = {"output_padding": (1, 1), "dilation": (1, 1)}
    return Transposed("up", 6, 8, **{**sizes, **rest, **changes})


def test_a_usual_one_by_hand():
    whole = plain()
    assert whole.output_size == (8, 10)
    (one,) = whole.parts("stretched")
    assert (one.layer.input_size, one.layer.kernel_size, one.layer.padding) == ((7, 9), (3, 3), ((1, 2), (1, 2)))
    assert one.layer.output_size == (8, 10)
    phases = [part.layer for part in whole.parts("phases")]
    # Outputs of even q = o + 1 meet taps 0 and 2, those of odd q tap 1.
    assert [(layer.name, layer.kernel_size) for layer in phases] == [
        ("up.phase0_0", (2, 2)), ("up.phase0_1", (2, 1)), ("up.phase1_0", (1, 2)), ("up.phase1_1", (1, 1)),
    ]  # fmt: skip
    assert {layer.output_size for layer in phases} == {(4, 5)}
    assert sum(layer.weight_count for layer in phases) == one.layer.weight_count == 6 * 8 * 9
    # Stretched 9 products an output and pair of channels, in phases 9 for every 4 outputs.
    assert one.layer.dense_macs == 4 * sum(layer.dense_macs for layer in phases)


def test_a_kernel_smaller_than_the_stride_leaves_phases_out():
    whole = plain(kernel_size=(1, 1), padding=((0, 0), (0, 0)))
    assert [part.layer.name for part in whole.parts("phases")] == ["up.phase0_0"]
    assert math.prod(whole.output_size) == 80


def test_impossible_ones_are_refused():
    with pytest.raises(InputError, match=r"^layer 'up': output_padding = 2, must be at least 0 and smaller than"):
        plain(output_padding=(2, 0))
    with pytest.raises(InputError, match=r"^layer 'up': padding = \(\(9, 9\), \(1, 1\)\) leaves no output$"):
        plain(padding=((9, 9), (1, 1)))
