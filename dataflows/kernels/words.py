"""Bits of a 64-bit word, for kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic as numba_intrinsic

intrinsic = cast("Callable[[Callable[..., Any]], Any]", numba_intrinsic)  # callers do not pass the first parameter


@intrinsic
def trailing_zeros(_context: Any, word: Any) -> Any:
    """Index of the lowest set bit of a uint64; 64 when none is set."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(*arguments, ir.Constant(ir.IntType(1), 0))

    return (types.int64(word), generate) if word == types.uint64 else None


@intrinsic
def ones(_context: Any, word: Any) -> Any:
    """How many bits of a uint64 are set."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return (types.int64(word), generate) if word == types.uint64 else None
