"""What a word of 16 bits costs at each level of Eyeriss, over a multiplication and addition.

Source of the levels: Chen, Emer and Sze, "Eyeriss: a spatial architecture for energy-efficient dataflow", ISCA 2016,
Table IV; sizes of the memories from there as well. No machine runs: these are look-ups in the tables that price all.
"""

from __future__ import annotations

from collections.abc import Callable

from dataflows.hardware.components import Action, Component, Kind
from simulator.energy.dram_power import dram_parts
from simulator.energy.technology import Technology
from simulator.validation.figure_runs import Runs
from workloads.errors import InputError, nearest

_BITS, _BYTES = 16, 2
_DRAM = "DDR4_8Gb_x8_2400"
_BUFFER = Component("global_buffer", Kind.SRAM, 1, 64, words=108 * 1024 // 8)  # 108 KB, four values a word (assumption)
_REGISTERS = Component("registers", Kind.REGISTERS, 1, _BITS, words=256)  # 0.5 KB
_ARRAY = Component("array", Kind.BUS, 1, _BITS)
_MAC = (
    (Component("multiplier", Kind.MULTIPLIER, 1, _BITS), Action.MULTIPLY),
    (Component("adder", Kind.ADDER, 1, 2 * _BITS), Action.ADD),
)


def _dram_pj(_: Technology) -> float:
    # In a stream: a row is opened once for all of its words.
    part = dram_parts()[_DRAM]
    return _BYTES * (part.read_pj / part.burst_bytes + part.activate_pj / part.row_bytes)


_WORDS: dict[str, Callable[[Technology], float]] = {
    "dram": _dram_pj,
    "global_buffer": lambda table: table.action_pj(_BUFFER, Action.READ).value * _BITS / _BUFFER.bits,
    "array": lambda table: table.action_pj(_ARRAY, Action.TRAVERSE).value,
    "registers": lambda table: table.action_pj(_REGISTERS, Action.READ).value,
}


def word_over_mac(runs: Runs) -> float:
    """Energy of a word's read at the level that `parts` names, over a multiplication's and an addition's."""
    (run,) = runs
    (level,) = run.parts
    if level not in _WORDS:
        raise InputError(f"parts = '{level}': {nearest(level, _WORDS)}")
    spec = run.report["accelerator"]
    table = Technology(spec["energy"]["node_nm"], spec["clock_hz"])
    return _WORDS[level](table) / sum(table.action_pj(*one).value for one in _MAC)
