"""What a run of the compiled event loop says when it starves: who waits for what, in the words of `PEArray`."""

from __future__ import annotations

from typing import Any

from dataflows.schedule import Tensor
from simulator.engine.compiled.layout import (
    AT_END,
    BEHIND_DATA,
    BLOCKED,
    FOR_ACCUMULATORS,
    FOR_DATA,
    FOR_FIRST_DATA,
    FOR_LAST_RESULTS,
    FOR_PORT,
    FOR_RESULTS,
    FOR_RESULTS_ROOM,
    FOR_ROOM,
    FOR_WRITES,
    NONE,
    NOT_STARTED,
    Loop,
)

_WORDS = {
    FOR_ROOM: "tile {tile} waits for room for its data",
    FOR_FIRST_DATA: "tile {tile} waits for its first data",
    FOR_LAST_RESULTS: "the layer waits for its last results to be written",
    FOR_RESULTS_ROOM: "tile {tile} waits for room in the output buffer",
    FOR_WRITES: "the array waits for tile {tile} to be written",
    FOR_DATA: "tile {tile} waits for its data",
    FOR_PORT: "tile {tile} waits for a buffer's port",
    BEHIND_DATA: "tile {tile} computes behind its data",
    FOR_RESULTS: "tile {tile} waits for its results to leave",
    FOR_ACCUMULATORS: "tile {tile} waits for accumulators",
    FOR_ACCUMULATORS + 1: "tile {tile} waits for accumulators",
    AT_END: "the layer waits for tile {other} to be drained",
    AT_END + 1: "the layer waits for the operands of tile {other}",
    BLOCKED: "the array waits for tile {other} to be drained",
    BLOCKED + 1: "the array waits for the operands of tile {other}",
}


def array_state(loop: Loop, labels: list[str]) -> str:
    """What the array waits for, or waited for last; `labels` of the layers begin what is said of them."""
    clock: Any = loop.clock[0]
    if clock["state"] == NOT_STARTED:
        return "not started"
    layer, other = int(clock["state_layer"]), int(clock["state_other"])
    # Tiles are named by their number in their own layer.
    tile = int(clock["state_tile"] - loop.layers["tile"][layer])
    held = int(other - loop.layers["tile"][loop.tiles["layer"][other]]) if len(loop.tiles) else 0
    return labels[layer] + _WORDS[int(clock["state"])].format(tile=tile, other=held)


def loads_state(loop: Loop, labels: list[str]) -> str:
    """How far loads have come, as a starved network adds it; empty where none is asked for."""
    clock: Any = loop.clock[0]
    layer, load = int(clock["asking"]), int(clock["asking_load"])
    if layer == NONE:
        return ""
    if load == NONE:
        return "; loads have come to "
    row = loop.transfers[load]
    tile = int(row["tile"] - loop.layers["tile"][layer])
    return f"; loads have come to {labels[layer]}{Tensor(int(row['tensor'])).key} of tile {tile}"
