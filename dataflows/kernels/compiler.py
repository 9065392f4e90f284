"""Where numba is imported: kernels that are not kept are compiled here, and kept."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from dis import get_instructions
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
from dataflows.kernels.compiling import begin, waiting
from dataflows.kernels.entries import UnusableEntryError, read_entry, write_entry
from dataflows.kernels.guards import GUARD, NoGuardError, guard_object
from dataflows.kernels.images import Image, UnsuitableObjectError, flattened
from dataflows.kernels.kept import KERNEL, KeptKernel, Ready, place_kept
from dataflows.kernels.turns import end_turn, take_turn
from workloads.errors import InputError

_ENVIRONMENT = "_ZN08NumbaEnv"  # how symbols of pointers to environments begin
_PLAIN = (np.dtype, bool, int, float, str, type(None))


def dispatcher(function: Any, options: dict[str, Any]) -> Any:
    """A kernel's function as numba knows it. Raises `InputError` where numba is told to compile nothing."""
    if numba_config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise InputError("NUMBA_DISABLE_JIT is set: kernels exist compiled only, unset it")
    # numpy's error model leaves out the test for a zero divisor, which would raise inside a kernel.
    made: Any = numba.njit(nogil=True, error_model="numpy", **options)(_for_numba(function))
    made._cache = NumbaCache(function)  # noqa: SLF001 (numba's own trusts whatever it finds)
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
    return value.for_numba if hasattr(type(value), "for_numba") else value


def _names(code: CodeType) -> set[str]:
    """Globals that a function and those inside it use; attributes of the same name are none."""
    own = {one.argval for one in get_instructions(code) if one.opname == "LOAD_GLOBAL"}
    return own.union(*(_names(one) for one in code.co_consts if isinstance(one, CodeType)))


def compiled(made: Any, function: Any, arguments: tuple[Any, ...], kind: str) -> tuple[Ready, bool]:
    """A dispatcher's function for such arguments, which `kind` describes, and whether it had to be compiled.

    It is kept for the next process.
    """
    signature = tuple(made.typeof_pyval(one) for one in arguments)
    with waiting():
        entry_point = made.compile(signature)
    own_cache: NumbaCache = made._cache  # noqa: SLF001
    code, place = own_cache.objects.pop(signature, None), place_kept(function, kind)
    if place and code:
        # What cannot be kept in this form numba loads itself, and a full disk is no fault of the run.
        with suppress(UnsuitableObjectError, OSError):
            path, key = place
            write_entry(path, key, pickle.dumps(_to_keep(made.overloads[signature], code, arguments)))
    return Ready(entry_point), signature not in own_cache.loaded


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
        state = pickle.loads(payload)  # noqa: S301 (checked)
        _, kind, data = state[0]
        if kind == "object":
            self.objects[sig] = data[0]
        self.loaded.add(sig)
        return CompileResult._rebuild(target_context, *state)  # noqa: SLF001 (as numba's own cache does)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled signature; a full disk is no fault of the run."""
        folder = cache_folder(self._package)
        if folder is None:
            return
        key = self._key(sig, data.codegen)
        path = place_of(folder, self._name, key, ".kernel")
        try:
            # Lifted loops and addresses of this process mean nothing to another one.
            lifted, code = attrgetter("lifted", "library")(data)
            if not (lifted or code.has_dynamic_globals):
                state = data._reduce()  # noqa: SLF001 (as numba's own cache does)
                self.objects[sig] = state[0][2][0]
                write_entry(path, key, dumps(state))
        except OSError as error:
            tell_once(f"warning: kernels are not kept: {folder}: {error.strerror or error}")
        finally:
            end_turn(path)

    def _key(self, sig: Any, codegen: Any) -> bytes:
        """Signature, processor and bytecode; a closure's variables are part of what is compiled."""
        closure = self._function.__closure__ or ()
        made_of = self._function.__code__.co_code + dumps(tuple(cell.cell_contents for cell in closure))
        line = self._function.__code__.co_firstlineno
        return repr((self._name, line, sig, codegen.magic_tuple(), hashlib.sha256(made_of).hexdigest())).encode()


def _made_meanwhile(path: Path, key: bytes) -> bytes | None:
    """What another process has compiled while it was its turn; else None, and the turn is ours until it is saved."""
    take_turn(path)
    try:
        payload = read_entry(path, key)
    except (OSError, UnusableEntryError):
        return None
    end_turn(path)
    return payload
