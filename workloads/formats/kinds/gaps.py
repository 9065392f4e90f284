"""Lists whose entries say how far they stand from the entry before, with stored zeros (fillers) where a field ends.

Every element of a list has a position, counted from 0. An entry's distance is its position minus that of the non-zero
before it; the first is counted from position `origin` (-1: a distance of 1 is a run of no zeros; 0: of the list's first
element). One field bridges a distance of at most `reach`; a filler stands every `reach` positions until the rest fits.
Zeros after the last non-zero need nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workloads.whole_numbers import boundaries

_CHUNK = 1 << 20  # elements searched at a time: positions of a chunk stay in the cache


@dataclass(frozen=True)
class GapCode:
    """How a field tells a distance: it holds distance + origin.

    origin  -1 or 0, see the module
    reach   longest distance of a field
    """

    origin: int
    reach: int

    def fillers(self, lists: np.ndarray) -> np.ndarray:
        """int64 (lists,): fillers of each list of a bool (lists, length)."""
        count, length = lists.shape
        if length > _CHUNK:
            return np.array([self._long_list(one) for one in lists], np.int64)
        result = np.empty(count, np.int64)
        batch = _CHUNK // length
        for first in range(0, count, batch):
            part = np.ascontiguousarray(lists[first : first + batch])
            distances, bounds = self._distances(part)
            sums = boundaries(self._needed(distances))
            result[first : first + batch] = sums[bounds[1:]] - sums[bounds[:-1]]
        return result

    def encode(self, lists: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values (entries,), fields int64 (entries,) and bounds int64 (lists + 1,) of the lists, (lists, length)."""
        mask = lists != 0
        distances, bounds = self._distances(mask)
        needed = self._needed(distances)
        ends = boundaries(needed + 1)  # of each non-zero with the fillers before it
        fields = np.full(ends[-1], self.reach + self.origin, np.int64)
        values = np.zeros(ends[-1], lists.dtype)
        fields[ends[1:] - 1] = distances - needed * self.reach + self.origin
        values[ends[1:] - 1] = lists[mask]
        return values, fields, ends[bounds]

    def decode(self, values: np.ndarray, fields: np.ndarray, bounds: np.ndarray, lists: np.ndarray) -> None:
        """Write the values to their places in lists of zeros, (lists, length)."""
        owner = np.repeat(np.arange(len(lists)), np.diff(bounds))
        passed = boundaries(fields - self.origin)
        lists[owner, passed[1:] - passed[bounds[owner]] + self.origin] = values

    def _distances(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance of every non-zero of a bool (lists, length), and where each list's non-zeros start among them."""
        places = np.flatnonzero(mask)
        bounds = boundaries(np.count_nonzero(mask, axis=1))
        distances = np.diff(places, prepend=0)
        filled = np.flatnonzero(bounds[1:] > bounds[:-1])
        first = bounds[filled]
        distances[first] = places[first] - filled * mask.shape[1] - self.origin
        return distances, bounds

    def _needed(self, distances: np.ndarray) -> np.ndarray:
        return np.maximum(distances - 1, 0) // self.reach

    def _long_list(self, one: np.ndarray) -> int:
        total, last = 0, self.origin
        for first in range(0, len(one), _CHUNK):
            places = np.flatnonzero(one[first : first + _CHUNK]) + first
            if places.size:
                total += int(self._needed(np.diff(places, prepend=last)).sum())
                last = places[-1]
        return total
