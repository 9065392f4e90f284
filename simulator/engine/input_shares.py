"""`InputShares`: which results of the layer before a part of a layer's inputs is made of."""

from __future__ import annotations

from typing import Self

import numpy as np

from dataflows.schedule import LayerSchedule, Tensor
from simulator.engine.making import Making
from simulator.engine.traffic import Transfer
from workloads.whole_numbers import ceil_div


class InputShares:
    """Of two layers, the second of which reads the first one's map in the order in which it is stored.

    Addresses of the two may differ (a layer stores what it makes, the next loads it packed in another way), so that a
    share of the one map is taken for the same share of the other.

    Example: inputs span the addresses 0 to 100 and stores 1000 to 1400. A load that ends at 25 needs the stores that
    begin below 1000 + 25 x 400 / 100 = 1100.
    """

    def __init__(self, reader: LayerSchedule, maker: LayerSchedule, making: Making) -> None:
        self._loads = reader.loads
        inputs = reader.loads.tensor == Tensor.INPUT
        ends = reader.loads.address + reader.loads.size_bytes
        # Python's ints, whose products have room.
        self._first, self._last = int(reader.loads.address[inputs].min()), int(ends[inputs].max())
        stores = maker.stores
        self._stores_from, self._stores_to = int(stores.address.min()), int((stores.address + stores.size_bytes).max())
        tiles, rows = np.unique(stores.tile, return_inverse=True)
        # A transfer begins with the least of its runs.
        begins = np.full(len(tiles), self._stores_to, np.int64)
        np.minimum.at(begins, rows, stores.address)
        order = np.argsort(begins, kind="stable")
        self._begins, self._tiles = begins[order], tiles[order].tolist()
        self._told = 0
        self.making = making

    @classmethod
    def between(cls, reader: LayerSchedule, maker: LayerSchedule, making: Making) -> Self | None:
        """None where one of the two loads no inputs or stores no results."""
        return cls(reader, maker, making) if Tensor.INPUT in reader.loads.tensor and len(maker.stores.tile) else None

    def needed(self, part: Transfer) -> list[int]:
        """The tiles of the first layer whose results a load needs, without those that this has returned before."""
        rows = slice(part.start, part.stop)
        end = int((self._loads.address[rows] + self._loads.size_bytes[rows]).max())
        share = (end - self._first) * (self._stores_to - self._stores_from)
        # Begins are whole numbers, so that those below a fraction are those below the next whole number.
        limit = self._stores_from + ceil_div(share, self._last - self._first)
        before, self._told = self._told, max(self._told, int(np.searchsorted(self._begins, limit)))
        return self._tiles[before : self._told]
