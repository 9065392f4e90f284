"""What the processor can do for which kernels are compiled, known without the compiler."""

from __future__ import annotations

import os
from functools import cache


def _features() -> str:
    """The instruction sets that numba is told, or finds, to be there: "+avx2,-avx512f" and so on."""
    asked = os.environ.get("NUMBA_CPU_FEATURES")
    if asked is not None:
        return asked
    if os.environ.get("NUMBA_CPU_NAME", "").lower() == "generic":
        return ""  # numba takes it for a processor without any
    from llvmlite.binding import get_host_cpu_features  # noqa: PLC0415 (only kernels need it)

    try:
        return get_host_cpu_features().flatten()
    except RuntimeError:  # LLVM does not know this processor
        return ""


@cache
def lane_count() -> int:
    """Words that kernels hold side by side in a vector: a register's worth, 16 with AVX-512 and else 8.

    With less than AVX2 eight words are two registers. Results do not depend on it.
    """
    return 16 if "+avx512f" in _features().split(",") else 8
