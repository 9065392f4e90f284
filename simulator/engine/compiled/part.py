"""The decorator of parts of the compiled loop that stand in one place of another part."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from dataflows.kernels.compiled import kernel

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def inlined(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A kernel that is called in one place, and compiled there."""
    return kernel(inline="always")(function)
