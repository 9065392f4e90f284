"""When images arrive: in equal distances, at random, or as a file tells."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path

import numpy as np

from workloads.errors import InputError
from workloads.files import read_text

KINDS = ("periodic", "poisson")


def arrivals(kind: str, rate: Fraction, images: int, seed: int, clock_hz: int) -> list[int]:
    """Cycles in which so many images arrive, at `rate` images a second, by one of `KINDS`.

    Poisson arrivals of one seed are the same at every rate but for their distances, which the rate divides.
    """
    cycles = clock_hz / rate  # from one to the next
    if kind == "periodic":
        # At 3 images in 10 cycles they come in cycles 0, 3, 7 and 10: each rounded by itself, so that none drifts.
        return [round(number * cycles) for number in range(images)]
    gaps = np.random.default_rng(seed).standard_exponential(images)
    return [round(cycle) for cycle in (np.cumsum(gaps) * float(cycles)).tolist()]


def read_arrivals(path: Path, clock_hz: int, most: int | None = None) -> list[int]:
    """Cycles from the first arrival of a file to each: a time in seconds a line, or the first column of a CSV.

    Empty lines, lines that begin with # and a head over the column are passed over; `most` cuts the rest off.
    Raises `InputError` naming file and line where a time is none or lies before the one above it.
    """
    times = list(_times(path))[:most]
    if not times:
        raise InputError(f"{path}: holds no arrival time")
    # Exact until here: of times since 1970 a float would hold no nanoseconds.
    return [round(Fraction(time - times[0]) * clock_hz) for time in times]


def _times(path: Path) -> Iterator[Decimal]:
    before: Decimal | None = None
    headed = False
    for number, line in enumerate(read_text(path).splitlines(), 1):
        text = line.split(",")[0].strip().strip('"')
        if not text or text.startswith("#"):
            continue
        time = _number(text)
        if time is None:
            # Only the first line that says anything may be words.
            if before is None and not headed:
                headed = True
                continue
            raise InputError(f"{path}: line {number}: '{text[:40]}' is no arrival time in seconds")
        if before is not None and time < before:
            raise InputError(f"{path}: line {number}: {text} lies before the arrival above it, {before}")
        before = time
        yield time


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    # Exponents of thousands would make numbers of as many digits.
    return number if number.is_finite() and abs(number.adjusted()) < 30 else None
