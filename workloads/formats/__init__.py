"""Storage formats of sparse weights and activations: one interface (`Format` in storage.py), one file each in kinds/.

A format is a frozen dataclass whose fields are its options. Dropping a file with a subclass of `Format` into
kinds/ registers it. On a command line it is written NAME or NAME:KEY=VALUE,KEY=VALUE.

    chosen = parse("relative:index_bits=4,value_bits=16")
    chosen.bits(mask)                       exact bits, without building anything
    chosen.tile_bits(mask, row_bounds)      the same for each tile, every tile stored on its own
    chosen.decode(chosen.encode(weights))   equals weights
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from workloads.errors import InputError
from workloads.formats import kinds
from workloads.formats.storage import Encoded, Format, Sizes, Stream, as_tensor
from workloads.modules import import_all, registered
from workloads.options import described
from workloads.options import parse as parse_options

__all__ = [
    "Encoded",
    "Format",
    "FormatEntry",
    "FormatRow",
    "Sizes",
    "Stream",
    "available_formats",
    "best_format",
    "formats",
    "parse",
    "table",
]


def formats() -> dict[str, type[Format]]:
    """Every format of kinds/ by name, sorted."""
    import_all(kinds.__name__)
    return dict(sorted(Format.registry.items()))


def parse(text: str) -> Format:
    """The format that NAME:KEY=VALUE,... names. Raises `InputError` naming what is near, known or allowed."""
    return parse_options("format", registered(kinds.__name__, Format.registry, text.partition(":")[0]), text)


@dataclass(frozen=True)
class FormatEntry:
    """A line of `prunesim list formats`; `parameters` are written KEY=DEFAULT: meaning (allowed)."""

    name: str
    description: str
    parameters: tuple[str, ...]


def available_formats() -> tuple[FormatEntry, ...]:
    """Name, one line and the parameters of every format."""
    return tuple(FormatEntry(name, chosen.title, described(chosen)) for name, chosen in formats().items())


@dataclass(frozen=True)
class FormatRow:
    """What one format makes of a tensor.

    bits                of the whole tensor; None where the format cannot hold it
    bits_per_element    bits / elements, zeros included
    share_of_dense      bits / bits of the dense tensor; below 1 the format saves
    refusal             why the format cannot hold the tensor, else empty
    """

    format: Format
    bits: int | None
    bits_per_element: float | None
    share_of_dense: float | None
    refusal: str = ""


def table(array: np.ndarray, value_bits: int = 16, chosen: Iterable[Format] | None = None) -> tuple[FormatRow, ...]:
    """A row for each format (by default every one with its default settings), for values or a mask."""
    # An array that no format can hold is refused here, once; inside a row the refusal would look like the format's own.
    as_tensor(array)
    if chosen is None:
        # A format may not hold the tensor in its default settings, as N:M does not hold a dense one; its row then says
        # why.
        chosen = [known(value_bits=value_bits) for known in formats().values()]
    return tuple(_row(array, one) for one in chosen)


def _row(array: np.ndarray, chosen: Format) -> FormatRow:
    try:
        bits = chosen.bits(array)
    except InputError as error:
        return FormatRow(chosen, None, None, None, str(error))
    # Example: 100 elements of 16 bits, 10 of them not zero, take 100 + 10 x 16 = 260 bits as a bitmap: 2.6 bits an
    # element, and a share of 260 / 1600 = 0.1625 of the dense tensor.
    return FormatRow(chosen, bits, bits / array.size, bits / (array.size * chosen.value_bits))


def best_format(array: np.ndarray, value_bits: int = 16) -> Format:
    """The format that needs the fewest bits, over the settings that each suggests; of equals the first by name."""
    # Sizes depend on where the zeros are alone, so that values need not be looked at again for every variant.
    mask = as_tensor(array if array.dtype == np.bool_ else array != 0)
    tried = [found for known in formats().values() for found in known.variant_bits(mask, value_bits)]
    # The formats come sorted and `min` keeps the first of equals, so that the answer does not depend on import order.
    return min(tried, key=lambda found: found[1])[0]
