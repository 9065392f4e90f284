"""Kinds of arguments are told apart as numba tells them apart."""

import enum
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pytest
from numba import typeof

from dataflows.kernels.arguments import described, key_of, struct

ROW = struct(__name__, "ROW", "left", ("right", 2))
SEAT = struct(__name__, "SEAT", "left")


class Pair(NamedTuple):
    left: object
    right: object


class Couple(NamedTuple):
    left: object
    right: object


class Size(enum.IntEnum):
    SMALL = 1


def read_only(array):
    array.flags.writeable = False
    return array


SQUARE = np.zeros((4, 4), np.int32)
UNALIGNED = np.frombuffer(bytes(33), np.uint8)[1:].view(np.int64)
CASES = {
    "int": (3, "int64"),
    "negative": (-(2**63), "int64"),
    "np.int64": (np.int64(3), "int64"),
    "unsigned int": (2**63, "uint64"),
    "np.uint64": (np.uint64(3), "uint64"),
    "np.int32": (np.int32(3), "int32"),
    "np.uint8": (np.uint8(3), "uint8"),
    "bool": (True, "bool"),
    "np.bool": (np.True_, "bool"),
    "float": (0.5, "float64"),
    "np.float64": (np.float64(0.5), "float64"),
    "np.float32": (np.float32(0.5), "float32"),
    "None": (None, "none"),
    "square": (SQUARE, "int32[2C]"),
    "row": (SQUARE[0], "int32[1C]"),
    "column": (SQUARE[:, 0], "int32[1A]"),
    "transposed": (SQUARE.T, "int32[2F]"),
    "every second": (SQUARE[::2, ::2], "int32[2A]"),
    "read-only": (read_only(np.zeros((4, 4), np.int32)), "int32[2C read-only]"),
    "bytes": (SQUARE.view(np.uint8), "uint8[2C]"),
    "unaligned": (UNALIGNED, "int64[1C read-only]"),
    "truths": (np.zeros(3, bool), "bool[1C]"),
    "no axis": (np.zeros((), np.float32), "float32[0C]"),
    "mapped": (np.zeros(3, np.float32).view(np.memmap), "float32[1C]"),
    "structs": (np.zeros(3, ROW), f"{__name__}.ROW[1C]"),
    "other structs": (np.zeros((2, 3), SEAT), f"{__name__}.SEAT[2C]"),
    "tuple": ((1, 2), "(int64, int64)"),
    "longer tuple": ((1, 2, 3), "(int64, int64, int64)"),
    "mixed tuple": ((1, True), "(int64, bool)"),
    "nested tuple": ((1, (SQUARE,)), "(int64, (int32[2C]))"),
    "pair": (Pair(1, SQUARE), f"{__name__}.Pair(int64, int32[2C])"),
    "couple": (Couple(1, SQUARE), f"{__name__}.Couple(int64, int32[2C])"),
    "another pair": (Pair(1, SQUARE.T), f"{__name__}.Pair(int64, int32[2F])"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_kind_has_words(case):
    argument, words = CASES[case]
    assert described(argument) == words


def test_kinds_that_numba_tells_apart_have_other_words_and_keys():
    for one, other in combinations(CASES, 2):
        (left, left_words), (right, right_words) = CASES[one], CASES[other]
        assert (typeof(left) == typeof(right)) == (left_words == right_words), (one, other)
        assert left_words == right_words or key_of((left,)) != key_of((right,)), (one, other)


def test_equal_kinds_have_equal_keys():
    assert key_of((1, np.zeros(3), Pair(1, None))) == key_of((2, np.ones(5), Pair(7, None)))


@pytest.mark.parametrize(
    "argument",
    [
        2**64,
        -(2**63) - 1,
        "text",
        1j,
        [1],
        {1},
        Size.SMALL,
        np.zeros(3, ">i4"),
        np.zeros(3, complex),
        np.zeros(3, "M8[s]"),
        np.zeros(3, [("a", int)]),
        np.zeros(3, struct(__name__, "ROW", "left")),
        np.zeros(3, struct("no.module", "ROW", "left")),
        np.zeros(3, struct(__name__, "NONE", "left")),
        np.ma.masked_array([1, 2]),
        np.datetime64(1, "s"),
        np.array(["a"]),
        (1, "text"),
        Pair(1, [2]),
        type("Odd", (tuple,), {})((1, 2)),
        int,
    ],
    ids=str,
)
def test_what_only_numba_can_tell_has_no_words(argument):
    assert described(argument) is None


def test_a_struct_has_whole_numbers_in_its_fields():
    assert np.dtype([("left", np.int64), ("right", np.int64, 2)]) == ROW
    assert (np.zeros(3, ROW).dtype, np.zeros(3, ROW).copy().dtype) == (ROW, ROW)
