"""`InputShares` for all loads of a layer at once."""

from __future__ import annotations

import numpy as np

from dataflows.schedule import LayerSchedule, Tensor


def shares(
    reader: LayerSchedule, tensors: np.ndarray, ends: np.ndarray, maker: LayerSchedule
) -> tuple[np.ndarray, np.ndarray]:
    """Tiles of the layer before in the order in which its reader's loads need them, and up to where each needs them.

    int64 (storing tiles,) and (loads,). The reader loads inputs, the maker stores results; of each load, in the order
    in which they are asked for, its tensor and where its runs end at the latest, int64 (loads,).
    """
    loads, stores = reader.loads, maker.stores
    inputs = loads.tensor == Tensor.INPUT
    first, last = int(loads.address[inputs].min()), int((loads.address + loads.size_bytes)[inputs].max())
    stores_from, stores_to = int(stores.address.min()), int((stores.address + stores.size_bytes).max())
    # Stores come ordered by tile; a transfer begins with the least of its runs.
    starts = np.flatnonzero(np.diff(stores.tile, prepend=-1))
    begins = np.minimum.reduceat(stores.address, starts)
    order = np.argsort(begins, kind="stable")
    span, ends = last - first, ends - first
    # Python's ints where the product would leave int64. Rounded up: begins are whole numbers.
    if span * (stores_to - stores_from) >= 1 << 62:
        ends = ends.astype(object)
    limits = (stores_from - -(ends * (stores_to - stores_from)) // span).astype(np.int64)
    # Other loads need nothing new.
    needed = np.where(tensors == Tensor.INPUT, np.searchsorted(begins[order], limits), 0)
    return stores.tile[starts][order], np.maximum.accumulate(needed)
