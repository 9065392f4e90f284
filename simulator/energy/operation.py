"""`Operation`: one operation of the tables, and how two sources of one operation make a price.

Sources: `tables/operations.csv`. Aladdin's synthesis at 40 nm for several clocks, as its plug-in for Accelergy has it
(MIT licence), and Horowitz, "Computing's energy problem", ISSCC 2014 (45 nm), for additions and multiplications.

Where both price one operation neither is the better one: Aladdin's rows say for which clock but of 32 bits alone;
Horowitz's bracket the widths but name no clock. The value is their geometric mean, since they differ by a factor, and
they are the ends of the band.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache

from simulator.energy.node import area_factor, energy_factor
from simulator.energy.price import NOTHING, Price
from simulator.energy.rows import table_rows

TABLE_NM = 40.0
TABLE_BITS = 32
_HOROWITZ_NM = 45.0


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation at `TABLE_NM`: pJ, mW that leak, mm2, and what of its energy goes with length and supply alone.

    wire_bit_mm  bits that a wire carries times its length, where areas are those at `TABLE_NM`
    """

    pj: Price
    leakage_mw: float
    area_mm2: Price
    wire_bit_mm: float = 0.0

    def scaled(self, energy: float, area: float) -> Operation:
        """Another width: energy, and leakage and area, by a factor each."""
        return Operation(
            self.pj.times(energy), self.leakage_mw * area, self.area_mm2.times(area), self.wire_bit_mm * energy
        )

    def __add__(self, other: Operation) -> Operation:
        return Operation(
            self.pj + other.pj,
            self.leakage_mw + other.leakage_mw,
            self.area_mm2 + other.area_mm2,
            self.wire_bit_mm + other.wire_bit_mm,
        )


NO_OPERATION = Operation(NOTHING, 0.0, NOTHING)


@cache
def aladdin(name: str, period_ns: float) -> Operation:
    """A row of Aladdin's: synthesized for the slowest clock that is no slower than the machine's, else the fastest.

    Its band are all clocks' rows.
    """
    rows = sorted((row for row in table_rows("operations") if row["component"] == name), key=_clock)
    row = next((row for row in reversed(rows) if _clock(row) <= period_ns), rows[0])
    energy, area = (Price.among(*(float(one[column]) for one in (row, *rows))) for column in ("energy_pJ", "area_um2"))
    return Operation(energy, _leakage_mw(row, period_ns), area.times(1e-6))


def by_width(operation: Operation, bits: int) -> Operation:
    """What goes with the bits, of a row of 32."""
    return operation.scaled(bits / TABLE_BITS, bits / TABLE_BITS)


def with_horowitz(operation: Operation, name: str, bits: int) -> Operation:
    """An operation, at its width, that Horowitz has as well."""
    pj, um2 = _horowitz(name, bits)
    energy, area = energy_factor(_HOROWITZ_NM, TABLE_NM), area_factor(_HOROWITZ_NM, TABLE_NM)
    own = operation.area_mm2
    both = between(own, um2 * area / 1e6)
    # What leaks goes with the area (assumption).
    leakage = operation.leakage_mw * both.value / own.value
    return Operation(between(operation.pj, pj * energy), leakage, both, operation.wire_bit_mm)


def between(price: Price, other: float) -> Price:
    """The geometric mean of two sources, with both in its band."""
    return Price.among(math.sqrt(price.value * other), price.low, price.high, other)


def _horowitz(name: str, bits: int) -> tuple[float, float]:
    """Energy, pJ, and area, um2, on the line through the logarithms of the two nearest widths; the outermost go on."""
    rows = [row for row in table_rows("operations") if row["component"] == name]
    points = sorted((int(row["bits"]), float(row["energy_pJ"]), float(row["area_um2"])) for row in rows)
    upper = min(max(bisect_left([width for width, *_ in points], bits), 1), len(points) - 1)
    (low_bits, *low), (high_bits, *high) = points[upper - 1], points[upper]
    share = math.log(bits / low_bits) / math.log(high_bits / low_bits)
    energy, area = (one ** (1 - share) * other**share for one, other in zip(low, high, strict=True))
    return energy, area


def _clock(row: dict[str, str]) -> float:
    return float(row["clock_ns"])


def _leakage_mw(row: dict[str, str], period_ns: float) -> float:
    """From "leak 0.05 mW", or from "idle 2.5e-5 pJ" a cycle."""
    kind, figure = row["leak_mW_or_idle_pJ"].split()[:2]
    # A pJ a ns is a mW.
    return float(figure) if kind == "leak" else float(figure) / period_ns
