"""A layer as products of matrices and vectors: one matrix a block of rows of a group, one vector an output position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataflows.schedule import Runs, Tensor
from dataflows.tiling.dram_layout import bits_to_bytes
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div, starts

TILES_ABOUT = 1024  # of a layer: so many that the positions of an image are joined until there are about as few


@dataclass(frozen=True)
class VectorTiles:
    """Tiles of a layer with 1x1 kernels: (group, block of rows, image, joined positions), in this order.

    rows        rows of the matrix that are worked on together
    value_bits  bits of an activation

    Example: five filters in blocks of three rows at 2 x 3 positions of one image: `block_rows` [3, 2], and the layer
    has so few vectors that each is a tile: `shape` (2, 1, 6).
    """

    layer: Layer
    rows: int
    value_bits: int

    @property
    def positions(self) -> int:
        """Output positions of an image: vectors that a matrix is multiplied with."""
        return math.prod(self.layer.output_size)

    @property
    def blocks(self) -> int:
        """Blocks of rows of each group."""
        return ceil_div(self.layer.group_out_channels, self.rows)

    @cached_property
    def block_rows(self) -> np.ndarray:
        """Int64 (groups x blocks,): rows of each block."""
        starts = np.arange(self.blocks) * self.rows
        return np.tile(np.minimum(self.rows, self.layer.group_out_channels - starts), self.layer.groups)

    @cached_property
    def joined(self) -> int:
        """Positions of a tile; an image's last may have fewer."""
        # 256 blocks of rows and one image leave four tiles an image: 196 positions are joined by 49.
        tiles = max(1, TILES_ABOUT // (len(self.block_rows) * self.layer.batch))
        return ceil_div(self.positions, tiles)

    @cached_property
    def tile_positions(self) -> np.ndarray:
        """Int64 (tiles of an image,): positions of each."""
        starts = np.arange(0, self.positions, self.joined)
        return np.minimum(self.joined, self.positions - starts)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Tiles by group and block of rows, image and joined positions."""
        return len(self.block_rows), self.layer.batch, len(self.tile_positions)

    def matrix(self, weights: np.ndarray, unit: int) -> np.ndarray:
        """The rows (filters) of a group and block: (rows, C/G) of weights (K, C/G, [1,] 1, 1)."""
        group, block = divmod(unit, self.blocks)
        first = group * self.layer.group_out_channels + block * self.rows
        return weights.reshape(len(weights), -1)[first : first + self.block_rows[unit]]

    def vectors(self, activations: np.ndarray) -> np.ndarray:
        """(N, G, positions, C/G) of activations (N, C, [D,] H, W), zero padding included."""
        layer = self.layer
        padded = np.pad(activations, ((0, 0), (0, 0), *layer.padding))
        # A 1x1 kernel reads every stride-th position of the padded map, from the first on.
        taken = padded[(slice(None), slice(None), *(slice(None, None, stride) for stride in layer.stride))]
        per_group = taken.reshape(layer.batch, layer.groups, layer.group_in_channels, self.positions)
        return np.ascontiguousarray(per_group.transpose(0, 1, 3, 2))

    def outputs(self, products: np.ndarray) -> np.ndarray:
        """(N, K, [O,] P, Q) of products (N, G, positions, K/G)."""
        return products.transpose(0, 1, 3, 2).reshape(self.layer.output_shape)

    @cached_property
    def _input_runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Int64 (runs,) each: tile of an image, first input position and positions of each run it reads."""
        layer = self.layer
        axes = [
            np.arange(outputs) * stride - before
            for outputs, stride, (before, _) in zip(layer.output_size, layer.stride, layer.padding, strict=True)
        ]
        places = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(layer.axes, -1)
        inside = np.all((places >= 0) & (places < np.array(layer.input_size)[:, None]), axis=0)
        # With padding of one around a map of 2 x 3 the first of 4 x 5 positions that lies inside
        # is number 6, and place 0.
        place = np.asarray(np.ravel_multi_index(tuple(places[:, inside]), layer.input_size))
        # Positions in the padding read nothing, but count where tiles are cut.
        tile = np.flatnonzero(inside) // self.joined
        heads = np.flatnonzero((np.diff(place, prepend=-2) != 1) | (np.diff(tile, prepend=-1) != 0))
        # Places 0, 1, 4 and 5 are two runs, from 0 and from 4; were the second pair another tile's, it would be a run
        # of its own even from 2 on.
        return tile[heads], place[heads], np.diff(heads, append=place.size)

    @property
    def inputs_read(self) -> int:
        """Activations that are read at least once."""
        _, _, positions = self._input_runs
        return int(positions.sum()) * self.layer.in_channels * self.layer.batch

    def input_loads(self, address: int, room_bytes: int = 0) -> Runs:
        """The vectors of every tile: once where a group's fit `room_bytes`, otherwise anew for every block of rows.

        Inputs lie as (n, g, [d,] h, w, c).
        """
        layer, (units, images, _) = self.layer, self.shape
        tile, place, count = self._input_runs
        run_bytes = bits_to_bytes(count * layer.group_in_channels * self.value_bits)
        # A group's blocks of rows follow one another, so that what the first has loaded is there for the others.
        held = self.blocks if images * run_bytes.sum() <= room_bytes else 1  # blocks of rows that find them there
        unit, image = np.arange(0, units, held)[:, None, None], np.arange(images)[:, None]
        # Counted in positions of a group: with two groups and maps of six positions group 0 of image 1
        # begins at (1·2 + 0)·6 = 12.
        first = (image * layer.groups + unit // self.blocks) * math.prod(layer.input_size) + place
        at = np.ravel_multi_index((unit, image, tile), self.shape)
        # A run that stays is there until the last block of rows of its group, at the same image and positions.
        last = np.ravel_multi_index((unit + held - 1, image, tile), self.shape)
        start = address + first * layer.group_in_channels * self.value_bits // 8
        rows = (row.reshape(-1) for row in np.broadcast_arrays(at, start, run_bytes, last))
        return Runs.per_tile(Tensor.INPUT, *rows)

    def output_stores(self, address: int) -> Runs:
        """The results of every tile, one tile's after the other's, each in whole bytes."""
        # Outputs lie in the order in which tiles make them, so that each tile writes a single run.
        size = self.block_rows[:, None, None] * self.tile_positions * np.ones((self.layer.batch, 1), np.int64)
        size = bits_to_bytes(size.reshape(-1) * self.value_bits)
        return Runs.per_tile(Tensor.OUTPUT, np.arange(len(size)), address + starts(size), size)

    def weight_loads(self, address: int, unit_bytes: np.ndarray, fits: np.ndarray) -> Runs:
        """The matrices (units,): once where they fit, otherwise anew for every vector of every tile."""
        tiles = np.arange(math.prod(self.shape)).reshape(self.shape)
        start = address + starts(unit_bytes)
        held = Runs.per_tile(
            Tensor.WEIGHT, tiles[fits, 0, 0], start[fits], unit_bytes[fits], last_tile=tiles[fits, -1, -1]
        )
        # A tile of three positions reads a matrix that does not stay three times.
        times = np.broadcast_to(self.tile_positions, self.shape)[~fits].reshape(-1)
        unit = np.repeat(np.repeat(np.flatnonzero(~fits), tiles[0].size), times)
        tile = np.repeat(tiles[~fits].reshape(-1), times)
        return Runs.merge(held, Runs.per_tile(Tensor.WEIGHT, tile, start[unit], unit_bytes[unit]))

    @property
    def activation_bytes(self) -> int:
        """Bytes of an image's inputs and outputs."""
        layer = self.layer
        return bits_to_bytes((layer.input_count + layer.output_count) // layer.batch * self.value_bits)
