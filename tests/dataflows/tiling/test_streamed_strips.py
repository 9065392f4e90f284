"""Strips whose inputs stream whatever the buffer holds: bound by outputs alone, each loading all that it reads."""

import math

from hypothesis import given
from hypothesis import strategies as st

from dataflows.tiling.strips import PixelStrips
from tests.dataflows.small_layers import positions_read, small_layers


@given(small_layers(), st.integers(1, 5), st.integers(1, 40))
def test_streamed_strips_are_bound_by_outputs_and_keep_nothing(layer, pixels, outputs):
    strips = PixelStrips.of(layer, pixels, inputs=0, outputs=outputs, streams=True)
    assert strips.streams_inputs
    total, most = math.prod(layer.output_size), max(1, outputs // pixels) * pixels
    assert strips.pixels.tolist() == [min(most, total - first) for first in range(0, total, most)]
    # Nothing stays for the next strip, and each loads every place that its windows read.
    assert (strips.run_last_strip == strips.run_strip).all()
    for strip, first in enumerate(strips.first_pixel.tolist()):
        own = strips.run_strip == strip
        loaded = {
            place
            for start, size in zip(strips.run_start[own].tolist(), strips.run_positions[own].tolist(), strict=True)
            for place in range(start, start + size)
        }
        for pixel in range(first, first + int(strips.pixels[strip])):
            for at in positions_read(layer, _place(pixel, layer.output_size)):
                assert _flat(at, layer.input_size) in loaded


def _place(number, sizes):
    """Row-major: 5 of a map of 2 x 4 is at (1, 1)."""
    place = []
    for size in reversed(sizes):
        number, at = divmod(number, size)
        place.append(at)
    return tuple(reversed(place))


def _flat(place, sizes):
    number = 0
    for at, size in zip(place, sizes, strict=True):
        number = number * size + at
    return number
