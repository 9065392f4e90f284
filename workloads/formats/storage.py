"""`Format`: what every storage format is; `Encoded` and `Sizes`: what it makes of a tensor and how large that is.

A format sees a tensor as (K, C, X): filters, channels, kernel positions. Weights (K, C/G, [T,] R, S) give X = [T·]R·S;
a matrix, such as activations (C, H·W), gives X = 1 and its columns stand for channels. "Row" below is one of the K
rows of C·X elements, channels before kernel positions: the im2col matrix of the weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from workloads.errors import InputError
from workloads.formats.tiles import Bounds, equal_tiles, tile_bounds
from workloads.options import check, whole, written
from workloads.whole_numbers import ceil_div

Number = TypeVar("Number", int, np.ndarray)
_LONG = 1 << 12  # elements of a row for which a call is nothing


def index_width(count: int) -> int:
    """Bits that tell `count` things apart: ceil(log2 count); 4 things take 2 bits, 5 take 3, a single one none."""
    return (count - 1).bit_length()


def as_tensor(array: np.ndarray) -> np.ndarray:
    """An array of values or a mask as (K, C, X); a list is one row. Raises `InputError` when it cannot be stored."""
    if array.size == 0 or array.ndim == 0:
        raise InputError(f"an array of shape {array.shape} holds nothing to store")
    if array.dtype.kind not in "biuf":
        raise InputError(f"an array of type {array.dtype} cannot be stored, it must hold numbers or a mask")
    # Weights (64, 3, 3, 3) become (64, 3, 9), a matrix (10, 20) becomes (10, 20, 1), a list of 5 becomes (1, 5, 1).
    return array.reshape(1, -1, 1) if array.ndim == 1 else array.reshape(*array.shape[:2], -1)


def nonzero_counts(tiles: np.ndarray) -> np.ndarray:
    """int64 (n,): non-zeros of each tile of a bool (n, ...)."""
    rows = tiles.reshape(len(tiles), -1)
    # Without an axis numpy counts bits, an order of magnitude faster, but needs a call for each tile.
    if rows.shape[1] > _LONG:
        return np.array([np.count_nonzero(row) for row in rows], np.int64)
    return np.count_nonzero(rows, axis=1)


def decode_rate(default: int, entry: str) -> Any:
    """The option `decode_entries_per_cycle`: its default, and what this format counts as an index entry."""
    return whole(f"{entry} decoded a cycle, 0: no limit", 0, 4096, default)


@dataclass(frozen=True)
class Stream:
    """One field of a stored tensor: its entries in storage order, and the bits that each takes."""

    entries: np.ndarray
    width_bits: int


@dataclass(frozen=True, eq=False)
class Encoded:
    """A stored tensor.

    shape, dtype  of the tensor, so that it can be given back
    streams       fields by name, in storage order; "values" keep the tensor's type, the others are whole numbers
    nonzeros      non-zero elements among the stored values
    """

    format: Format
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    streams: dict[str, Stream]
    nonzeros: int

    @property
    def stream_bits(self) -> dict[str, int]:
        """Bits of each field."""
        return {name: stream.entries.size * stream.width_bits for name, stream in self.streams.items()}

    @property
    def bits(self) -> int:
        """Bits of the stored tensor."""
        return sum(self.stream_bits.values())

    @property
    def entries(self) -> int:
        """Stored values, fillers included."""
        return self.streams["values"].entries.size

    @property
    def fillers(self) -> int:
        """Stored values that are zero."""
        return self.entries - self.nonzeros


@dataclass(frozen=True, eq=False)
class Sizes:
    """What tiles take in a format, each stored on its own; int64 arrays, one value a tile.

    nonzeros       non-zero elements
    entries        stored values, fillers included
    index_entries  what the decoder steps through, see `Format.decode_cycles`
    stream_bits    bits of each field by name
    """

    nonzeros: np.ndarray
    entries: np.ndarray
    index_entries: np.ndarray
    stream_bits: dict[str, np.ndarray]

    @classmethod
    def of(cls, nonzeros: np.ndarray, entries: Any, index_entries: Any, **stream_bits: Any) -> Self:
        """Sizes of some tiles; a number stands for all of them."""

        def spread(value: Any) -> np.ndarray:
            return np.broadcast_to(np.asarray(value, np.int64), nonzeros.shape)

        # A field of constant size, such as a bitmap, is told once and read for every tile, without a copy each.
        bits = {name: spread(value) for name, value in stream_bits.items()}
        return cls(spread(nonzeros), spread(entries), spread(index_entries), bits)

    @classmethod
    def grid(cls, shape: tuple[int, int], places: list[np.ndarray], parts: list[Self]) -> Self:
        """Sizes found part by part, put at their `places` in a grid of tiles.

        Tiles of one shape were counted together; so the last row and column, whose tiles may be smaller, come apart.
        """
        # Parts come by shape: a grid of 2 x 2 whose last column is narrower yields tiles 1 and 3, then 0 and 2. Sorting
        # the numbers brings the tiles back into the order of the grid.
        order = np.argsort(np.concatenate(places))

        def join(columns: list[np.ndarray]) -> np.ndarray:
            return np.concatenate(columns)[order].reshape(shape)

        return cls(
            join([part.nonzeros for part in parts]),
            join([part.entries for part in parts]),
            join([part.index_entries for part in parts]),
            {name: join([part.stream_bits[name] for part in parts]) for name in parts[0].stream_bits},
        )

    @property
    def bits(self) -> np.ndarray:
        """Bits of each tile."""
        return sum(self.stream_bits.values(), np.zeros_like(self.entries))

    @property
    def fillers(self) -> np.ndarray:
        """Stored values that are zero."""
        return self.entries - self.nonzeros


@dataclass(frozen=True, kw_only=True)
class Format(ABC):
    """A way to store a tensor; the fields are its options.

    Class attributes: `name` (in commands) and `title` (one line for lists). Defining a subclass with a `name`
    registers it. Options are checked when the value is made; `InputError` names the format, the option, its value and
    what is allowed. A value is counted with `value_bits` whatever the type of the array that holds it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    registry: ClassVar[dict[str, type[Format]]] = {}

    value_bits: int = whole("bits of a stored value", 1, 64, 16)
    decode_entries_per_cycle: int = decode_rate(1, "index entries")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A base that formats share, such as `Absolute`, has no name of its own and is not registered.
        if "name" in cls.__dict__:
            if Format.registry.get(cls.name, cls).__module__ != cls.__module__:
                raise TypeError(f"two formats are called '{cls.name}'")
            Format.registry[cls.name] = cls

    def __post_init__(self) -> None:
        check(self.subject, self)

    @abstractmethod
    def _sizes(self, tiles: np.ndarray) -> Sizes:
        """Sizes of tiles of equal shape, bool (n, K, C, X)."""

    @abstractmethod
    def _streams(self, tensor: np.ndarray) -> dict[str, Stream]:
        """The fields of a tensor of values or a mask, (K, C, X)."""

    @abstractmethod
    def _restore(self, streams: dict[str, np.ndarray], tensor: np.ndarray) -> None:
        """Write the stored values into a tensor of zeros, (K, C, X), C-contiguous."""

    def _check(self, mask: np.ndarray) -> None:
        """Raise `InputError` when a tensor, bool (K, C, X), has not the structure that this format needs as a whole."""
        del mask

    @classmethod
    def variants(cls, value_bits: int) -> tuple[Self, ...]:
        """The settings that `best_format` tries."""
        return (cls(value_bits=value_bits),)

    @classmethod
    def variant_bits(cls, mask: np.ndarray, value_bits: int) -> Iterator[tuple[Self, int]]:
        """Each of the `variants` that can hold a mask, with the bits of the stored tensor.

        Here one after the other; formats whose variants see the same of a mask look at it once.
        """
        for variant in cls.variants(value_bits):
            with suppress(InputError):
                yield variant, variant.bits(mask)

    def encode(self, array: np.ndarray) -> Encoded:
        """The stored tensor, of values or a bool mask. Raises `InputError` when the format cannot hold it."""
        tensor = as_tensor(array)
        self._check(tensor != 0)
        streams = self._streams(tensor)
        return Encoded(self, array.shape, tensor.dtype, streams, int(np.count_nonzero(tensor)))

    def decode(self, encoded: Encoded) -> np.ndarray:
        """The tensor that was stored, in its shape and type."""
        if encoded.format != self:
            raise InputError(f"{self.subject}: cannot decode what '{encoded.format}' has stored")
        # New zeros are contiguous, so that `as_tensor` gives a view of them: what a format writes there stands in the
        # array.
        array = np.zeros(encoded.shape, encoded.dtype)
        self._restore({name: stream.entries for name, stream in encoded.streams.items()}, as_tensor(array))
        return array

    def sizes(self, array: np.ndarray, row_bounds: Bounds = None, channel_bounds: Bounds = None) -> Sizes:
        """Sizes of a tensor stored tile by tile, without building the streams; arrays (row tiles, channel tiles).

        row_bounds, channel_bounds  where tiles start along K and along C, and the end; None: one tile
        """
        tensor = as_tensor(array)
        # Sizes need the zeros alone; a mask is taken as it is, without a copy.
        mask = tensor if tensor.dtype == np.bool_ else tensor != 0
        # Structure of the whole tensor, such as its library of patterns, before tiles are counted by themselves.
        self._check(mask)
        rows = tile_bounds("row_bounds", row_bounds, mask.shape[0])
        channels = tile_bounds("channel_bounds", channel_bounds, mask.shape[1])
        places, parts = [], []
        for numbers, tiles in equal_tiles(mask, rows, channels):
            places.append(numbers)
            parts.append(self._sizes(tiles))
        return Sizes.grid((len(rows) - 1, len(channels) - 1), places, parts)

    def bits(self, array: np.ndarray) -> int:
        """Bits of the stored tensor."""
        return int(self.sizes(array).bits[0, 0])

    def tile_bits(self, array: np.ndarray, row_bounds: Bounds = None, channel_bounds: Bounds = None) -> np.ndarray:
        """Bits of each tile, int64 (row tiles, channel tiles), every tile stored on its own; see `sizes`."""
        return self.sizes(array, row_bounds, channel_bounds).bits

    def decode_cycles(self, index_entries: Number) -> Number:
        """Cycles that the decoder needs for a list of so many index entries (see `Sizes`).

        Takes a number and returns one, or an int64 array with a list each. A list of its own starts a cycle of its own.
        """
        # Rounded up, since an entry that is left over takes a cycle. Without a limit the product keeps the argument's
        # type.
        rate = self.decode_entries_per_cycle
        return ceil_div(index_entries, rate) if rate else index_entries * 0

    @property
    def subject(self) -> str:
        """How messages call this format."""
        return f"format '{self.name}'"

    def __str__(self) -> str:
        """As on a command line."""
        return f"{self.name}:{written(self)}"

    def _check_pointers(self, pointer_bits: int, entries: np.ndarray) -> None:
        """Raise `InputError` when pointers cannot reach the last of so many entries."""
        # The last pointer is the number of entries itself, so that 256 entries do not fit pointers of 8 bits, which
        # count to 255.
        most = int(entries.max())
        if most >> pointer_bits:
            raise InputError(
                f"{self.subject}: pointer_bits = {pointer_bits} counts to {(1 << pointer_bits) - 1}, "
                f"but {most} entries are stored"
            )
