"""How much is read, and how large a tensor may be: what is larger is refused in one line before memory is asked for."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from workloads.errors import InputError
from workloads.limit_factor import VARIABLE, raised

# 1 GiB. VGG-16's fc6, 25,088 x 4096 weights, takes 0.77 GiB of it as float64.
MAX_TENSOR_BYTES = 1 << 30
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


class TooLargeError(InputError):
    """An array would take more than is allowed."""


def require_size(label: str, shape: Sequence[int], item_bytes: int = 1, share: int = 1) -> None:
    """Raise `TooLargeError` when an array of that shape would take more than is allowed; `label` names it.

    Allowed are `MAX_TENSOR_BYTES`, or that part of it, times what `PRUNESIM_LIMITS` says.
    """
    size = math.prod(shape) * item_bytes
    if size > MAX_TENSOR_BYTES // share and size > (most := raised(MAX_TENSOR_BYTES // share)):
        raise TooLargeError(
            f"{label}: {readable(size)}: an array may take at most {readable(most)} in memory ({VARIABLE} raises it)"
        )


@contextmanager
def naming_shortage(label: str) -> Generator[None]:
    """Turn a `MemoryError` or `TooLargeError` of the block into an `InputError` that says what was too large."""
    try:
        yield
    except TooLargeError as error:
        raise InputError(f"{label}: {error}") from None
    except MemoryError as error:
        detail = f" ({error})" if str(error) else ""
        raise InputError(f"{label}: not enough memory{detail}") from None


def readable(size_bytes: int) -> str:
    """Bytes with the unit that leaves a short number."""
    # Every 10 bits are a unit: 2^20 - 1 bytes have 20 bits and are told in KiB, 2^20 have 21 and are told in MiB.
    unit = min((size_bytes.bit_length() - 1) // 10, len(_UNITS) - 1) if size_bytes else 0
    # A shape that a file claims may have a product beyond any float, which division would refuse.
    amount = size_bytes / (1 << 10 * unit) if size_bytes < 1 << 1000 else math.inf
    return f"{amount:,.4g} {_UNITS[unit]}" if amount < 10**6 else f"more than a million {_UNITS[-1]}"
