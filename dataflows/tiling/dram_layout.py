"""Where the tensors of a layer lie in DRAM: one after the other, each aligned to a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, overload

import numpy as np

from workloads.whole_numbers import ceil_div

PAGE_BYTES = 8192  # a DRAM page of a 64-bit rank, so that no two tensors share a row


@overload
def bits_to_bytes(bits: int) -> int: ...


@overload
def bits_to_bytes(bits: np.ndarray) -> np.ndarray: ...


def bits_to_bytes(bits: int | np.ndarray) -> int | np.ndarray:
    """Whole bytes that hold so many bits."""
    # Rounded once for all bits together: three values of 4 bits take 2 bytes, not 3.
    return ceil_div(bits, 8)


@dataclass(frozen=True, slots=True)
class Layout:
    """First byte of each tensor of a layer."""

    input_address: int
    weight_address: int
    output_address: int

    @classmethod
    def of(cls, input_bytes: int, weight_bytes: int) -> Self:
        """Inputs first, then weights, then outputs."""

        def page_end(address: int) -> int:
            return ceil_div(address, PAGE_BYTES) * PAGE_BYTES

        # Inputs of 10,000 bytes end in the second page, so that weights begin at 16,384; 100 bytes of them leave
        # outputs the next page, from 24,576 on.
        weights = page_end(input_bytes)
        return cls(0, weights, page_end(weights + weight_bytes))
