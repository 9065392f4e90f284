"""Block enable: blocks of kernels that are stored whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.formats.storage import Format, Sizes, Stream, decode_rate, nonzero_counts
from workloads.options import whole


@dataclass(frozen=True, kw_only=True)
class Block(Format):
    """Blocks of `filters` x `channels` over all kernel positions, with an enable bit each; enabled ones stored densely.

    A block is enabled when it holds a non-zero; its zeros are fillers. Blocks at the edges are smaller and store no
    padding. Scan order: blocks row by row; inside a block filters, channels, kernel positions.
    Bits of B blocks, E elements in the enabled ones, values of b bits: B + E·b.

    Sun et al. (DAC 2020): the enable bit skips a block's load and its computation; the block is the design's tile, so
    its size is a setting. Index entries are the enable bits, one a cycle (assumption: the
    tile loop tests one bit an iteration).
    """

    name: ClassVar[str] = "block"
    title: ClassVar[str] = "an enable bit for each block of filters and channels, dense values in enabled ones"

    decode_entries_per_cycle: int = decode_rate(1, "enable bits")
    filters: int = whole("filters of a block (Tm)", 1, 4096, 8)
    channels: int = whole("channels of a block (Tn)", 1, 4096, 8)

    def _starts(self, filters: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
        # 12 filters in blocks of 8 start at 0 and 8; the second block has the 4 that are left.
        return np.arange(0, filters, self.filters), np.arange(0, channels, self.channels)

    def _enabled(self, mask: np.ndarray) -> np.ndarray:
        """Bool (n, block rows, block columns) of bool (n, K, C, X)."""
        rows, columns = self._starts(mask.shape[1], mask.shape[2])
        # First the filters of each block of rows are joined, then the kernel positions, then the channels of each
        # block. `reduceat` ends its last part where the axis ends, so that a smaller block at the edge needs no
        # padding.
        by_row = np.bitwise_or.reduceat(mask.view(np.uint8), rows, axis=1)
        by_kernel = np.bitwise_or.reduce(by_row, axis=3)
        return np.bitwise_or.reduceat(by_kernel, columns, axis=2).view(np.bool_)

    def _sizes(self, tiles: np.ndarray) -> Sizes:
        enabled = self._enabled(tiles)
        _, filters, channels, positions = tiles.shape
        rows, columns = self._starts(filters, channels)
        # Starts 0 and 8 of 12 filters have the heights 8 and 4: what an enabled block at the edge stores is its own
        # size.
        heights, widths = np.diff(rows, append=filters), np.diff(columns, append=channels)
        # Of 12 x 8 kernels (3x3) in two blocks, the second alone enabled stores 4 x 8 x 9 = 288 values.
        stored = ((enabled * np.outer(heights, widths)).sum(axis=(1, 2)) * positions).astype(np.int64)
        blocks = enabled[0].size
        return Sizes.of(nonzero_counts(tiles), stored, blocks, values=stored * self.value_bits, enable=blocks)

    def _blocks(self, tensor: np.ndarray) -> np.ndarray:
        """A padded copy of (K, C, X) as (block rows, block columns, filters, channels, X)."""
        short = (-tensor.shape[0] % self.filters, -tensor.shape[1] % self.channels)
        padded = np.pad(tensor, ((0, short[0]), (0, short[1]), (0, 0)))
        # (block rows, filters, block columns, channels, X), and then the two axes of blocks come first.
        shape = (padded.shape[0] // self.filters, self.filters, -1, self.channels, tensor.shape[2])
        return padded.reshape(shape).transpose(0, 2, 1, 3, 4)

    def _stored(self, enabled: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Bool of the shape of `_blocks`: elements of enabled blocks that lie in the tensor."""
        # Padding the ones gives False beyond the tensor's edge, so that no padding is ever stored.
        return self._blocks(np.ones(shape, np.bool_)) & enabled[:, :, np.newaxis, np.newaxis, np.newaxis]

    def _streams(self, tensor: np.ndarray) -> dict[str, Stream]:
        enabled = self._enabled((tensor != 0)[np.newaxis])[0]
        values = self._blocks(tensor)[self._stored(enabled, tensor.shape)]
        return {
            "values": Stream(values, self.value_bits),
            "enable": Stream(enabled.reshape(-1).view(np.uint8), 1),
        }

    def _restore(self, streams: dict[str, np.ndarray], tensor: np.ndarray) -> None:
        blocks = np.zeros_like(self._blocks(tensor), order="C")
        enabled = streams["enable"].view(np.bool_).reshape(blocks.shape[:2])
        blocks[self._stored(enabled, tensor.shape)] = streams["values"]
        rows, columns, filters, channels, positions = blocks.shape
        padded = blocks.transpose(0, 2, 1, 3, 4).reshape(rows * filters, columns * channels, positions)
        tensor[:] = padded[: tensor.shape[0], : tensor.shape[1]]
