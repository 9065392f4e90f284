"""Stacked bars of many layers: one outline a part, however many bars it is in, so that hundreds are drawn at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

MOST_NAMES = 90  # of layers that stand beside one another and can still be read
_BAR = 0.85  # of the room of a bar
_CORNERS = np.array([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], Path.code_type)
_HEADROOM = 1.05


def draw_stacks(axes: Axes, parts: Mapping[str, Sequence[float]], styles: Mapping[str, dict[str, Any]]) -> None:
    """Stand bars side by side at 0, 1, ..., the parts of each on one another in the order of `styles`."""
    bottom = np.zeros(max((len(heights) for heights in parts.values()), default=0))
    for part, style in styles.items():
        top = bottom + np.asarray(parts[part], np.float64)
        fill = {"facecolor" if key == "color" else key: value for key, value in style.items()}
        axes.add_artist(PathPatch(_outline(bottom, top), **fill))
        bottom = top
    # Limits by hand: matplotlib would walk along every edge of every bar.
    axes.set_xlim(-0.7, len(bottom) - 0.3)
    axes.set_ylim(0, _HEADROOM * float(bottom.max(initial=0.0)) or 1.0)


def names_below(axes: Axes, names: Sequence[str], size: float) -> None:
    """Name the bars, upright; thinned out where there are too many to read."""
    places = range(0, len(names), 1 + max(0, len(names) - 1) // MOST_NAMES)
    axes.set_xticks(places, [names[place] for place in places], rotation=90, fontsize=size)


def _outline(bottom: np.ndarray, top: np.ndarray) -> Path:
    """A rectangle for every bar that has any of the part, all of them one path."""
    places = np.flatnonzero(top > bottom)
    left, right = places - _BAR / 2, places + _BAR / 2
    low, high = bottom[places], top[places]
    # (bars, 5 corners, 2): around the rectangle and back to its first corner.
    corners = np.stack([[left, low], [right, low], [right, high], [left, high], [left, low]]).transpose(2, 0, 1)
    return Path(corners.reshape(-1, 2), np.tile(_CORNERS, len(places)))
