"""How many different values weights have: what machines multiply by that add before they multiply."""

from __future__ import annotations

import numpy as np


def distinct_values(weights: np.ndarray, per: str = "filter") -> np.ndarray:
    """Int64: distinct non-zero values of weights (K, C/G, [T,] R, S).

    per "filter": (K,), per "kernel": (K, C/G). A mask has one value, so that only quantized weights tell more.
    """
    rows = weights.reshape(len(weights), -1) if per == "filter" else weights.reshape(*weights.shape[:2], -1)
    # All rows at once: `np.unique` of each of 512 x 512 kernels takes more than a hundred times as long.
    ordered = np.sort(rows, axis=-1)
    # The first of each run of equal values counts: sorted 0 2 2 5 marks 0, the first 2 and 5, and without the zero two
    # stay.
    first = np.ones(ordered.shape, np.bool_)
    first[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    return np.count_nonzero(first & (ordered != 0), axis=-1)
