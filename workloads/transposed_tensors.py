"""`PartTensor`: the tensors of a transposed convolution's parts, from a source of the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from workloads.source import Stream, TensorSource, images_held
from workloads.transposed import TransposedPart


@dataclass(frozen=True)
class PartTensor:
    """One tensor of a part, from a source of the whole: weights with filters first, or the map before stretching.

    index  place in the network of the first part, whose draw all parts see; None: each has its own
    """

    source: TensorSource
    part: TransposedPart
    tensor: Literal["weights", "activations"]
    index: int | None = None

    @property
    def images_held(self) -> int | None:
        """See `ImageSource`."""
        return images_held(self.source)

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`; the batch is that of the shape."""
        whole = self.part.whole
        own = stream if self.index is None else replace(stream, key=(self.index, *stream.key[1:]))
        if self.tensor == "weights":
            kernel = (whole.out_channels, whole.in_channels // whole.groups, *whole.kernel_size)
            return self.part.taps(self.source.array(kernel, own))
        return self.part.activations(self.source.array((shape[0], whole.in_channels, *whole.input_size), own))

    def over(self, source: TensorSource) -> PartTensor:
        """The same part of another tensor."""
        return replace(self, source=source)


def redrawn(old: TensorSource, new: TensorSource) -> TensorSource:
    """A new source in place of an old one, seen through the same part of a transposed convolution."""
    return old.over(new) if isinstance(old, PartTensor) else new
