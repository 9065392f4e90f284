"""Stacked bars as outlines: where each part lies, and that parts without height draw nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from simulator.plots.stacked import MOST_NAMES, draw_stacks, names_below
from tests.simulator.plots.stacked_bars import heights_of


def drawn(parts):
    axes = Figure().subplots()
    draw_stacks(axes, parts, {part: {"color": "#000000", "label": part} for part in parts})
    return axes


def test_the_outline_of_two_bars_by_hand():
    axes = drawn({"a": [2.0, 0.0], "b": [1.0, 3.0]})
    lower, upper = ([tuple(point) for point in patch.get_path().vertices] for patch in axes.patches)
    assert lower == [(-0.425, 0), (0.425, 0), (0.425, 2), (-0.425, 2), (-0.425, 0)]
    assert upper[:5] == [(-0.425, 2), (0.425, 2), (0.425, 3), (-0.425, 3), (-0.425, 2)]
    assert upper[5:] == [(0.575, 0), (1.425, 0), (1.425, 3), (0.575, 3), (0.575, 0)]
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.7, 1.7), (0, pytest.approx(3.15)))


@given(
    st.integers(1, 9).flatmap(
        lambda bars: st.lists(st.lists(st.integers(0, 50), min_size=bars, max_size=bars), min_size=1, max_size=5)
    )
)
def test_every_part_of_every_bar_has_its_height_and_stands_on_the_one_before(heights):
    axes = drawn({str(place): part for place, part in enumerate(heights)})
    assert list(heights_of(axes).values()) == heights
    tops = np.zeros(len(heights[0]))
    for patch, part in zip(axes.patches, heights, strict=True):
        for corners in patch.get_path().vertices.reshape(-1, 5, 2):
            assert corners[:, 1].min() == tops[round(corners[:, 0].mean())]
        tops += part


def test_names_are_thinned_out_where_there_are_too_many():
    axes = Figure().subplots()
    names_below(axes, [f"layer{n}" for n in range(2 * MOST_NAMES + 1)], 7)
    assert [text.get_text() for text in axes.get_xticklabels()][:2] == ["layer0", "layer3"]
    names_below(axes, [], 7)
    assert axes.get_xticklabels() == []
