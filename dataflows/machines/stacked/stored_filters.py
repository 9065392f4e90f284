"""`StoredFilters`: the filters of a layer as the stacked machine stores and reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class StoredFilters:
    """The filters of a layer as they are stored and read.

    codes  uint8 (K, C/G * R * S): the smallest level of each weight, 0 where there is none
    lists  first and last level of each list that the running level reads
    bits   int64 (K,): what is loaded
    entries  int64 (K,): stored entries that are loaded, fillers included
    all_read   whether all that is loaded is read
    """

    codes: np.ndarray
    lists: list[tuple[int, int]]
    bits: np.ndarray
    entries: np.ndarray
    all_read: bool = True
