"""Kernels on disk as numba loads them, in the folders and under the rules of `dataflows.kernels.cache`."""

from __future__ import annotations

import hashlib
import pickle
from operator import attrgetter
from pathlib import Path
from typing import Any

from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from dataflows.kernels.cache import cache_folder, kept, place_of, tell_once
from dataflows.kernels.compiling import begin
from dataflows.kernels.entries import UnusableEntryError, read_entry, write_entry
from dataflows.kernels.linked import rebuilt, reduced
from dataflows.kernels.turns import end_turn, take_turn


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
