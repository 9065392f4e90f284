"""TCL (the front end of Bit-Tactical), slowly: slots of rows that weights move into, one move after the other.

From the machine's description alone; nothing here is shared with the kernels.
"""

from dataclasses import replace
from itertools import product
from typing import Protocol

import numpy as np

from dataflows.schedule import CAUSES, Cause
from workloads.layer import Layer

Rows = list[list[bool]]  # of one filter: rows of slots


class Spec(Protocol):
    """The settings that decide cycles."""

    lanes: int
    filters_per_tile: int
    tiles: int
    lookahead: int
    lookaside: int
    shape: str
    promote: str
    groups: str


def reach(spec: Spec) -> list[tuple[int, int]]:
    """The places a zero slot can be filled from: (rows ahead, lanes aside modulo the lanes), in the order tried."""
    places = [(ahead, 0) for ahead in range(1, spec.lookahead + 1)]
    if spec.shape == "L":
        places += [(1, -aside) for aside in range(1, spec.lookaside + 1)]
    else:
        ahead, aside, emitted = 1, 1, 0
        while emitted < spec.lookaside:
            places.append((ahead, aside))
            emitted += 1
            if emitted < spec.lookaside:
                places.append((ahead, -aside))
                emitted += 1
            aside += 1
            ahead = ahead + 1 if ahead < spec.lookahead else 1
    found: list[tuple[int, int]] = []
    for ahead, aside in sorted(places):
        if (ahead, aside % spec.lanes) not in found:
            found.append((ahead, aside % spec.lanes))
    return found


def promote_one(spec: Spec, rows: Rows, row: int, places: list[tuple[int, int]]) -> bool:
    """Moves one weight of a filter into a zero slot of `row`; False when no zero slot reaches any."""
    chosen: tuple[int, list[tuple[int, int]]] | None = None
    for slot in range(spec.lanes):
        if rows[row][slot]:
            continue
        candidates = []
        for ahead, aside in places:
            lane = (slot + aside) % spec.lanes
            if row + ahead < len(rows) and rows[row + ahead][lane]:
                candidates.append((row + ahead, lane))
        if not candidates:
            continue
        if chosen is None or (
            len(candidates) > len(chosen[1]) if spec.promote == "most" else len(candidates) < len(chosen[1])
        ):
            chosen = slot, candidates
    if chosen is None:
        return False
    slot, candidates = chosen
    from_row, from_lane = candidates[0]
    rows[row][slot], rows[from_row][from_lane] = True, False
    return True


def schedule_set(spec: Spec, rows: np.ndarray) -> np.ndarray:
    """The executed rows after scheduling, bool (executed, filters, lanes), of a set's rows (filters, rows, lanes)."""
    filters: list[Rows] = [[[bool(slot) for slot in row] for row in one] for one in rows]
    places, executed, skipped = reach(spec), [], 0
    for row in range(rows.shape[1]):
        if skipped < spec.lookahead and not any(any(one[row]) for one in filters):
            skipped += 1
            continue
        skipped = 0
        for one in filters:
            while promote_one(spec, one, row, places):
                pass
        executed.append([list(one[row]) for one in filters])
    return np.array(executed, bool).reshape(len(executed), len(filters), spec.lanes)


def packs(spec: Spec, layer: Layer) -> list[list[int]]:
    """The groups of each pack: one more joins as long as its channels and filters have room beside the others."""
    found: list[list[int]] = []
    for group in range(layer.groups):
        more = len(found[-1]) + 1 if found else 1
        fits = more * layer.group_out_channels <= spec.tiles * spec.filters_per_tile
        if spec.groups == "packed" and found and fits and more * layer.group_in_channels <= spec.lanes:
            found[-1].append(group)
        else:
            found.append([group])
    return found


def filter_rows(spec: Spec, layer: Layer, weights: np.ndarray, k: int, place: int, width: int) -> Rows:
    """The rows of filter k, whose group is the `place`-th of a pack of `width` channels."""
    rows, each = [], layer.group_in_channels
    for tap in product(*map(range, layer.kernel_size)):
        spread = [False] * width
        for c in range(each):
            spread[place * each + c] = bool(weights[(k, c, *tap)])
        spread += [False] * (-width % spec.lanes)
        rows += [spread[i : i + spec.lanes] for i in range(0, len(spread), spec.lanes)]
    return rows


def twin(spec: Spec, layer: Layer, weight_mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cycles int64 (packs, N, tiles, causes) and products issued int64 (packs, N, tiles)."""
    if layer.fully_connected and layer.batch > 1:
        layer = replace(layer, batch=1, input_size=(1, layer.batch), fully_connected=False)
    every, each = packs(spec, layer), layer.group_out_channels
    width = len(every[0]) * layer.group_in_channels
    cycles = np.zeros((len(every), layer.batch, spec.tiles, CAUSES), np.int64)
    issued = np.zeros((len(every), layer.batch, spec.tiles), np.int64)
    for number, pack in enumerate(every):
        waiting = [
            filter_rows(spec, layer, weight_mask, group * each + k, place, width)
            for place, group in enumerate(pack)
            for k in range(each)
        ]
        while waiting:  # a round
            sets: list[np.ndarray | None] = []
            for _ in range(spec.tiles):
                mine, waiting = waiting[: spec.filters_per_tile], waiting[spec.filters_per_tile :]
                sets.append(schedule_set(spec, np.array(mine)) if mine else None)
            length = max(len(rows) for rows in sets if rows is not None)
            for image, _ in product(range(layer.batch), product(*map(range, layer.output_size))):
                for cycle, (tile, rows) in product(range(length), enumerate(sets)):
                    if rows is None:
                        cause = Cause.UNMAPPED
                    elif cycle >= len(rows):
                        cause = Cause.IMBALANCE
                    else:
                        cause = Cause.BUSY if rows[cycle].any() else Cause.INDEX
                        issued[number, image, tile] += int(rows[cycle].sum())
                    cycles[number, image, tile, cause] += 1
    return cycles, issued
