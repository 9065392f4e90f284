"""What the processor can do for which kernels are compiled, known without the compiler."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path

_FACTS = ("vendor_id", "cpu family", "model", "stepping", "flags")


@cache
def processor_facts() -> dict[str, str]:
    """What Linux says of an x86-64 processor, its instruction sets under "flags"; empty where it says less."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return {}
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as stream:
            first = stream.read(1 << 14).partition("\n\n")[0]
    except (OSError, UnicodeDecodeError):
        return {}
    lines = [line.replace("\t", "").partition(":") for line in first.splitlines()]
    facts = {name: text for name, _, text in lines}
    return {name: facts[name] for name in _FACTS} if facts.keys() >= {*_FACTS} else {}


def _has_512_bits() -> bool:
    """Whether numba is told, or finds, that there are registers of 512 bits."""
    asked = os.environ.get("NUMBA_CPU_FEATURES")
    if asked is not None:
        return "+avx512f" in asked.split(",")
    if os.environ.get("NUMBA_CPU_NAME", "").lower() == "generic":
        return False  # numba takes it for a processor without any
    return "avx512f" in processor_facts().get("flags", "").split()


@cache
def lane_count() -> int:
    """Words that kernels hold side by side in a vector: a register's worth, 16 with AVX-512 and else 8.

    With less than AVX2 eight words are two registers. Results do not depend on it.
    """
    return 16 if _has_512_bits() else 8
