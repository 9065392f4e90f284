"""numba's helpers in C without numba: what compiled kernels call, loaded by file from where numba is installed.

These extension modules need nothing of numba's Python code. They are loaded under their own names, so that numba, when
it is imported later, gets the very same ones: one allocator, one type of memory.
"""

from __future__ import annotations

import builtins
import ctypes
import pickle
import sys
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from dataflows.kernels.arguments import elements_of_name


class MissingHelperError(Exception):
    """numba's installation, or this process, lacks what a kernel calls; the text names it."""


@cache
def numba_folder() -> Path:
    """Where numba is installed. Raises `MissingHelperError`."""
    spec = find_spec("numba")  # does not import it
    if spec is None or spec.origin is None:
        raise MissingHelperError("numba")
    return Path(spec.origin).parent


@cache
def helper_module(name: str) -> ModuleType:
    """An extension module of numba, by its full name. Raises `MissingHelperError` or `ImportError`."""
    if name in sys.modules:
        return sys.modules[name]
    stem = numba_folder().joinpath(*name.split(".")[1:])
    path = next((f"{stem}{suffix}" for suffix in EXTENSION_SUFFIXES if Path(f"{stem}{suffix}").is_file()), None)
    if path is None:
        raise MissingHelperError(name)
    loader = ExtensionFileLoader(name, path)
    module = module_from_spec(ModuleSpec(name, loader, origin=path))
    loader.exec_module(module)
    # Python lists it itself. Taken off again: numba's own import must also bind it in its package.
    sys.modules.pop(name, None)
    return module


@cache
def _helpers() -> dict[str, int]:
    """Addresses under the names that numba's compiler gives them."""
    helper, dynamic, runtime = (
        helper_module(f"numba.{name}").c_helpers for name in ("_helperlib", "_dynfunc", "core.runtime._nrt_python")
    )
    # Functions of mathematics keep their own names.
    found = dict(helper)
    found |= {f"numba_{name}": address for name, address in (helper | dynamic).items()}
    found |= {name if name.startswith("_") else f"NRT_{name}": address for name, address in runtime.items()}
    # As variables, these hold the address of an object; compiled code asks for the object.
    found |= {
        f"PyExc_{name}": id(kind)
        for name, kind in vars(builtins).items()
        if isinstance(kind, type) and issubclass(kind, BaseException)
    }
    found["numba_unpickle"] = ctypes.cast(_UNPICKLE, ctypes.c_void_p).value or 0
    return found


_unpickled: dict[tuple[int, bytes], Any] = {}


def _unpickle(address: int, size: int, digest: int) -> Any:
    """The object in a kernel's constants: a class of tuples that it returns, say.

    numba's helper of that name asks its Python code, which does what is done here.
    """
    key = address, ctypes.string_at(digest, 20)
    if key not in _unpickled:
        _unpickled[key] = pickle.loads(ctypes.string_at(address, size))  # noqa: S301 (out of checked code)
    return _unpickled[key]


_UNPICKLE = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(_unpickle)


@cache  # and so they live as long as the code that compares with them
def _object(sort: str, name: str) -> Any:
    if sort == "dtype":
        return elements_of_name(name)
    module, _, attribute = name.partition(":")
    found = getattr(sys.modules.get(module), attribute, None)
    if sort != "type" or found is None:
        raise MissingHelperError(f"{sort} {name}")
    return found


@cache
def address_of(symbol: str) -> int:
    """Where a function or object lies in this process. Raises `MissingHelperError`.

    A symbol of two words is an object that a guard compares with: ``type module:name`` or ``dtype name``.
    """
    sort, _, name = symbol.partition(" ")
    address = id(_object(sort, name)) if name else _helpers().get(symbol)
    if address is None:
        try:
            address = ctypes.cast(getattr(ctypes.CDLL(None), symbol), ctypes.c_void_p).value
        except AttributeError:
            address = None
    if not address:
        raise MissingHelperError(symbol)
    return address
