"""Lists whose entries say how far they stand from the entry before, with stored zeros (fillers) where a field ends.

Every element of a list has a position, counted from 0. An entry's distance is its position minus that of the non-zero
before it; the first is counted from position `origin` (-1: a distance of 1 is a run of no zeros; 0: of the list's first
element). One field bridges a distance of at most `reach`; a filler stands every `reach` positions until the rest fits.
Zeros after the last non-zero need nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        # Whole lists are searched together until a chunk is full; a list longer than a chunk is searched piece by
        # piece.
        count, length = lists.shape
        if length > _CHUNK:
            return np.array([self._long_list(one) for one in lists], np.int64)
        result = np.empty(count, np.int64)
        batch = _CHUNK // length
        for first in range(0, count, batch):
            part = np.ascontiguousarray(lists[first : first + batch])
            distances, bounds = self._distances(part)
            # Sums over all non-zeros of the batch, of which the difference between two bounds is one list's. A sum over
            # slices (`reduceat`) would give an empty list the first element of the next one.
            sums = boundaries(self._needed(distances))
            result[first : first + batch] = sums[bounds[1:]] - sums[bounds[:-1]]
        return result

    def encode(self, lists: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values (entries,), fields int64 (entries,) and bounds int64 (lists + 1,) of the lists, (lists, length)."""
        mask = lists != 0
        distances, bounds = self._distances(mask)
        needed = self._needed(distances)
        ends = boundaries(needed + 1)  # of each non-zero with the fillers before it
        # Everything is a filler at first: the longest distance and a zero. The last entry of each run is then the
        # non-zero.
        fields = np.full(ends[-1], self.reach + self.origin, np.int64)
        values = np.zeros(ends[-1], lists.dtype)
        # Runs of 2 bits (origin -1, reach 4) and a non-zero at position 5: its distance is 5 + 1 = 6, which needs one
        # filler. The filler holds 4 - 1 = 3 and stands at position 3; the non-zero holds 6 - 4 - 1 = 1, the zero
        # between the two.
        fields[ends[1:] - 1] = distances - needed * self.reach + self.origin
        values[ends[1:] - 1] = lists[mask]
        return values, fields, ends[bounds]

    def decode(self, values: np.ndarray, fields: np.ndarray, bounds: np.ndarray, lists: np.ndarray) -> None:
        """Write the values to their places in lists of zeros, (lists, length)."""
        owner = np.repeat(np.arange(len(lists)), np.diff(bounds))
        # Fields 3 and 1 of the example above are distances of 4 and 2, whose sums 4 and 6 less the origin's 1 are the
        # positions 3 and 5. Sums go through all lists, so that each list's own start is taken off.
        passed = boundaries(fields - self.origin)
        lists[owner, passed[1:] - passed[bounds[owner]] + self.origin] = values

    def _distances(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance of every non-zero of a bool (lists, length), and where each list's non-zeros start among them."""
        places = np.flatnonzero(mask)
        bounds = boundaries(np.count_nonzero(mask, axis=1))
        # Differences of places in the flattened array are right inside a list. Those of each list's first non-zero
        # reach into the list before; they are set anew, counted from the list's own origin. Empty lists have none.
        distances = np.diff(places, prepend=0)
        filled = np.flatnonzero(bounds[1:] > bounds[:-1])
        first = bounds[filled]
        distances[first] = places[first] - filled * mask.shape[1] - self.origin
        return distances, bounds

    def _needed(self, distances: np.ndarray) -> np.ndarray:
        # A distance of exactly `reach` still fits one field, hence the 1. Only origin 0 has a distance of 0, which
        # needs none.
        # With a reach of 4 distances of 1 to 4 need no filler, 5 to 8 need one.
        return np.maximum(distances - 1, 0) // self.reach

    def _long_list(self, one: np.ndarray) -> int:
        # The position of the last non-zero is all that one chunk hands on to the next.
        total, last = 0, self.origin
        for first in range(0, len(one), _CHUNK):
            places = np.flatnonzero(one[first : first + _CHUNK]) + first
            if places.size:
                total += int(self._needed(np.diff(places, prepend=last)).sum())
                last = places[-1]
        return total


def all_fillers(origin: int, reaches: Sequence[int], lists: np.ndarray) -> list[int]:
    """Fillers of all lists of a bool (lists, length) together, for each reach: `GapCode.fillers` in one look."""
    found = np.zeros(len(reaches), np.int64)
    for begins, zeros in _runs(lists):
        # A non-zero behind z zeros has a distance of z + 1, or of z from the first element itself.
        lengths, times = _histogram(zeros - (begins == 0) if origin == 0 else zeros)
        found += [(lengths // reach) @ times for reach in reaches]
    return found.tolist()


def _runs(lists: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Runs of zeros that a non-zero of their list ends: where in the list each begins, and its length; in parts."""
    length = lists.shape[1]
    if length > _CHUNK:
        for one in lists:
            yield from _runs_of_long_list(one)
        return
    batch = _CHUNK // length
    for first in range(0, len(lists), batch):
        part = np.ascontiguousarray(lists[first : first + batch])
        changes = np.empty(part.shape, np.bool_)
        # Each list begins as if a non-zero stood before it: changes are a run's begin and its end by turns.
        np.logical_not(part[:, 0], out=changes[:, 0])
        np.not_equal(part[:, 1:], part[:, :-1], out=changes[:, 1:])
        begins, zeros = _paired(np.flatnonzero(changes), part.reshape(-1))
        yield begins % length, zeros


def _runs_of_long_list(one: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """As `_runs`, of a single list piece by piece."""
    open_run = np.zeros(0, np.int64)  # where a run begins that the last piece did not end
    before = True
    for first in range(0, len(one), _CHUNK):
        part = one[first : first + _CHUNK]
        changes = np.flatnonzero(np.diff(part, prepend=before)) + first
        places = np.concatenate((open_run, changes))
        yield _paired(places, one)
        before = bool(part[-1])
        open_run = places[:0] if before else places[-1:]


def _paired(places: np.ndarray, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Begins and lengths of runs from the places where elements change; the first place is a begin."""
    # 1 0 0 1 0 changes at 1, 3 and 4: one run from 1 to 3; what begins at 4 nothing ends.
    ends = np.flatnonzero(flat[places])
    begins = places[ends - 1]
    return begins, places[ends] - begins


def _histogram(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different lengths, and how many there are of each."""
    if lengths.max(initial=0) > _CHUNK:
        return np.unique(lengths, return_counts=True)
    times = np.bincount(lengths)
    found = np.flatnonzero(times)
    return found, times[found]
