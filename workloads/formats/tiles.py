"""Cut a tensor into tiles, and hand out tiles of equal shape together so that they are counted in one numpy call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from workloads.errors import InputError

_BATCH = 1 << 22  # elements gathered at a time, so that tiles of a large tensor need little memory beside it

Bounds = Sequence[int] | np.ndarray | None


def tile_bounds(name: str, bounds: Bounds, size: int) -> np.ndarray:
    """int64 (tiles + 1,): starts of tiles, then the end; None is one tile. Raises `InputError` unless they rise so."""
    if bounds is None:
        return np.array([0, size], np.int64)
    found = np.asarray(bounds)
    whole = found.ndim == 1 and len(found) > 1 and found.dtype.kind in "iu"
    if not whole or found[0] != 0 or found[-1] != size or np.any(found[1:] <= found[:-1]):
        raise InputError(f"{name} must be whole numbers that rise from 0 to {size}")
    return found.astype(np.int64)


def equal_tiles(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every tile once, tiles of equal shape together.

    mask           bool (K, C, X); rows, columns: bounds along K and C
    yields         numbers of some tiles, int64 (n,), counted row by row over the grid of tiles; and the tiles,
                   bool (n, height, width, X), a view when the whole mask is one tile
    """
    if len(rows) == 2 and len(columns) == 2:
        yield np.zeros(1, np.int64), mask[np.newaxis]
        return
    # Bounds 0 4 8 10 have the heights 4 4 2, so that there are two shapes a side and four in a grid: four calls at most
    # but for the limit on memory, however many tiles there are.
    heights, widths = np.diff(rows), np.diff(columns)
    for height in np.unique(heights):
        tile_rows = np.flatnonzero(heights == height)
        # One band of tiles is taken at least, even where it alone holds more than a batch.
        batch = max(1, _BATCH // int(height * mask[0].size))
        for first in range(0, len(tile_rows), batch):
            chosen = tile_rows[first : first + batch]
            # (bands, height, C, X): the rows of each chosen band.
            band = mask[rows[chosen][:, np.newaxis] + np.arange(height)]
            for width in np.unique(widths):
                tile_columns = np.flatnonzero(widths == width)
                # (bands, height, tiles of a band, width, X), and then height and tiles change places.
                tiles = band[:, :, columns[tile_columns][:, np.newaxis] + np.arange(width)].transpose(0, 2, 1, 3, 4)
                # In a grid of 3 columns the tile in row 2 and column 1 has the number 2 * 3 + 1 = 7.
                numbers = chosen[:, np.newaxis] * len(widths) + tile_columns
                yield numbers.reshape(-1), tiles.reshape(-1, *tiles.shape[2:])
