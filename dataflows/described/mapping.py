"""The levels of a mapping, and the nest that they make: which dimensions lie on which PEs and lanes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import Field

from dataflows.specs import MOST_MULTIPLIERS, Spec

Place = Literal["time", "rows", "columns", "lanes"]
Levels = list[tuple[str, int, str]]
_SPATIAL = ("rows", "columns")
_TIMES = ("G", "N", "P Q", "K", "R S C")
_TIME = {(dims, "time") for dims in _TIMES}
_LANES = ("C", "K", "P Q")
_ON_PES = ("P", "Q", "P Q", "K", "R S C")


class Level(Spec):
    """A level of a mapping."""

    dims: str = Field(description="a dimension of the layer, or several: G, N, K, C, P, Q, 'P Q', 'R S C'")
    size: int = Field(0, ge=0, le=MOST_MULTIPLIERS, description="how many, of a level that is not in time")
    at: Place = Field("time", description="time, rows or columns of PEs, or lanes of a PE")


@dataclass(frozen=True)
class Nest:
    """What a mapping says.

    on_pes         by dims, on rows or columns and how many
    lanes          by dims of `_LANES`, 1 where there are none
    broadcast      whether the list stands outside the filters
    filters_first  whether rounds of filters stand outside positions
    """

    on_pes: dict[str, tuple[str, int]]
    lanes: dict[str, int]
    broadcast: bool
    filters_first: bool

    def place_of(self, dims: str) -> str | None:
        """Rows or columns, where such a level is on PEs."""
        return self.on_pes[dims][0] if dims in self.on_pes else None

    def dims_of(self, place: str) -> str | None:
        """What is on rows, or on columns."""
        return next((dims for dims, (at, _) in self.on_pes.items() if at == place), None)

    def size_of(self, dims: str) -> int:
        """PEs of a level; 1 where it is not on PEs."""
        return self.on_pes[dims][1] if dims in self.on_pes else 1

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of PEs."""
        sizes = dict(self.on_pes.values())
        return sizes.get("rows", 1), sizes.get("columns", 1)

    @property
    def pes(self) -> int:
        """PEs of the array."""
        return math.prod(self.grid)

    @property
    def lanes_per_pe(self) -> int:
        """Multipliers of a PE."""
        return math.prod(self.lanes.values())

    @property
    def planar(self) -> bool:
        """Whether PEs have blocks of the map, and not positions in turn."""
        return "P" in self.on_pes or "Q" in self.on_pes


@lru_cache(maxsize=1024)
def _nest(levels: tuple[tuple[str, int, str], ...]) -> Nest:
    order = [_checked(*level) for level in levels]
    times = [dims for dims, _, at in order if at == "time"]
    for dims in _TIMES:
        if times.count(dims) != 1:
            how = "not at all" if dims not in times else f"{times.count(dims)} times"
            raise ValueError(f"mapping: '{dims}' is mapped in time {how}, must be once")
    broadcast = times.index("R S C") < times.index("K")
    filters_first = times.index("K") < times.index("N")
    _check_order(order, broadcast=broadcast, filters_first=filters_first)
    on_pes, lanes = _spatial(order)
    if "P Q" in on_pes and {"P", "Q"} & on_pes.keys():
        raise ValueError("mapping: 'P Q' on PEs: positions are there in blocks already, by P or Q")
    if broadcast and lanes["C"] * lanes["P Q"] > 1:
        raise ValueError("mapping: a broadcast has lanes of K only, as one entry meets one position at a time")
    if math.prod(size for _, size in on_pes.values()) * math.prod(lanes.values()) > MOST_MULTIPLIERS:
        raise ValueError(f"mapping: more than {MOST_MULTIPLIERS} multipliers")
    return Nest(on_pes, lanes, broadcast, filters_first)


def _check_order(order: Levels, *, broadcast: bool, filters_first: bool) -> None:
    expected = list(_expected(broadcast=broadcast, filters_first=filters_first))
    place = 0
    for dims, size, at in order:
        # Levels on PEs may be left out, those in time may not.
        while place < len(expected) and (dims, at) not in expected[place] and _TIME.isdisjoint(expected[place]):
            place += 1
        if place == len(expected) or (dims, at) not in expected[place]:
            level = f"{dims} in time" if at == "time" else f"{dims} x {size} on {at}"
            text = _order_text(broadcast=broadcast, filters_first=filters_first)
            raise ValueError(f"mapping: '{level}' stands where it cannot: {text}")
        # A level in time stands once; any of the spatial ones may follow another of the same place.
        place += at == "time"


def _spatial(order: Levels) -> tuple[dict[str, tuple[str, int]], dict[str, int]]:
    """Levels on PEs, by dims, and lanes; each once."""
    on_pes: dict[str, tuple[str, int]] = {}
    lanes: dict[str, int] = {}
    for dims, size, at in order:
        taken = [other for other, _ in on_pes.values()]
        if (at == "lanes" and dims in lanes) or at in taken or (at in _SPATIAL and dims in on_pes):
            raise ValueError(f"mapping: '{dims}' at {at}: a second level of {dims} on PEs or lanes, or on {at}")
        if at == "lanes":
            lanes[dims] = size
        elif at != "time":
            on_pes[dims] = at, size
    return on_pes, dict.fromkeys(_LANES, 1) | lanes


def nest_of(levels: tuple[Level, ...]) -> Nest:
    """The nest of some levels. Raises `ValueError` with the level that is wrong."""
    return _nest(tuple((" ".join(level.dims.split()), level.size, level.at) for level in levels))


def _checked(dims: str, size: int, at: str) -> tuple[str, int, str]:
    known = _TIMES if at == "time" else _LANES if at == "lanes" else _ON_PES
    if dims not in known:
        names = ", ".join(f"'{one}'" for one in known)
        raise ValueError(f"mapping: dims = '{dims[:40]}' at {at}: must be one of {names}")
    if (at == "time") == bool(size):
        what = "has no size" if at == "time" else "needs a size of at least 1"
        raise ValueError(f"mapping: '{dims}' at {at}: such a level {what}")
    return dims, size, at


def _expected(*, broadcast: bool, filters_first: bool) -> Iterator[set[tuple[str, str]]]:
    """What may stand one after the other; a set of spatial levels may be left out, or stand in any order."""

    def on_pes(*dims: str) -> set[tuple[str, str]]:
        return {(one, at) for one in dims for at in _SPATIAL}

    positions = [{("N", "time")}, on_pes("P", "Q"), {("P Q", "time")}, on_pes("P Q")]
    filters = [{("K", "time")}, on_pes("K")]
    steps = [{("R S C", "time")}, set[tuple[str, str]]() if broadcast else on_pes("R S C")]
    yield {("G", "time")}
    if broadcast:
        yield from (*positions, *steps, *filters)
    else:
        yield from (*filters, *positions, *steps) if filters_first else (*positions, *filters, *steps)
    yield {(one, "lanes") for one in _LANES}


def _order_text(*, broadcast: bool, filters_first: bool) -> str:
    positions = "N, P or Q on PEs, P Q, P Q on PEs"
    parts = (
        [positions, "R S C", "K, K on PEs"]
        if broadcast
        else [*(["K, K on PEs", positions] if filters_first else [positions, "K, K on PEs"]), "R S C, R S C on PEs"]
    )
    return f"the order is G, {', '.join(parts)}, lanes"
