"""The decorators of the compiled loop's parts, which only other kernels call."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from dataflows.kernels.compiled import kernel

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def part(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A kernel that only other kernels call. The loop has so many that they are optimized once, together."""
    return kernel(optimized=False)(function)


def inlined(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A kernel that is called in one place, and compiled there."""
    return kernel(inline="always")(function)
