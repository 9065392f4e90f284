"""What a kernel is called with: a key of it that costs little, and words for it that hold in every process.

A compiled function fits exactly one kind of arguments, as numba tells them apart: of an array the type of its elements,
its axes, whether it is contiguous and whether it may be written; of a number its type; of a tuple its class and
members. Structs as elements go by the name that `struct` gives them. Keys may tell apart more than that, never less.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numpy as np

_LEAST, _MOST = -(2**63), 2**63 - 1
_NUMBERS = "biuf"  # numpy's kinds of elements and scalars that kernels take: truth values, integers, floats
_NAME = "name"  # in the metadata of a struct
_PLAIN = {bool: "bool", float: "float64", type(None): "none"}


def struct(module: str, name: str, *fields: str | tuple[str, int]) -> np.dtype:
    """Elements of int64 fields, or of arrays of so many, for a module's constant of that name.

    Kernels of such arrays are kept under the name, which every process finds; other structs are numba's to tell.
    """
    rows = [(one, np.int64) if isinstance(one, str) else (one[0], np.int64, one[1]) for one in fields]
    return np.dtype(rows, metadata={_NAME: f"{module}.{name}"})


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
    name = name_of_elements(array.dtype)
    if name is None:
        return None
    layout = "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else "A"
    return f"{name}[{array.ndim}{layout}{'' if array.flags.writeable else ' read-only'}]"


def name_of_elements(dtype: np.dtype) -> str | None:
    """An array's type of elements in a word; None where only numba can tell it."""
    if dtype.kind in _NUMBERS and dtype.isnative:
        return dtype.name
    name = (dtype.metadata or {}).get(_NAME, "")
    module, _, constant = name.rpartition(".")
    # A copy of it, or what else goes by its name, is another object.
    return name if getattr(sys.modules.get(module), constant, None) is dtype else None


def elements_of_name(name: str) -> np.dtype:
    """The type of elements that a word names. Raises `TypeError`, `ImportError` or `AttributeError`."""
    module, _, constant = name.rpartition(".")
    return getattr(import_module(module), constant) if module else np.dtype(name)
