"""Where numba is imported: kernels that are not kept are compiled here, and kept."""

from __future__ import annotations

import gc
import hashlib
import pickle
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dis import get_instructions
from functools import cache
from operator import attrgetter
from pathlib import Path
from types import CellType, CodeType, FunctionType
from typing import Any

import numba
import numpy as np
from numba.core import config as numba_config
from numba.core.compiler import CompileResult
from numba.core.environment import lookup_environment
from numba.core.serialize import dumps

from dataflows.kernels.cache import cache_folder, kept, place_of, tell_once
from dataflows.kernels.compiled import Kernel
from dataflows.kernels.compiling import begin, waiting
from dataflows.kernels.entries import UnusableEntryError, read_entry, write_entry
from dataflows.kernels.guards import GUARD, NoGuardError, guard_object
from dataflows.kernels.images import Image, UnsuitableObjectError, flattened
from dataflows.kernels.kept import KERNEL, KeptKernel, Ready, place_kept
from dataflows.kernels.linked import LinkedCompiler, RawCompiler, rebuilt, reduced
from dataflows.kernels.turns import end_all_turns, end_turn, take_turn
from workloads.errors import InputError

_ENVIRONMENT = "_ZN08NumbaEnv"  # how symbols of pointers to environments begin
_PLAIN = (np.dtype, bool, int, float, str, type(None))


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
    compiler = LinkedCompiler if kernel.optimized else RawCompiler
    return _made(kernel, LinkedCache(kernel.function), pipeline_class=compiler)


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


class NumbaCache:
    """A kernel's compiled signatures on disk as numba loads them; takes the place of numba's own cache."""

    _form = "loaded"

    def __init__(self, function: Any) -> None:
        self.objects: dict[Any, bytes] = {}  # signature -> object file, until it is asked for
        self.loaded: set[Any] = set()
        self._function = function
        self._package = function.__module__.partition(".")[0]
        self._name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")

    @property
    def cache_path(self) -> str | None:
        """The folder, or None."""
        folder = cache_folder(self._package)
        return None if folder is None else str(folder)

    def enable(self) -> None:
        """Always enabled."""

    def disable(self) -> None:
        """Always enabled."""

    def flush(self) -> None:
        """Entries of exactly these sources are never out of date."""

    def holds(self, made: Any, arguments: tuple[Any, ...]) -> bool:
        """Whether the dispatcher's signature for such arguments is kept."""
        folder = cache_folder(self._package)
        if folder is None:
            return False
        key = self._key(tuple(made.typeof_pyval(one) for one in arguments), made.targetctx.codegen())
        return place_of(folder, self._name, key, ".kernel").is_file()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled signature, or None where it must be compiled."""
        folder = cache_folder(self._package)
        if folder is None:
            begin(self._name)
            return None
        target_context.refresh()
        key = self._key(sig, target_context.codegen())
        path = place_of(folder, self._name, key, ".kernel")
        payload = kept(path, key)
        if payload is None:
            payload = _made_meanwhile(path, key)
        if payload is None:
            begin(self._name)
            return None
        return self._rebuilt(sig, target_context, pickle.loads(payload))  # noqa: S301 (checked)

    def _rebuilt(self, sig: Any, target_context: Any, state: Any) -> Any:
        _, kind, data = state[0]
        if kind == "object":
            self.objects[sig] = data[0]
        self.loaded.add(sig)
        return CompileResult._rebuild(target_context, *state)  # noqa: SLF001 (as numba's own cache does)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled signature; a full disk is no fault of the run."""
        self._finish(data)
        folder = cache_folder(self._package)
        if folder is None:
            return
        key = self._key(sig, data.codegen)
        path = place_of(folder, self._name, key, ".kernel")
        try:
            # Lifted loops and addresses of this process mean nothing to another one.
            lifted, code = attrgetter("lifted", "library")(data)
            if not (lifted or code.has_dynamic_globals):
                write_entry(path, key, dumps(self._reduced(sig, data)))
        except OSError as error:
            tell_once(f"warning: kernels are not kept: {folder}: {error.strerror or error}")
        finally:
            end_turn(path)

    def _reduced(self, sig: Any, data: Any) -> Any:
        state = data._reduce()  # noqa: SLF001 (as numba's own cache does)
        self.objects[sig] = state[0][2][0]
        return state

    def _finish(self, data: Any) -> None:
        """Tell new code of the environments of what has been linked into it, which nobody else does."""
        for environment in data._find_referenced_environments():  # noqa: SLF001 (as numba does when it loads code)
            data.codegen.set_env(environment.env_name, environment)

    def _key(self, sig: Any, codegen: Any) -> bytes:
        """Signature, processor and bytecode; a closure's variables are part of what is compiled."""
        closure = self._function.__closure__ or ()
        made_of = self._function.__code__.co_code + dumps(tuple(cell.cell_contents for cell in closure))
        line = self._function.__code__.co_firstlineno
        return repr(
            (self._form, self._name, line, sig, codegen.magic_tuple(), hashlib.sha256(made_of).hexdigest())
        ).encode()


class LinkedCache(NumbaCache):
    """The same for signatures that are only linked."""

    _form = "linked"

    def _rebuilt(self, sig: Any, target_context: Any, state: Any) -> Any:  # noqa: ARG002 (its name is in the state)
        return rebuilt(target_context, state)

    def _reduced(self, sig: Any, data: Any) -> Any:  # noqa: ARG002
        return reduced(data)

    def _finish(self, data: Any) -> None:
        """Nothing is loaded."""


def _made_meanwhile(path: Path, key: bytes) -> bytes | None:
    """What another process has compiled while it was its turn; else None, and the turn is ours until it is saved."""
    take_turn(path)
    try:
        payload = read_entry(path, key)
    except (OSError, UnusableEntryError):
        return None
    end_turn(path)
    return payload
