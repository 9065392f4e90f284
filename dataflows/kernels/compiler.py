"""Where numba is imported: kernels that are not kept are compiled here, and kept."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dis import get_instructions
from functools import cache
from types import CellType, CodeType, FunctionType
from typing import Any, Protocol

import numba
import numpy as np
from numba.core import config as numba_config
from numba.core.environment import lookup_environment

from dataflows.kernels.compiling import waiting
from dataflows.kernels.entries import write_entry
from dataflows.kernels.guards import GUARD, NoGuardError, guard_object
from dataflows.kernels.images import Image, UnsuitableObjectError, flattened
from dataflows.kernels.kept import KERNEL, KeptKernel, Ready, place_kept
from dataflows.kernels.linked import LinkedCompiler
from dataflows.kernels.numba_cache import LinkedCache, NumbaCache
from dataflows.kernels.turns import end_all_turns
from workloads.errors import InputError

_ENVIRONMENT = "_ZN08NumbaEnv"  # how symbols of pointers to environments begin
_PLAIN = (np.dtype, bool, int, float, str, type(None))


class Kernel(Protocol):
    """What is looked at of a `compiled.Kernel`."""

    function: Callable[..., Any]
    options: dict[str, Any]


class _Links:
    """Whether kernels that others call are only linked (`dataflows.kernels.linked`), until that fails once."""

    work = True


@cache
def dispatcher(kernel: Kernel) -> Any:
    """A kernel as numba knows it. Raises `InputError` where numba is told to compile nothing."""
    if numba_config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise InputError("NUMBA_DISABLE_JIT is set: kernels exist compiled only, unset it")
    return _made(kernel, NumbaCache(kernel.function))


@cache
def linked_dispatcher(kernel: Kernel) -> Any:
    """A kernel as numba links it into those that call it."""
    if not _Links.work or kernel.options.get("inline") == "always":
        return dispatcher(kernel)
    return _made(kernel, LinkedCache(kernel.function), pipeline_class=LinkedCompiler)


def forget_dispatchers() -> None:
    """Make them anew when they are asked for."""
    dispatcher.cache_clear()
    linked_dispatcher.cache_clear()


def _made(kernel: Kernel, kept_in: NumbaCache, **options: Any) -> Any:
    # numpy's error model leaves out the test for a zero divisor, which would raise inside a kernel.
    decorate: Any = numba.njit(nogil=True, error_model="numpy", **kernel.options, **options)
    made = decorate(_for_numba(kernel.function))
    made._cache = kept_in  # noqa: SLF001 (numba's own trusts whatever it finds)
    return made


def _for_numba(function: Any) -> Callable[..., Any]:
    """A copy of a kernel's function that calls numba's objects where the original calls kernels and intrinsics."""
    seen = function.__globals__
    replaced = {name: _known_to_numba(seen[name]) for name in _names(function.__code__) if name in seen}
    closed = tuple(CellType(_known_to_numba(cell.cell_contents)) for cell in function.__closure__ or ())
    copy = FunctionType(
        function.__code__, {**seen, **replaced}, function.__name__, function.__defaults__, closed or None
    )
    copy.__module__, copy.__qualname__, copy.__doc__ = function.__module__, function.__qualname__, function.__doc__
    return copy


def _known_to_numba(value: Any) -> Any:
    return value.for_kernels if hasattr(type(value), "for_kernels") else value


def _names(code: CodeType) -> set[str]:
    """Globals that a function and those inside it use; attributes of the same name are none."""
    own = {one.argval for one in get_instructions(code) if one.opname == "LOAD_GLOBAL"}
    return own.union(*(_names(one) for one in code.co_consts if isinstance(one, CodeType)))


def compiled(kernel: Kernel, arguments: tuple[Any, ...], kind: str) -> tuple[Ready, bool]:
    """A kernel's code for such arguments, which `kind` describes, and whether it had to be compiled.

    It is kept for the next process.
    """
    function = kernel.function
    with waiting(), _no_collection():
        try:
            made, signature, entry_point = _compiled(kernel, arguments)
        except Exception:
            if not _Links.work:
                raise
            # Links lean on more of numba than it promises. What is wrong with the kernel itself is told again.
            _Links.work = False
            forget_dispatchers()
            end_all_turns()
            made, signature, entry_point = _compiled(kernel, arguments)
    own_cache: NumbaCache = made._cache  # noqa: SLF001
    code, place = own_cache.objects.pop(signature, None), place_kept(function, kind)
    if place and code:
        # What cannot be kept in this form numba loads itself, and a full disk is no fault of the run.
        with suppress(UnsuitableObjectError, OSError):
            path, key = place
            write_entry(path, key, pickle.dumps(_to_keep(made.overloads[signature], code, arguments)))
    return Ready(entry_point), signature not in own_cache.loaded


@contextmanager
def _no_collection() -> Generator[None]:
    """Look for no garbage in the block: most of what a compiler makes stays, and looking at it takes a sixth of it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _compiled(kernel: Kernel, arguments: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...], Any]:
    made = dispatcher(kernel)
    signature = tuple(made.typeof_pyval(one) for one in arguments)
    return made, signature, made.compile(signature)


def _to_keep(made: Any, code: bytes, arguments: tuple[Any, ...]) -> KeptKernel:
    if made.lifted or made.reload_init or made.library.has_dynamic_globals:
        raise UnsuitableObjectError("more than code")
    image, symbols = flattened(code)
    own = made.environment.env_name
    names = [own, *sorted(name for name in symbols if name.startswith(_ENVIRONMENT) and name != own)]
    environments = [(symbols[name], _constants(name)) for name in names]
    return KeptKernel(image, symbols[made.fndesc.llvm_cpython_wrapper_name], environments, _guard(arguments))


def _guard(arguments: tuple[Any, ...]) -> tuple[Image, int] | None:
    try:
        image, symbols = flattened(guard_object(arguments, KERNEL))
    except (NoGuardError, UnsuitableObjectError):
        return None
    return image, symbols[GUARD]


def _constants(name: str) -> list[Any]:
    environment: Any = lookup_environment(name)
    constants: list[Any] = [] if environment is None else list(environment.consts)
    if not all(isinstance(one, _PLAIN) for one in constants):
        raise UnsuitableObjectError("a constant is an object")
    return constants
