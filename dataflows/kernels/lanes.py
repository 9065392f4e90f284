"""Sixteen 32-bit words side by side as one value inside kernels: a vector register where the processor has one.

Kernels load it from a row of a uint32 array, compute with `& | ^ ~ + - *` and the functions below, and store it again.
`bit_mask` of a word 0b10 is 0 for bit 0 and 0xFFFFFFFF for bit 1, `rotate` of 0x80000001 by 1 is 3. What numba makes of
them stands in `dataflows.kernels.instructions`.
"""

from __future__ import annotations

from typing import Any

from dataflows.kernels.compiled import Intrinsic

Lanes = Any  # how kernels annotate such a value
LANES = 16
_MODULE = "dataflows.kernels.instructions"

load = Intrinsic(_MODULE, "load")
store = Intrinsic(_MODULE, "store")
spread = Intrinsic(_MODULE, "spread")
rotate = Intrinsic(_MODULE, "rotate")
bit_mask = Intrinsic(_MODULE, "bit_mask")
nonzero_mask = Intrinsic(_MODULE, "nonzero_mask")
largest = Intrinsic(_MODULE, "largest")
any_bit = Intrinsic(_MODULE, "any_bit")
largest_word = Intrinsic(_MODULE, "largest_word")
