"""From one technology node to another.

Source: Stillmaker and Baas, "Scaling equations for the accurate prediction of CMOS device performance from 180 nm to
7 nm", Integration 58, 2017: energy goes with a V^2 + b V + c of the node, area with a table of factors.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cache

from simulator.energy.rows import table_rows

# Supply of a node, V (assumption: the roadmap's rounded values for high-performance logic).
_SUPPLY_V = {130: 1.2, 90: 1.2, 65: 1.1, 45: 1.0, 32: 0.9, 20: 0.9, 16: 0.8, 14: 0.8, 10: 0.75, 7: 0.7}
SMALLEST_NM, LARGEST_NM = 7, 130


@cache
def _nodes() -> tuple[tuple[float, dict[str, float]], ...]:
    """Nodes from the smallest, each with its coefficients and its area relative to 45 nm."""
    rows = [
        {key: float(row[key]) for key in ("node_nm", "a", "b", "c", "area_to_45")} for row in table_rows("node_scaling")
    ]
    return tuple(sorted(((row["node_nm"], row) for row in rows), key=lambda pair: pair[0]))


def supply(node_nm: float) -> float:
    """The nominal supply of a node, V."""
    return _between(node_nm, lambda row: _SUPPLY_V[int(row["node_nm"])])


def energy_factor(from_nm: float, to_nm: float, volts: float | None = None) -> float:
    """Energy of an action at `to_nm` over that at `from_nm`, where the latter has its nominal supply.

    volts  supply at `to_nm`; None: its nominal one
    """
    return _energy(to_nm, volts) / _energy(from_nm, None)


def area_factor(from_nm: float, to_nm: float) -> float:
    """Area at `to_nm` over that at `from_nm`."""

    def relative(row: dict[str, float]) -> float:
        # The table says by what an area at a node is multiplied to bring it to 45 nm.
        return 1 / row["area_to_45"]

    return _between(to_nm, relative) / _between(from_nm, relative)


def _energy(node_nm: float, volts: float | None) -> float:
    supply_v = supply(node_nm) if volts is None else volts
    return _between(node_nm, lambda row: row["a"] * supply_v**2 + row["b"] * supply_v + row["c"])


def _between(node_nm: float, figure: Callable[[dict[str, float]], float]) -> float:
    """A node's figure, on the straight line between its neighbours in the table."""
    nodes = _nodes()
    sizes = [size for size, _ in nodes]
    if not sizes[0] <= node_nm <= sizes[-1]:
        raise AssertionError(f"no table for {node_nm} nm")
    upper = bisect_left(sizes, node_nm)
    if sizes[upper] == node_nm:
        return figure(nodes[upper][1])
    (low_nm, low), (high_nm, high) = nodes[upper - 1], nodes[upper]
    share = (node_nm - low_nm) / (high_nm - low_nm)
    return figure(low) * (1 - share) + figure(high) * share
