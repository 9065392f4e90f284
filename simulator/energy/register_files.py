"""Small memories: what a storage is built of by its words, bits and size, and what registers of several words cost.

- A bank of more than 128 bytes is made of memory cells (`simulator.energy.memories`), half the smallest that CACTI ran
  for; so is embedded DRAM of any size.
- A smaller one is an array of latches, written by way of a register of one word, each word with a clock gate of its own
  (a latch and two NANDs), and read through multiplexers; or of flip-flops, where those take less area, which is the
  case below three words. One word is a register of Aladdin's table, which is larger than a library's plain flip-flop.

The rule is that of arrays from standard cells (Meinerzhagen et al., "Benchmarking of standard-cell based memories in
the sub-VT domain in 65-nm CMOS technology", JETCAS 1(2), 2011: latches with clock gates and multiplexers are the
smallest of them). Where such arrays give way to memory cells differs with words and supply (4 to 6 kbit near threshold,
Andersson et al., 2016), so that the band of registers holds the other kinds up to 768 bytes. One write and one read a
cycle are taken for granted; further ports are not priced.
"""

from __future__ import annotations

from enum import StrEnum

from dataflows.hardware.components import Component, Kind
from simulator.energy.operation import NO_OPERATION, Operation, aladdin
from simulator.energy.switches import cell_share, cells, fan_out, multiplexers, side_mm, with_wire

LARGEST_FILE_BYTES = 128
LARGEST_DOUBTFUL_BYTES = 768  # 6 kbit
_STORAGE = (Kind.REGISTERS, Kind.SRAM)


class Built(StrEnum):
    """What a bank is made of."""

    FLIP_FLOPS = "flip-flops"
    LATCHES = "latches"
    CELLS = "memory cells"


def built_of(component: Component) -> Built:
    """What the banks of a storage are made of."""
    if component.kind not in _STORAGE or component.bank_bytes > LARGEST_FILE_BYTES:
        return Built.CELLS
    latches, flip_flops = (_storing(component, built).area_mm2.value for built in (Built.LATCHES, Built.FLIP_FLOPS))
    return Built.LATCHES if latches < flip_flops else Built.FLIP_FLOPS


def register_bank(component: Component, period_ns: float, built: Built) -> Operation:
    """One bank and the reading of a word: through multiplexers, into a register's worth of energy."""
    register, bits = aladdin("register", period_ns), component.bits
    if component.bank_words == 1:
        return register.scaled(bits, bits)
    bank = _storing(component, built) + multiplexers(component.bank_words, bits, period_ns)
    return with_wire(bank + register.scaled(bits, 0), bits, side_mm(bank) / 2)


def write(component: Component, period_ns: float, built: Built) -> Operation:
    """A word written: its flip-flops; in a file of several its line along all words, and its latches."""
    bits = component.bits
    word = aladdin("register", period_ns).scaled(bits, 0)
    if component.bank_words == 1:
        return word
    line = fan_out(component.bank_words, bits, "latch" if built is Built.LATCHES else "flip-flop")
    # A latch takes as much of a flip-flop's energy as of its area (assumption).
    latches = word.scaled(cell_share("latch"), 0) if built is Built.LATCHES else NO_OPERATION
    return with_wire(word + line + latches, bits, side_mm(register_bank(component, period_ns, built)))


def _storing(component: Component, built: Built) -> Operation:
    """A bank of several words without its multiplexers."""
    words, bits = component.bank_words, component.bits
    if built is Built.FLIP_FLOPS:
        return cells("flip-flop", words * bits)
    gates = cells("latch", words) + cells("nand", 2 * words)
    return cells("latch", words * bits) + gates + cells("flip-flop", bits)
