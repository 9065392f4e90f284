"""Commands from the shell against starting Python and importing numpy."""

import json
import sys
import tempfile
from collections.abc import Iterator

from benchmarks.speed.figures import Figure
from benchmarks.speed.sides import Measured, Side, Sides

YARDSTICK = [sys.executable, "-c", "import numpy"]
COMMAND = [sys.executable, "-m", "simulator"]
LAYER = [*COMMAND, "run", "blazepose", "--on", "scnn", "--layers", "op010*", "--json", "-"]
TINY = [*COMMAND, "run", "examples/tiny.toml", "--on", "scnn", "--json", "-"]
ROUNDS, COLD_ROUNDS = 5, 1
COMMANDS = {
    "prunesim --help": [*COMMAND, "--help"],
    "prunesim list": [*COMMAND, "list"],
    "prunesim config scnn": [*COMMAND, "config", "scnn"],
    "one layer, warm": LAYER,
    "examples/tiny.toml, warm": TINY,
}


def starts(sides: Sides) -> Iterator[Figure]:
    """Commands with a filled kernel cache, and one layer with an empty one."""
    for name, arguments in COMMANDS.items():
        sides.status(name)
        yield started(sides, name, arguments, ROUNDS)
    sides.status("one layer, empty kernel cache")
    with tempfile.TemporaryDirectory() as folder:
        yield started(sides, "one layer, empty kernel cache", LAYER, COLD_ROUNDS, folder)


def started(sides: Sides, name: str, arguments: list[str], rounds: int, cold: str | None = None) -> Figure:
    """A command and the yardstick in alternation; one run before does not count, but where the cache is to be empty.

    cold    a folder in which every run gets a kernel cache of its own
    """
    best: dict[str, float] = {}
    results: dict[str, object] = {}
    first = 0 if cold is not None else -1
    for turn in range(first, rounds):
        seconds = {"numpy": sides.now.command_seconds(YARDSTICK)[0]}
        for side in sides.all:
            cache = {} if cold is None else {"PRUNESIM_CACHE_DIR": f"{cold}/{side.name}{turn}"}
            seconds[side.name], printed = side.command_seconds(arguments, **cache)
            results[side.name] = result(side, arguments, printed)
        if turn >= 0:
            best = {key: min(value, best.get(key, value)) for key, value in seconds.items()}
    now = results[sides.now.name]
    measured = Measured(
        best[sides.now.name],
        best[sides.before.name] if sides.before else None,
        now,
        equal=all(other == now for other in results.values()),
    )
    return Figure(name, measured, best["numpy"], "" if now is True else f"{now:,} cycles")


def result(side: Side, arguments: list[str], printed: str) -> object:
    """The cycles that a report says; of other commands only that they print something, since their words may change."""
    assert printed, f"{side.name}: {arguments} prints nothing"
    return json.loads(printed)["total"]["cycles"] if "--json" in arguments else True
