"""Address maps: which bits of a burst's number inside its channel choose row, bank, bank group and column."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

from simulator.dram.standards import DramStandard
from workloads.errors import InputError, nearest

_FIELDS = ("Ro", "Ba", "Bg", "Co")
ADDRESS_MAPS = tuple("".join(order) for order in permutations(_FIELDS))


@dataclass(frozen=True)
class AddressMap:
    """A map by name: the fields row, bank, bank group and column from the highest bit to the lowest, as in "RoBaBgCo".

    Shifts and masks act on the number of a burst inside its channel.
    """

    name: str
    group_shift: int
    group_mask: int
    bank_shift: int
    bank_mask: int
    row_shift: int
    row_mask: int
    column_shift: int
    column_mask: int

    @classmethod
    def named(cls, name: str, standard: DramStandard) -> AddressMap:
        """Raises `InputError` naming the nearest map when there is none of this name."""
        if name not in ADDRESS_MAPS:
            raise InputError(f"unknown address map '{name}': {nearest(name, ADDRESS_MAPS)}")
        sizes = {
            "Ro": standard.rows,
            "Ba": standard.banks_per_group,
            "Bg": standard.bank_groups,
            # A place in a row is a whole burst: 1024 columns in bursts of 8 are 128 places. The columns inside a burst
            # need no bits, for a burst is asked for as one.
            "Co": standard.columns // standard.burst_length,
        }
        # Sizes are powers of two (`DramStandard` refuses others), so bit_length - 1 is their logarithm. From the lowest
        # bit up: RoBaBgCo gives DDR4-2400 the column in bits 0 to 6, the group in 7 and 8, the bank in 9 and 10, the
        # row in 11 to 26.
        shifts, shift = {}, 0
        for field in (name[6:8], name[4:6], name[2:4], name[0:2]):
            shifts[field] = shift
            shift += sizes[field].bit_length() - 1
        # A field of one value, such as the bank group of DDR3, took no bits; its mask is 0, so that it always reads as
        # 0.
        places = {field: (shifts[field], sizes[field] - 1) for field in _FIELDS}
        return cls(name, *places["Bg"], *places["Ba"], *places["Ro"], *places["Co"])
