"""What stacked bars hold that are drawn as one outline a part."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch


def heights_of(axes: Axes) -> dict[str, list[float]]:
    """Heights of each part by its label, a number for every bar; 0 where a bar has none of it."""
    bars = round(axes.get_xlim()[1] + 0.3)
    found: dict[str, list[float]] = {}
    for place, part in enumerate(one for one in axes.patches if isinstance(one, PathPatch)):
        heights = [0.0] * bars
        # (bars, 5 corners, 2): a closed rectangle each.
        for corners in np.asarray(part.get_path().vertices).reshape(-1, 5, 2):
            heights[round(corners[:, 0].mean())] = float(np.ptp(corners[:, 1]))
        found[f"{place}: {part.get_label()}"] = heights
    return found
