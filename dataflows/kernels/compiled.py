"""The one decorator for every jitted kernel of the project.

Rules for a kernel: arrays and scalars in, arrays out; no random numbers, no exceptions, no globals; counts and cycles
are int64. Kernels are serial and release the interpreter lock, so that threads may share a layer's work out
(`dataflows.kernels.threads`). Compiled kernels are kept on disk (`dataflows.kernels.cache`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast, overload

import numba
from numba.core import config as numba_config

from dataflows.kernels.cache import KernelCache
from workloads.errors import InputError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@overload
def kernel(function: Callable[Arguments, Result], /) -> Callable[Arguments, Result]: ...


@overload
def kernel(**options: Any) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]: ...


def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Compile a function as a kernel: nopython, releasing the interpreter lock, kept on disk.

    To the type checker a kernel is the function that it was made of. Further keywords go to ``numba.njit`` (``inline``,
    ``boundscheck`` ...). Raises `InputError` where numba is told to compile nothing.
    """

    def decorate(target: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        if numba_config.DISABLE_JIT:  # type: ignore[attr-defined]
            raise InputError("NUMBA_DISABLE_JIT is set: kernels exist compiled only, unset it")
        # numpy's error model leaves out the test for a zero divisor, which would raise inside a kernel.
        dispatcher: Any = numba.njit(nogil=True, error_model="numpy", **options)(target)
        dispatcher._cache = KernelCache(target)  # noqa: SLF001 (numba's own trusts whatever it finds)
        return cast("Callable[Arguments, Result]", dispatcher)

    return decorate if function is None else decorate(function)
