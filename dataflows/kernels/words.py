"""Bits of a 64-bit word, for kernels."""

from __future__ import annotations

from dataflows.kernels.compiled import Intrinsic

trailing_zeros = Intrinsic("dataflows.kernels.instructions", "trailing_zeros")
