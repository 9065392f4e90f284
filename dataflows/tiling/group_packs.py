"""Convolution groups side by side in one block of an array: the one rule of all machines that multiply dense blocks.

The weights of several groups lie on the diagonal of a block of lanes (inputs) x outputs: each group's channels on lanes
of their own, its filters on outputs of their own. Every output sums all lanes; those that hold another group's channels
meet a zero, so that they are empty slots, and a block of 16 depthwise channels needs no hardware that a dense layer
does not. As many groups lie together as have both their channels on the lanes and their filters on the outputs; a group
that is larger than the block runs alone, as all of them do with `groups = "alone"`.

Zeros between groups are not stored: DRAM and buffers hold the layer's own weights, which are spread over the diagonal
on the way into the array.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Self

import numpy as np
from pydantic import Field

from dataflows.specs import AcceleratorSpec
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

Groups = Literal["packed", "alone"]


class GroupedSpec(AcceleratorSpec):
    """Parameters of machines that can run the groups of a layer either way."""

    groups: Groups = Field(
        "packed",
        description="convolution groups in a block of the array: packed: as many side by side as have their channels "
        "and filters there, zeros between them; alone: one at a time (a reading; packing needs no hardware)",
    )


@dataclass(frozen=True)
class GroupPacks:
    """A layer's groups in packs that an array takes together, in order; the last may have fewer.

    together  groups of a pack

    Example: six groups of one channel and one filter on four lanes x four outputs make packs of four and two groups:
    `channels` [4, 2], `filters(4)` [[4], [2]]. `block_weights` has 8 x 4 kernels, those of groups 0 to 3 on the
    diagonal of the first four rows, those of 4 and 5 on that of the next two; the last two rows are empty.
    """

    layer: Layer
    together: int

    @classmethod
    def of(cls, layer: Layer, groups: Groups, *, inputs: int, filters: int, taps: int = 1) -> Self:
        """The packs of a block of `inputs` lanes x `filters` outputs.

        taps  kernel positions of a channel that take a lane each
        """
        # Rounded down: a group is not split over two blocks. 16 lanes x 16 outputs take groups of 3 channels and 2
        # filters five at a time. A group larger than the block gives none, and runs alone in several rounds.
        room = min(inputs // (layer.group_in_channels * taps), filters // layer.group_out_channels, layer.groups)
        return cls(layer, max(1, room) if groups == "packed" else 1)

    @classmethod
    def choices(cls, layer: Layer, groups: Groups, *, inputs: int, filters: int) -> list[Self]:
        """The packs of a block, then those of one with half its outputs, a quarter, and so on; none stands twice.

        For machines whose lanes wait for one another, so that a narrower pack may be done sooner: with twice the
        outputs all packs are there that were before.
        """
        halved = (cls.of(layer, groups, inputs=inputs, filters=filters >> by) for by in range(filters.bit_length()))
        return list({packs.together: packs for packs in halved}.values())

    @property
    def count(self) -> int:
        """Packs of the layer."""
        return ceil_div(self.layer.groups, self.together)

    @cached_property
    def groups(self) -> np.ndarray:
        """Int64 (packs,): groups of each."""
        return np.minimum(self.together, self.layer.groups - np.arange(0, self.layer.groups, self.together))

    @property
    def channels(self) -> np.ndarray:
        """Int64 (packs,): input channels of each."""
        return self.groups * self.layer.group_in_channels

    def block_layer(self) -> Layer:
        """The layer with a group for each pack, all as large as the largest: groups that are not there are empty."""
        layer, together = self.layer, self.count * self.together
        return replace(
            layer,
            # Six groups in packs of four count as eight: the second pack has as many channels as the
            # first, half of them empty.
            in_channels=together * layer.group_in_channels,
            out_channels=together * layer.group_out_channels,
            groups=self.count,
            moving_images=0,  # a pack may hold heads of several images
        )

    def block_weights(self, weights: np.ndarray) -> np.ndarray:
        """Weights or mask (K, C/G, [T,] R, S) of `block_layer`: each group on the diagonal of its pack's block."""
        if self.together == 1:
            return weights
        layer, block = self.layer, self.block_layer()
        blocks = np.zeros(block.weight_shape, weights.dtype)
        for group in range(layer.groups):
            # Group 5 in packs of four is the second of its pack, so that its channels stand behind one group's. Filters
            # keep their numbers, since packs follow one another in the order of the groups.
            first = group % self.together * layer.group_in_channels
            filters = slice(group * layer.group_out_channels, (group + 1) * layer.group_out_channels)
            blocks[filters, first : first + layer.group_in_channels] = weights[filters]
        return blocks

    def filters(self, outputs: int) -> np.ndarray:
        """Int64 (packs, rounds): filters of each pack that `outputs` outputs take round by round."""
        # Lone groups are all of one size, and a pack of several takes a single round: no round of a pack comes out
        # negative.
        every = self.groups[:, None] * self.layer.group_out_channels
        return np.minimum(outputs, every - np.arange(0, int(every.max()), outputs))
