"""On-chip memories: energy of an access, leakage and area of one bank, interpolated between runs of CACTI.

Source: `tables/sram.csv`, CACTI 7 at 22 to 65 nm, 256 bytes to 1 MB, words of 32 to 512 bits, one read-write port. A
fit of one formula misses single points by 20 %; between points the logarithms are interpolated, which meets them all.

A wide word of a small memory is not read from one array: two of 1 KB with 128 bits each take less energy and less room
than CACTI's one of 2 KB with 256 bits (6.8 and 9.5 pJ, 0.0106 and 0.0135 mm2 at 45 nm). A bank is therefore cut into as
many arrays side by side, a power of two, as take the least for a read and a write together, inside the table's sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from simulator.energy.node import area_factor, energy_factor
from simulator.energy.rows import table_rows

CELLS = ("itrs-lstp", "itrs-lop", "itrs-hp")
_LEAST_BYTES, _LEAST_BITS = 256, 32  # the table's smallest array
_ARRAYS = (2, 4, 8, 16)
_COLUMNS = ("read_pJ", "write_pJ", "leakage_mW", "area_mm2")


@dataclass(frozen=True, slots=True)
class MemoryCost:
    """One bank: pJ a read and a write of a word, mW that leak, mm2."""

    read_pj: float
    write_pj: float
    leakage_mw: float
    area_mm2: float

    def times(self, count: int) -> MemoryCost:
        """So many arrays that work together."""
        return MemoryCost(*(one * count for one in (self.read_pj, self.write_pj, self.leakage_mw, self.area_mm2)))


@cache
def memory_cost(size_bytes: int, word_bits: int, node_nm: float, cell: str, volts: float | None = None) -> MemoryCost:
    """A bank of so many bytes, read and written by words of so many bits.

    Beyond the table's sizes its outermost slope goes on; a node between two of the table lies between them, and one
    beyond is scaled from the nearest (`simulator.energy.node`).
    """
    arrays = [count for count in _ARRAYS if size_bytes >= count * _LEAST_BYTES and word_bits >= count * _LEAST_BITS]
    costs = [_array_cost(size_bytes / count, word_bits / count, node_nm, cell, volts).times(count) for count in arrays]
    whole = _array_cost(size_bytes, word_bits, node_nm, cell, volts)
    return min(whole, *costs, key=lambda cost: cost.read_pj + cost.write_pj) if costs else whole


def _array_cost(size_bytes: float, word_bits: float, node_nm: float, cell: str, volts: float | None) -> MemoryCost:
    """A single array."""
    nodes = sorted({node for node, of in _tables() if of == cell})
    inside = min(max(node_nm, nodes[0]), nodes[-1])
    found = _at_node(size_bytes, word_bits, inside, cell, nodes)
    energy = energy_factor(inside, node_nm, volts)
    area = area_factor(inside, node_nm)
    # Leakage is taken to go with the area (assumption): the table of nodes has no column for it.
    return MemoryCost(*(float(one * factor) for one, factor in zip(found, (energy, energy, area, area), strict=True)))


def _at_node(size_bytes: float, word_bits: float, node_nm: float, cell: str, nodes: list[float]) -> np.ndarray:
    if node_nm in nodes:
        return np.exp(_log_cost(size_bytes, word_bits, node_nm, cell))
    low, high = next(pair for pair in pairwise(nodes) if pair[0] < node_nm < pair[1])
    share = math.log(node_nm / low) / math.log(high / low)
    return np.exp(
        (1 - share) * _log_cost(size_bytes, word_bits, low, cell) + share * _log_cost(size_bytes, word_bits, high, cell)
    )


def _log_cost(size_bytes: float, word_bits: float, node_nm: float, cell: str) -> np.ndarray:
    """Logarithms of read and write energy, leakage and area."""
    table = _tables()[node_nm, cell]
    # First along the sizes at each width of the table, then along the widths: not every width has every size.
    widths = sorted(table)
    at_widths = np.array([_along(sorted(table[width].items()), size_bytes) for width in widths])
    return _along(list(zip(widths, at_widths, strict=True)), word_bits)


def _along(points: list[tuple[float, np.ndarray]], at: float) -> np.ndarray:
    """A line through the two points around `at` in logarithms; at the ends the outermost two go on."""
    if len(points) == 1:
        return np.asarray(points[0][1])
    places = [place for place, _ in points]
    upper = min(max(int(np.searchsorted(places, at)), 1), len(places) - 1)
    (low_at, low), (high_at, high) = points[upper - 1], points[upper]
    share = math.log(at / low_at) / math.log(high_at / low_at)
    return np.asarray(low) * (1 - share) + np.asarray(high) * share


@cache
def _tables() -> dict[tuple[float, str], dict[int, dict[int, np.ndarray]]]:
    """By node and cell: word bits, bytes, and the logarithms of the four columns."""
    tables: dict[tuple[float, str], dict[int, dict[int, np.ndarray]]] = {}
    for row in table_rows("sram"):
        widths = tables.setdefault((float(row["tech_nm"]), row["cell"]), {})
        costs = np.log([float(row[column]) for column in _COLUMNS])
        widths.setdefault(int(row["width_bits"]), {})[int(row["bytes"])] = costs
    return tables
