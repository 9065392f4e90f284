"""The one decorator for every jitted kernel of the project.

Rules for a kernel: arrays and scalars in, arrays out; no random numbers, no exceptions, no globals; counts and cycles
are int64. Kernels are serial and release the interpreter lock, so that threads may share a layer's work out
(`dataflows.kernels.threads`). Compiled kernels are kept on disk (`dataflows.kernels.cache`) and loaded from there
without numba (`dataflows.kernels.kept`), which is imported when something must be compiled
(`dataflows.kernels.compiler`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import update_wrapper
from importlib import import_module
from threading import RLock
from typing import Any, ParamSpec, TypeVar, cast, overload

from dataflows.kernels.arguments import described, key_of
from dataflows.kernels.kept import Ready, load_kept, place_kept
from workloads.errors import InputError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _no_kernel(*_arguments: Any) -> Any:
    return NotImplemented


class Kernel:
    """A function that is compiled for each kind of arguments that it is called with."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        update_wrapper(self, function)
        self.function = function
        self.options = options
        self.compiled = 0  # kinds of arguments for which nothing was kept
        self._ready: dict[tuple[Any, ...], Ready] = {}
        self._latest = _no_kernel
        self._parameters: int = cast("Any", function).__code__.co_argcount

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Run the kernel."""
        if not named:
            # Most calls are like the one before. The guard of its code looks whether this one is.
            result = self._latest(*arguments)
            if result is not NotImplemented:
                return result
        else:
            arguments = self._in_order(arguments, named)
        key = key_of(arguments)
        ready = self._ready.get(key) or self._made_ready(key, arguments)
        self._latest = ready.guarded or self._latest
        return ready.kernel(*arguments)

    def prepare(self, *arguments: Any) -> None:
        """Have code ready for such arguments, without running it."""
        self._made_ready(key_of(arguments), arguments)

    def is_ready(self, *arguments: Any) -> bool:
        """Whether there is code for such arguments, so that a call does not wait for it; a cheap look."""
        if key_of(arguments) in self._ready:
            return True
        kind = self._kind(arguments)
        if kind is None:
            return False
        place = place_kept(self.function, kind)
        if place is not None:
            return place[0].is_file()
        # Where code is kept in numba's own form alone, every kernel needs numba, and it is loaded by now.
        return self.for_numba._cache.holds(self.for_numba, arguments)  # noqa: SLF001 (put there by `compiler`)

    def __reduce__(self) -> str:
        """By name, as functions are pickled."""
        return self.function.__qualname__

    @property
    def for_numba(self) -> Any:
        """The kernel as a dispatcher of numba's, for what only numba can load, compile or call."""
        from dataflows.kernels.compiler import dispatcher  # noqa: PLC0415 (imports numba)

        return dispatcher(self)

    @property
    def for_kernels(self) -> Any:
        """The same for other kernels that call it, which Python cannot call."""
        from dataflows.kernels.compiler import linked_dispatcher  # noqa: PLC0415 (imports numba)

        return linked_dispatcher(self)

    def _in_order(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments by position, without those that are left to their defaults."""
        from inspect import signature  # noqa: PLC0415 (rarely needed)

        bound = signature(self.function).bind(*arguments, **named)
        if bound.kwargs:
            raise TypeError(f"{self.function.__name__}: an argument before {min(bound.kwargs)} is left out")
        return bound.args

    def _made_ready(self, key: tuple[Any, ...], arguments: tuple[Any, ...]) -> Ready:
        """Compiled code for such arguments: kept, or compiled now."""
        kind = self._kind(arguments)
        if kind is None:
            return Ready(self.for_numba)  # which looks at each call's arguments itself
        with _Loading.lock:
            if key not in self._ready:  # another thread may have made it meanwhile
                self._ready[key] = self._kept_or_compiled(arguments, kind)
        return self._ready[key]

    def _kind(self, arguments: tuple[Any, ...]) -> str | None:
        """Words for the arguments; None where only numba can tell them."""
        words = [described(one) for one in arguments]
        return None if None in words or len(words) != self._parameters else ", ".join(map(str, words))

    def _kept_or_compiled(self, arguments: tuple[Any, ...], kind: str) -> Ready:
        ready = load_kept(self.function, kind)
        if ready is None:
            from dataflows.kernels.ahead import line_of, start  # noqa: PLC0415 (rarely needed)

            start(line_of(self.function, kind))
            from dataflows.kernels.compiler import compiled  # noqa: PLC0415 (imports numba)

            ready, is_new = compiled(self, arguments, kind)
            self.compiled += is_new
        return ready


class _Loading:
    """One thread at a time loads code, or Python's extension modules with it; a forked child begins with a new lock."""

    lock = RLock()

    @classmethod
    def renew(cls) -> None:
        cls.lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Loading.renew)


class Intrinsic:
    """What a kernel calls and numba makes of instructions of LLVM: known by name until something is compiled."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *_arguments: Any) -> Any:
        """Only kernels call it, where numba puts its instructions in its place."""
        raise TypeError(f"{self._name} can be called in kernels only")

    @property
    def for_kernels(self) -> Any:
        """The object that numba knows."""
        return getattr(import_module(self._module), self._name)


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
        disabled = os.environ.get("NUMBA_DISABLE_JIT", "").strip()
        if disabled.isdecimal() and int(disabled):
            raise InputError("NUMBA_DISABLE_JIT is set: kernels exist compiled only, unset it")
        return cast("Callable[Arguments, Result]", Kernel(target, options))

    return decorate if function is None else decorate(function)
