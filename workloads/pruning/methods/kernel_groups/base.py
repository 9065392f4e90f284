"""Group-wise pruning: what KGR, KGC and KGRC share (Sun et al., DAC 2020 and TCAD 2024).

A group is `group` filters x `group` channels of kernels (GM = GN = 8 in the papers). Its rows are its filters, its
columns the kernel positions, in tiles of TK = 9 (a 3x3 slice), which is why 4 bits number a column. Every group of a
layer keeps the same number of rows, and of columns in each tile; groups stay inside a group of a grouped convolution.
A smaller group at the edge keeps as many rows, or all it has.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np

from workloads.errors import InputError
from workloads.layer import Layer
from workloads.options import choice, whole
from workloads.pruning.base import Facts, Pruning
from workloads.pruning.choosing import energies, join_kernel_groups, kernel_groups, largest, share
from workloads.pruning.methods.kernel_groups.group_ratios import TABLES, layer_ratios
from workloads.source import LayerSource

TILE_POSITIONS = 9  # TK (TCAD 2024, Table V)


@dataclass(frozen=True, kw_only=True)
class KernelGroup(Pruning):
    """A pruning that keeps shares of the rows and of the columns of every group, its own or those of a table."""

    group: int = whole("filters and channels of a group", 1, 1024, 8)
    table: str = choice("take the shares published for a network's layers", "none", *TABLES)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [value is not None for value in self._shares]
        if self.table == "none" and not all(given):
            raise InputError(f"{self.subject}: key '{self._keys[given.index(False)]}' is missing: or give a table")
        if self.table != "none" and any(given):
            raise InputError(
                f"{self.subject}: {self._keys[given.index(True)]} and table = {self.table} exclude one another"
            )

    @property
    @abstractmethod
    def _keys(self) -> tuple[str, ...]:
        """Options that say how much stays."""

    @property
    def _shares(self) -> tuple[float | None, ...]:
        return tuple(getattr(self, key) for key in self._keys)

    @property
    @abstractmethod
    def rows_columns(self) -> tuple[float, float]:
        """Shares of rows and of columns that stay in each group."""

    @abstractmethod
    def with_ratios(self, ratios: dict[str, float]) -> Self:
        """This pruning for a layer of a table; ratios of 1 keep everything."""

    def apply(self, sources: tuple[LayerSource, ...]) -> tuple[LayerSource, ...]:
        """See `Pruning`. Raises `InputError` when the table has none of the layers."""
        if self.table != "none":
            layer_ratios(self.subject, self.table, sources)
        return super().apply(sources)

    def plan(self, sources: tuple[LayerSource, ...], seed: int) -> tuple[Pruning, ...]:
        """See `Pruning`; layers that the table does not have stay whole."""
        if self.table == "none":
            return super().plan(sources, seed)
        whole: dict[str, float] = dict.fromkeys(("kgr", "kgc", "kgrc"), 1.0)
        return tuple(self.with_ratios(ratios or whole) for ratios in layer_ratios(self.subject, self.table, sources))

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`; rows are chosen first, by energy, then columns by their energy in those rows.

        At least one row, and one column of every tile of positions, stay while the share is above 0.
        """
        # Example: half of the rows and a third of the columns keep 4 of 8 filters and in them 3 of 9 positions, a
        # sixth.
        rows, columns = self.rows_columns
        groups = kernel_groups(layer, weights, self.group, self.group)  # (G, K', C', filters, channels, X)
        if rows < 1:
            # (G, K', C', filters). Of a layer with fewer filters than a group the share is taken of what it has; a
            # smaller group at the edge of a larger layer keeps as many as the others, and its padding, which has no
            # energy, is never among them.
            scores = energies(groups, rng, (4, 5))
            kept = largest(scores, share(rows, min(self.group, layer.group_out_channels), at_least=1))
            groups = groups * kept[..., np.newaxis, np.newaxis]
        if columns < 1:
            # (G, K', C', X), over the rows that have stayed alone: the lost ones are zeros by now.
            scores = energies(groups, rng, (3, 4))
            # A 3x3x3 kernel has 27 positions, which are cut at 9 and 18; a 1x1 kernel is a tile of one position.
            tiles = np.split(scores, range(TILE_POSITIONS, scores.shape[-1], TILE_POSITIONS), axis=-1)
            kept = [largest(tile, share(columns, tile.shape[-1], at_least=1)) for tile in tiles]
            groups = groups * np.concatenate(kept, axis=-1)[..., np.newaxis, np.newaxis, :]
        return join_kernel_groups(layer, groups, weights.shape) != 0

    def storage_format(self, layer: Layer) -> str:
        """The papers' row and column lists are no format of their own; a bit for each weight stands in."""
        del layer
        return "bitmap"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """Rows and columns of the groups that hold a non-zero: the most in any group."""
        groups = kernel_groups(layer, weights != 0, self.group, self.group)
        # "groups" counts all of G x K' x C': 12 x 20 kernels in groups of 8 make 2 x 3 of them.
        return {
            "groups": int(np.prod(groups.shape[:3])),
            "most_rows": int(groups.any(axis=(4, 5)).sum(axis=-1).max()),
            "most_columns": int(groups.any(axis=(3, 4)).sum(axis=-1).max()),
        }
