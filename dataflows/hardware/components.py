"""`Component`: a part of a machine, named so that area and energy can be looked up, whatever the technology."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workloads.whole_numbers import ceil_div


class Action(StrEnum):
    """What a component can do; an action concerns one word, one pair of operands or one comparison."""

    MULTIPLY = "multiply"  # two non-zeros
    MULTIPLY_ZERO = "multiply_zero"  # at least one factor is zero, and the multiplier works all the same
    GATE = "gate"  # at least one factor is zero, which keeps the multiplier still; the slot passes
    IDLE = "idle"  # a multiplier slot that passed without a product
    ADD = "add"
    READ = "read"
    WRITE = "write"
    SELECT = "select"
    TRAVERSE = "traverse"
    COMPARE = "compare"
    COUNT = "count"
    SHIFT = "shift"

    # An enumeration's own takes ten times as long, and actions are keys of every count.
    __hash__ = str.__hash__


class Kind(StrEnum):
    """What a component is; it decides which table prices it and which actions it knows."""

    MULTIPLIER = "multiplier"
    ADDER = "adder"
    REGISTERS = "registers"  # flip-flops or latches: small files, FIFOs, pipeline registers
    SRAM = "sram"
    EDRAM = "edram"
    SELECTOR = "selector"  # one of `inputs` words to one output
    CROSSBAR = "crossbar"  # any of `inputs` words to any of `outputs`
    BUS = "bus"  # a word from one sender to one receiver; a broadcast is a delivery a receiver
    COMPARATOR = "comparator"
    COUNTER = "counter"
    SHIFTER = "shifter"

    __hash__ = str.__hash__  # as above

    @property
    def actions(self) -> tuple[Action, ...]:
        """What a component of this kind can do."""
        return _ACTIONS[self]


_ACCESS = (Action.READ, Action.WRITE)
_ACTIONS = {
    Kind.MULTIPLIER: (Action.MULTIPLY, Action.MULTIPLY_ZERO, Action.GATE, Action.IDLE),
    Kind.ADDER: (Action.ADD,),
    Kind.REGISTERS: _ACCESS,
    Kind.SRAM: _ACCESS,
    Kind.EDRAM: _ACCESS,
    Kind.SELECTOR: (Action.SELECT,),
    Kind.CROSSBAR: (Action.TRAVERSE,),
    Kind.BUS: (Action.TRAVERSE,),
    Kind.COMPARATOR: (Action.COMPARE,),
    Kind.COUNTER: (Action.COUNT,),
    Kind.SHIFTER: (Action.SHIFT,),
}


STORAGE = (Kind.REGISTERS, Kind.SRAM, Kind.EDRAM)
"""Kinds that hold words."""


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a machine, `count` times.

    name     what the machine's paper calls it, in the report's spelling: lower case with underscores
    kind     `Kind`
    count    how many of it the whole machine has
    bits     width of its word or operand
    words    entries of one of them (storage)
    banks    banks that its words are spread over (storage); each is priced as a memory of its own
    ports    read-write ports of a bank (storage)
    inputs   words that it chooses from (selector, crossbar)
    outputs  words that it hands on (crossbar)
    purpose  what it is for, so that hardware for zeros can be told from the rest: "compute", "storage", "sparsity"
             (what a dense machine would not need: indices, selectors, scatter networks) or "control"
    """

    name: str
    kind: Kind
    count: int
    bits: int
    words: int = 1
    banks: int = 1
    ports: int = 1
    inputs: int = 1
    outputs: int = 1
    purpose: str = "compute"

    def __post_init__(self) -> None:
        sizes = (self.count, self.bits, self.words, self.banks, self.ports, self.inputs, self.outputs)
        if min(sizes) < 1 or self.purpose not in PURPOSES:
            raise AssertionError(f"component '{self.name}': {sizes}, {self.purpose!r}")

    @property
    def bank_words(self) -> int:
        """Entries of one bank."""
        return ceil_div(self.words, self.banks)

    @property
    def bank_bytes(self) -> int:
        """Bytes of one bank, the last rounded up."""
        return ceil_div(self.bank_words * self.bits, 8)


PURPOSES = ("compute", "storage", "sparsity", "control")
