"""Sets of patterns: bool (patterns, X), a row being the positions of a kernel row by row."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import numpy as np

from workloads.errors import InputError, nearest
from workloads.files import read_text

PCONV = "010111000-010110010-000111010-010011010"  # the centre and three of its four neighbours (AAAI 2020)
_MASKS = re.compile(r"[01]+(?:-[01]+)*")


def _centred() -> np.ndarray:
    # Position 4 is the centre; 3 of the 8 others make 56 patterns.
    others = [place for place in range(9) if place != 4]
    library = np.zeros((math.comb(8, 3), 9), np.bool_)
    for row, places in zip(library, itertools.combinations(others, 3), strict=True):
        row[[4, *places]] = True
    return library


CENTRED = _centred()  # the 56 patterns of four weights with the centre (PatDNN, ASPLOS 2020)


def read_patterns(subject: str, text: str) -> np.ndarray:
    """The patterns that an option names: "pconv", masks joined by "-", or the path of a file with a mask a line.

    In a file, empty lines and lines that start with # do not count. Raises `InputError` naming what is wrong.
    """
    if text == "pconv":
        text = PCONV
    if _MASKS.fullmatch(text):
        return _masks(f"{subject}: set = {text}", text.split("-"))
    try:
        lines = [line.strip() for line in read_text(Path(text)).splitlines()]
    except ValueError:  # it cannot be read, or its name holds a NUL
        hint = nearest(text, ("pconv", "patdnn"))
        raise InputError(
            f"{subject}: set = {text}: must be pconv, patdnn, masks such as 010111000-010110010 or a readable file"
            + (f"; {hint}" if hint.startswith("did") else "")
        ) from None
    return _masks(f"{subject}: {text}", [line for line in lines if line and not line.startswith("#")])


def _masks(label: str, masks: list[str]) -> np.ndarray:
    if not masks:
        raise InputError(f"{label}: holds no pattern")
    for mask in masks:
        if not re.fullmatch("[01]+", mask) or len(mask) != len(masks[0]) or math.isqrt(len(mask)) ** 2 != len(mask):
            raise InputError(f"{label}: pattern '{mask}': must be as many 0 and 1 as a square kernel has positions (9)")
        if "1" not in mask:
            raise InputError(f"{label}: pattern '{mask}': keeps nothing")
    if len(set(masks)) < len(masks):
        raise InputError(f"{label}: a pattern is given twice")
    return np.array([[place == "1" for place in mask] for mask in masks])


def written_patterns(library: np.ndarray) -> str:
    """The masks as `read_patterns` takes them."""
    return "-".join("".join("01"[int(place)] for place in row) for row in library)


def best_patterns(kernels: np.ndarray, library: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The pattern that keeps most of each kernel: int64 (K, C) of kernels (K, C, X).

    Values: the largest sum of squares, of equals the first of the set. Masks: the most non-zeros, of equals a random
    one.
    """
    table = library.T.astype(np.float32)
    if kernels.dtype != np.bool_:
        # (K, C, X) @ (X, patterns): the energy that each pattern would keep; `argmax` takes the first of equals.
        # A kernel with 3 at position 0, 2 at 4 and 1 at 6: the pattern {0, 4} keeps 9 + 4 = 13, the pattern {4, 6} only
        # 5.
        real = kernels.astype(np.float64)
        return np.argmax(np.square(real) @ table.astype(np.float64), axis=2)
    energy = kernels.astype(np.float32) @ table
    # Counts of non-zeros differ by at least 1, so that less than a half decides between equal ones only.
    energy += rng.random(energy.shape, np.float32) * np.float32(0.5)
    return np.argmax(energy, axis=2)


def pattern_counts(kernels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How many kernels (K, C, 9) keep most with each of the 56 patterns: int64 (56,); empty kernels do not count."""
    chosen = best_patterns(kernels, CENTRED, rng)[kernels.any(axis=2)]
    return np.bincount(chosen, minlength=len(CENTRED))


def most_frequent(counts: np.ndarray, size: int) -> np.ndarray:
    """The `size` most frequent of the 56 patterns, bool (size, 9); of equals the first."""
    return CENTRED[np.argsort(-counts, kind="stable")[:size]]
