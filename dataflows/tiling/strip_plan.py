"""A layer cut into tiles: strips of output positions, each of which meets all filters, block by block."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.group_packs import GroupPacks
from dataflows.tiling.strips import PixelStrips
from workloads.layer import Layer


def require_two_blocks(output_buffer_bytes: int, values: int, value_bits: int, what: str) -> None:
    """Raise `ValueError` when the output buffer cannot hold two blocks of so many values; `what` describes them."""
    # Two, since a block's outputs leave while the next block's are made.
    # 16 filters x 8 positions of 16 bits are 256 bytes a block, which a buffer of 500 bytes cannot hold twice.
    needed = 2 * bits_to_bytes(values * value_bits)
    if needed > output_buffer_bytes:
        raise ValueError(f"output_buffer_bytes = {output_buffer_bytes} cannot hold {what}, {needed} bytes")


@dataclass(frozen=True, eq=False)
class StripPlan:
    """The tiles of a layer: (group, image, strip of pixel blocks), in this order; in each, blocks of filters.

    A group is a convolution group, or the pack of several that an array takes together (`packs`).

    Inside a tile filters go block by block. Any of them meet any of its positions, so that a tile begins with the first
    inputs and weights and goes on as both arrive, however large the buffers are: a larger strip reads less twice and
    never waits longer.

    Example: two images, two strips of each, and three filters in blocks of two and one: `shape` (1, 2, 2), four tiles
    numbered [[[0, 1], [2, 3]]], and `block_shape` (1, 2, 2, 2), since each has two blocks of filters.

    columns       int64 (groups,): kept columns Z of each group's weight matrix; 0: the group reads no input
    filters       int64 (filter blocks,): filters of each block of a group; (groups, filter blocks) where groups differ
    strips        the output positions of an image
    packs         the packs that take the place of groups; `columns` are those of one filter all the same
    weight_bytes  int64 (groups, filter blocks): stored weights of each block, of a machine that stores something else
                  than the values of kept columns
    """

    layer: Layer
    columns: np.ndarray
    filters: np.ndarray
    strips: PixelStrips
    packs: GroupPacks | None = None
    weight_bytes: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Tiles by group, image and strip."""
        # Groups are outermost, so that a group's weights stay while all images pass; strips are innermost, so that the
        # input rows which two neighbours read are still there for the second.
        return len(self.columns), self.layer.batch, self.strips.count

    @property
    def block_shape(self) -> tuple[int, int, int, int]:
        """Blocks of filters by tile."""
        # Groups may differ in the sizes of their last blocks, but all have as many blocks.
        return *self.shape, self.filters.shape[-1]

    @property
    def channels(self) -> np.ndarray:
        """Int64 (groups,): input channels that each reads."""
        # A pack of four depthwise groups reads four channels, one of those groups alone a single one.
        if self.packs is not None:
            return self.packs.channels
        return np.full(len(self.columns), self.layer.group_in_channels)

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return math.prod(self.shape)

    @cached_property
    def tile_index(self) -> np.ndarray:
        """int64 of `shape`: the number of each tile."""
        # Numbers are row-major: with two images of three strips tile 4 is strip 1 of image 1.
        return np.arange(self.tiles).reshape(self.shape)
