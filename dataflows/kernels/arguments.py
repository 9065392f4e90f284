"""What a kernel is called with: a key of it that costs little, and words for it that hold in every process.

A compiled function fits exactly one kind of arguments, as numba tells them apart: of an array the type of its elements,
its axes, whether it is contiguous and whether it may be written; of a number its type; of a tuple its class and
members. Keys may tell apart more than that, never less.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_LEAST, _MOST = -(2**63), 2**63 - 1
_NUMBERS = "biuf"  # numpy's kinds of elements and scalars that kernels take: truth values, integers, floats
_PLAIN = {bool: "bool", float: "float64", type(None): "none"}


def key_of(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """A key in this process: equal keys are described by equal words.

    It is made at every call of a kernel, and therefore looks at nothing but types where `described` has to check.
    """
    parts: list[Any] = []
    for one in arguments:
        kind = type(one)
        if kind is np.ndarray:
            parts.append((one.dtype, one.ndim, one.flags.num))
        elif kind is int:
            parts.append(int if _LEAST <= one <= _MOST else "unsigned")
        elif isinstance(one, tuple):
            parts.append((kind, key_of(one)))
        elif isinstance(one, np.ndarray):
            parts.append((kind, one.dtype, one.ndim, one.flags.num))
        else:
            parts.append(kind)
    return tuple(parts)


def described(argument: Any) -> str | None:
    """An argument's kind in words; None where it is of a kind that only numba can tell."""
    kind: Any = type(argument)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind is int:
        return "int64" if _LEAST <= argument <= _MOST else "uint64" if _MOST < argument < 2**64 else None
    if isinstance(argument, tuple):
        return _described_tuple(kind, argument)
    if isinstance(argument, np.ndarray) and not isinstance(argument, np.ma.MaskedArray):
        return _described_array(argument)
    if isinstance(argument, np.generic) and argument.dtype.kind in _NUMBERS:
        return argument.dtype.name
    return None


def _described_tuple(kind: Any, argument: tuple[Any, ...]) -> str | None:
    if kind is not tuple and not hasattr(kind, "_fields"):
        return None
    parts = [described(one) for one in argument]
    name = "" if kind is tuple else f"{kind.__module__}.{kind.__qualname__}"
    return None if None in parts else f"{name}({', '.join(map(str, parts))})"


def _described_array(array: Any) -> str | None:
    if array.dtype.kind not in _NUMBERS or not array.dtype.isnative:
        return None
    layout = "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else "A"
    return f"{array.dtype.name}[{array.ndim}{layout}{'' if array.flags.writeable else ' read-only'}]"
