"""Bits of a 64-bit word, for kernels."""

from __future__ import annotations

from dataflows.kernels.compiled import Intrinsic

_MODULE = "dataflows.kernels.instructions"

trailing_zeros = Intrinsic(_MODULE, "trailing_zeros")
set_bits = Intrinsic(_MODULE, "set_bits")
leading_zeros = Intrinsic(_MODULE, "leading_zeros")
