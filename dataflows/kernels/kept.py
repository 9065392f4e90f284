"""Kept kernels, loaded and made callable without numba."""

from __future__ import annotations

import hashlib
import pickle
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from dataflows.kernels.cache import cache_folder, kept, place_of
from dataflows.kernels.helpers import MissingHelperError, address_of, helper_module
from dataflows.kernels.images import Image, load, set_pointer
from dataflows.kernels.processor import processor_facts

_CONSTANTS = (bool, int, float, str, type(None))  # of a closure, whose words say all about them
_environments: list[Any] = []  # compiled code points to them


class KeptKernel(NamedTuple):
    """One signature of a kernel: its code, the function in it that Python calls, and what that function refers to."""

    image: Image
    entry: int  # offset
    environments: list[tuple[int, list[Any]]]  # offset of the pointer, constants; the function's own comes first
    guard: tuple[Image, int] | None = None  # `dataflows.kernels.guards`: its code, offset of the function


KERNEL = "kernel"  # the symbol of a guard's kernel


class Ready(NamedTuple):
    """What can be called: a kernel, and the kernel behind a guard that answers ``NotImplemented``."""

    kernel: Callable[..., Any]
    guarded: Callable[..., Any] | None = None


def load_kept(function: Any, kind: str) -> Ready | None:
    """Kept code for such arguments; None where there is none that can be loaded without numba."""
    found = place_kept(function, kind)
    payload = kept(*found) if found else None
    if payload is None:
        return None
    try:
        return _callable(function, pickle.loads(payload))  # noqa: S301 (checked)
    except (ImportError, MissingHelperError, OSError, AttributeError, TypeError, ValueError, LookupError):
        # Another numba than the one that was looked at: it knows how to load its own.
        return None


def place_kept(function: Any, kind: str) -> tuple[Path, bytes] | None:
    """File and key of a kernel's code for such arguments; None where code is not kept in this form."""
    processor, made_of = _processor(), _made_of(function)
    folder = cache_folder(function.__module__.partition(".")[0]) if processor and made_of else None
    if folder is None:
        return None
    name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")
    key = repr((name, function.__code__.co_firstlineno, made_of, kind, processor)).encode()
    return place_of(folder, name, key, ".image"), key


@cache
def _processor() -> str:
    """All that decides which instructions may be used; empty where images are not made: elsewhere than on such Linux.

    A build of Python without the interpreter lock lays its objects out differently.
    """
    facts = processor_facts()
    return repr([*facts.values()]) if facts and not sysconfig.get_config_var("Py_GIL_DISABLED") else ""


def _made_of(function: Any) -> str:
    """Digest of a function's code and of its closure's constants; empty where a closure holds something else."""
    closed = [cell.cell_contents for cell in function.__closure__ or ()]
    if not all(type(one) in _CONSTANTS for one in closed):
        return ""
    return hashlib.sha256(function.__code__.co_code + repr(closed).encode()).hexdigest()


def _callable(function: Any, found: KeptKernel) -> Ready:
    dynamic: Any = helper_module("numba._dynfunc")
    base = load(found.image, address_of)
    environments = [dynamic.Environment(function.__globals__) for _ in found.environments]
    for environment, (offset, constants) in zip(environments, found.environments, strict=True):
        environment.consts[:] = constants
        set_pointer(base + offset, id(environment))
    _environments.extend(environments)

    def made(address: int) -> Callable[..., Any]:
        module = SimpleNamespace(__name__=function.__module__)
        return dynamic.make_function(module, function.__name__, function.__doc__ or "", address, environments[0], None)

    entry = base + found.entry
    if found.guard is None:
        return Ready(made(entry))
    guard, offset = found.guard
    start = load(guard, lambda symbol: entry if symbol == KERNEL else address_of(symbol))
    return Ready(made(entry), made(start + offset))
