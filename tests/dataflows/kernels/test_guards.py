"""A guard lets through what its kernel was compiled for, and nothing that numba would tell from it."""

import ctypes

import numpy as np
import pytest

from dataflows.kernels.arguments import described
from dataflows.kernels.compiled import kernel
from dataflows.kernels.guards import GUARD, NoGuardError, guard_object
from dataflows.kernels.helpers import address_of, helper_module
from dataflows.kernels.images import flattened, load
from dataflows.kernels.kept import _processor
from tests.dataflows.kernels import samples
from tests.dataflows.kernels.test_arguments import CASES, Pair

pytestmark = pytest.mark.skipif(not _processor(), reason="images are made on such Linux only")


@ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
def answer(_itself, arguments, _named):
    """In place of a kernel."""
    return ("called with", *arguments)


def guarded(*arguments):
    image, symbols = flattened(guard_object(arguments, "kernel"))
    kernels = ctypes.cast(answer, ctypes.c_void_p).value
    base = load(image, lambda symbol: kernels if symbol == "kernel" else address_of(symbol))
    dynamic = helper_module("numba._dynfunc")
    return dynamic.make_function(np, "guarded", "", base + symbols[GUARD], dynamic.Environment({}), None)


LONGER_WAY = {"unsigned int", "mapped"}  # too rare for a guard to know


@pytest.mark.parametrize("case", [case for case in CASES if case != "unsigned int"])
def test_a_guard_lets_through_one_kind(case):
    value, words = CASES[case]
    made = guarded(value, 1)
    for other, (given, other_words) in CASES.items():
        result = made(given, 1)
        if words != other_words:
            assert result is NotImplemented, (case, other)
        elif other not in LONGER_WAY:
            assert result[0] == "called with", (case, other)
            assert result[1] is given


def test_what_is_not_of_a_guards_kind_takes_the_longer_way():
    made = guarded(1, np.zeros(3), Pair(1, (0.5, None)))
    good = (np.int64(7), np.zeros(9), Pair(3, (np.float64(1), None)))
    assert made(*good) == ("called with", *good)
    bad = [
        good[:2],
        (*good, 1),
        (2**63, *good[1:]),
        (-(2**63) - 1, *good[1:]),
        ("text", *good[1:]),
        (1, np.zeros(3, ">f8"), good[2]),
        (1, np.zeros(3, "M8[s]"), good[2]),
        (1, np.ma.masked_array([1.0]), good[2]),
        (1, [0.0], good[2]),
        (1, good[1], Pair(1, (0.5,))),
        (1, good[1], Pair(1, (0.5, None, None))),
        (1, good[1], Pair(1, (0.5, 0))),
        (1, good[1], (1, (0.5, None))),
    ]
    for arguments in bad:
        assert made(*arguments) is NotImplemented, arguments
    assert made(2**63 - 1, *good[1:])[0] == "called with"
    assert made(-(2**63), *good[1:])[0] == "called with"


def test_contiguous_both_ways_counts_as_rows_of_c():
    made = guarded(np.zeros((2, 2)))
    column = np.zeros((2, 2))[:, :1][:1]
    assert described(column) == "float64[2C]"
    assert made(column)[0] == "called with"
    assert guarded(column)(np.zeros((2, 2)))[0] == "called with"


def test_there_are_arguments_without_a_guard():
    with pytest.raises(NoGuardError):
        guard_object((2**63,), "kernel")
    local = type("Local", (Pair,), {})
    with pytest.raises(NoGuardError):
        guard_object((local(1, 2),), "kernel")


@pytest.mark.parametrize("types", ["guards", "no guards"])
def test_a_kernel_is_called_with_kinds_in_turn(tmp_path, monkeypatch, types):
    from dataflows.kernels.cache import cache_folder  # noqa: PLC0415

    monkeypatch.setenv("PRUNESIM_CACHE_DIR", str(tmp_path))
    cache_folder.cache_clear()
    if types == "no guards":
        monkeypatch.setattr("dataflows.kernels.compiler._guard", lambda _: None)
    values = [np.arange(5), np.arange(5.0), np.arange(5)[::2], np.arange(5, dtype=np.uint8)]
    for _ in range(2):
        made = kernel(samples.total.function)
        assert [made(one) for _ in range(3) for one in values] == [10, 10.0, 6, 10] * 3
        assert [made(one) for one in values for _ in range(3)] == [10] * 3 + [10.0] * 3 + [6] * 3 + [10] * 3
        assert type(made(values[1])) is float
    assert (made._latest(values[1]) == 10.0) == (types == "guards")
    cache_folder.cache_clear()
