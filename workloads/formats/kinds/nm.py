"""N:M: a fixed number of values in every group of channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from workloads.errors import InputError
from workloads.formats.storage import Format, Sizes, Stream, decode_rate, index_width, nonzero_counts
from workloads.options import whole
from workloads.whole_numbers import ceil_div

# (n, m) of the papers that the class names, and what lies between them: densities 1/2, 1/4 and 1/16.
_VARIANTS = ((1, 2), (2, 4), (1, 4), (2, 8), (4, 16), (1, 16))
_CHUNK = 1 << 20  # elements counted at a time


@dataclass(frozen=True, kw_only=True)
class NM(Format):
    """Exactly `n` values of every `m` consecutive channels at one kernel position, each with its place in the group.

    Where a group has fewer non-zeros, zeros fill it; the last group may reach beyond the channels. Scan order: filters,
    groups of channels, kernel positions, places in the group.
    Bits of K filters, C channels, X kernel positions, values of b bits: K·ceil(C / m)·X·n·(b + ceil(log2 m)).

    NVIDIA's 2:4 (Mishra et al., 2021, arXiv:2104.08378; 16 bits: 36 bits for 4 elements) and
    accelerator-aware pruning (Kang, TCSVT 2020: 2 of 8 or 4 of 16, fully connected 1 of 16). A multiplexer of m inputs
    stands before each multiplier, so that decoding takes no cycle. Index entries are the stored values.
    """

    name: ClassVar[str] = "nm"
    title: ClassVar[str] = "n values of every m channels, each with its place in the group"

    decode_entries_per_cycle: int = decode_rate(0, "stored values")
    n: int = whole("values of a group", 1, 1024, 2)
    m: int = whole("channels of a group", 1, 1024, 4)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n > self.m:
            raise InputError(f"{self.subject}: n = {self.n}: must be at most m = {self.m}")

    @classmethod
    def variants(cls, value_bits: int) -> tuple[Self, ...]:
        """See `Format`: the groups of the papers."""
        return tuple(cls(value_bits=value_bits, n=n, m=m) for n, m in _VARIANTS)

    def _require(self, mask: np.ndarray) -> None:
        """Raise `InputError` when a group of (..., K, C, X) holds more than n."""
        most, filters = 0, mask.shape[-3]
        step = max(_CHUNK * filters // mask.size, 1)
        for first in range(0, filters, step):
            most = max(most, self._most(mask[..., first : first + step, :, :]))
            # No other filter can hold more than all.
            if most == min(self.m, mask.shape[-2]):
                break
        if most > self.n:
            raise InputError(
                f"{self.subject}: a group of {self.m} channels holds {most} non-zeros, at most {self.n} fit"
            )

    def _most(self, mask: np.ndarray) -> int:
        """Most non-zeros of a group."""
        # A count is at most m, which is at most 1024. Adding m strided slices needs no padded copy of the mask: of 5
        # channels in groups of 4, place 0 holds channels 0 and 4, and places 1 to 3 hold one channel each, so their
        # slice is shorter.
        counts = np.zeros((*mask.shape[:-2], ceil_div(mask.shape[-2], self.m), mask.shape[-1]), np.uint16)
        for place in range(min(self.m, mask.shape[-2])):
            part = mask[..., place :: self.m, :]
            counts[..., : part.shape[-2], :] += part
        return int(counts.max())

    def _sizes(self, tiles: np.ndarray) -> Sizes:
        self._require(tiles)
        _, filters, channels, positions = tiles.shape
        # Every group takes n entries, an empty one and the last one too: the hardware's multiplexers expect them.
        entries = filters * ceil_div(channels, self.m) * positions * self.n
        # 2:4 of 4 filters of 6 channels (1x1): two groups a filter, 4 x 2 x 2 = 16 entries of 16 + 2 bits, 288 bits.
        bits = {"values": entries * self.value_bits, "indices": entries * index_width(self.m)}
        return Sizes.of(nonzero_counts(tiles), entries, entries, **bits)

    def _groups(self, tensor: np.ndarray) -> np.ndarray:
        """A copy of (K, C, X) as (K, groups, X, m), padded with zeros."""
        padded = np.pad(tensor, ((0, 0), (0, -tensor.shape[1] % self.m), (0, 0)))
        return padded.reshape(len(tensor), -1, self.m, tensor.shape[2]).transpose(0, 1, 3, 2)

    def _streams(self, tensor: np.ndarray) -> dict[str, Stream]:
        groups = self._groups(tensor)
        self._require(tensor != 0)
        # Non-zeros come first in a stable order of their absence; zeros fill up with places of their own.
        # 2 of [0 7 0 0] are places 0 and 1 with the values 0 and 7; 2 of [0 7 0 5] are places 1 and 3.
        places = np.sort(np.argsort(groups == 0, axis=-1, kind="stable")[..., : self.n], axis=-1)
        values = np.take_along_axis(groups, places, axis=-1)
        return {
            "values": Stream(values.reshape(-1), self.value_bits),
            "indices": Stream(places.reshape(-1), index_width(self.m)),
        }

    def _restore(self, streams: dict[str, np.ndarray], tensor: np.ndarray) -> None:
        groups = np.zeros_like(self._groups(tensor), order="C")
        shape = (*groups.shape[:-1], self.n)
        np.put_along_axis(groups, streams["indices"].reshape(shape), streams["values"].reshape(shape), axis=-1)
        filters, _, positions, _ = groups.shape
        # (K, groups, X, m) back to (K, groups, m, X), so that groups and places join to channels; the padding is cut
        # off.
        tensor[:] = groups.transpose(0, 1, 3, 2).reshape(filters, -1, positions)[:, : tensor.shape[1]]
