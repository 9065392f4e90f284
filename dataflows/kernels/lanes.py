"""32-bit words side by side as one value inside kernels: a vector register of the processor.

Kernels load it from a row of a uint32 array, compute with `& | ^ ~ + - *` and the functions below, and store it again.
`bit_mask` of a word 0b10 is 0 for bit 0 and 0xFFFFFFFF for bit 1, `rotate` of 0x80000001 by 1 is 3. A row has `LANES`
words, 16 where the processor has 512-bit registers and else 8. What numba makes of them stands in
`dataflows.kernels.instructions`.
"""

from __future__ import annotations

from typing import Any

from dataflows.kernels.compiled import Intrinsic
from dataflows.kernels.processor import lane_count

Lanes = Any  # how kernels annotate such a value
LANES = lane_count()
_MODULE = "dataflows.kernels.instructions"

load = Intrinsic(_MODULE, "load")
store = Intrinsic(_MODULE, "store")
spread = Intrinsic(_MODULE, "spread")
funnel = Intrinsic(_MODULE, "funnel")
rotate = Intrinsic(_MODULE, "rotate")
bit_mask = Intrinsic(_MODULE, "bit_mask")
shift_right = Intrinsic(_MODULE, "shift_right")
bit_at = Intrinsic(_MODULE, "bit_at")
neighbours = Intrinsic(_MODULE, "neighbours")
next_pairs = Intrinsic(_MODULE, "next_pairs")
nonzero_mask = Intrinsic(_MODULE, "nonzero_mask")
below = Intrinsic(_MODULE, "below")
largest = Intrinsic(_MODULE, "largest")
smallest = Intrinsic(_MODULE, "smallest")
bit_counts = Intrinsic(_MODULE, "bit_counts")
any_bit = Intrinsic(_MODULE, "any_bit")
largest_word = Intrinsic(_MODULE, "largest_word")
