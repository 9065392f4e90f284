"""What compiled code calls is found without numba, or named as missing."""

import builtins
import ctypes
import subprocess
import sys

import pytest

from dataflows.kernels import helpers
from dataflows.kernels.helpers import MissingHelperError, address_of, helper_module
from tests.project import ROOT


@pytest.mark.parametrize(
    "symbol", ["NRT_Free", "numba_gil_ensure", "memset", "PyErr_SetString", "_Py_NoneStruct", "exp"]
)
def test_what_kernels_call_is_there(symbol):
    assert address_of(symbol) > 0


def test_an_exception_is_the_object_and_no_variable_that_holds_it():
    assert address_of("PyExc_ValueError") == id(ValueError)
    assert address_of("_Py_NoneStruct") == id(None)
    assert id(builtins.SystemError) == address_of("PyExc_SystemError")


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(MissingHelperError, match=r"^no_such_function$"):
        address_of("no_such_function")
    with pytest.raises(MissingHelperError, match=r"^numba\._no_such_module$"):
        helper_module("numba._no_such_module")
    monkeypatch.setattr(helpers, "find_spec", lambda _: None)
    with pytest.raises(MissingHelperError, match=r"^numba$"):
        helpers.numba_folder.__wrapped__()


def test_an_object_of_a_kernel_is_unpickled_once():
    pickled, digest = ctypes.create_string_buffer(b"\x80\x04]."), ctypes.create_string_buffer(b"d" * 20)
    address = ctypes.addressof(pickled)
    first = helpers._UNPICKLE(address, 4, ctypes.addressof(digest))
    assert first == []
    assert helpers._UNPICKLE(address, 4, ctypes.addressof(digest)) is first


BOTH = """
import sys
from dataflows.kernels.helpers import helper_module
names = ["numba._dynfunc", "numba._helperlib", "numba.core.runtime._nrt_python"]
ours = [helper_module(name) for name in names] if sys.argv[1] == "ours" else []
assert not ours or "numba" not in sys.modules
import numba
from numba import _dynfunc, _helperlib
from numba.core.runtime import _nrt_python
assert numba._helperlib is _helperlib
numbas = [_dynfunc, _helperlib, _nrt_python]
ours = ours or [helper_module(name) for name in names]
assert ours[0].Environment is _dynfunc.Environment
assert ours[2]._MemInfo is _nrt_python._MemInfo
assert all(own.c_helpers == other.c_helpers for own, other in zip(ours, numbas))
"""


@pytest.mark.parametrize("first", ["ours", "numbas"])
def test_numba_imported_before_or_after_has_the_same_ones(first):
    done = subprocess.run([sys.executable, "-c", BOTH, first], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
