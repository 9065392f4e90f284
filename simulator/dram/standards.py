"""DRAM standards as data: organisation of a channel and its timings, in clocks, under the names JEDEC gives them."""
# ruff: noqa: N802, N815 - JEDEC's names (nRCD, tCK) are the names of the field

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from simulator.dram.layout import MAX_BANKS
from workloads.errors import InputError, nearest

_LONGEST_CLOCKS = 1 << 16  # keeps sums of gaps far below what a candidate's wait can hold
# Of the organisation, far beyond any device: addresses stay within a machine word, and clocks within a microsecond.
_MOST = {"rows": 1 << 24, "columns": 1 << 20, "channel_bits": 1 << 13, "tCK_ps": 10**6}


@dataclass(frozen=True)
class DramStandard:
    """One channel of a standard: a bus of `channel_bits` with one rank behind it.

    Organisation: bank groups, banks in each, rows of a bank, columns of a row (each `channel_bits` wide), and the burst
    length in columns. Timings are clocks of `tCK_ps`; `_S` holds between bank groups, `_L` within one. `nRTW` is the
    gap from a read command to a write command, which JEDEC gives as a formula.

    Raises `InputError` when a number makes no sense.
    """

    name: str
    source: str
    bank_groups: int
    banks_per_group: int
    rows: int
    columns: int
    channel_bits: int
    burst_length: int
    tCK_ps: int
    nCL: int
    nCWL: int
    nRCD: int
    nRP: int
    nRPab: int
    nRAS: int
    nRC: int
    nCCD_S: int
    nCCD_L: int
    nRRD_S: int
    nRRD_L: int
    nFAW: int
    nWTR_S: int
    nWTR_L: int
    nWR: int
    nRTP: int
    nRTW: int
    nRFC: int
    nREFI: int

    def __post_init__(self) -> None:
        # Address maps cut a burst's number into bits, which only gives every value where sizes are powers of two.
        for field in ("bank_groups", "banks_per_group", "rows", "columns", "burst_length"):
            value = getattr(self, field)
            if value < 1 or value & (value - 1):
                raise InputError(f"{self.name}: {field} = {value}, must be a power of two")
        for field in NUMBERS:
            value = getattr(self, field)
            most = _LONGEST_CLOCKS - 1 if field.startswith("n") else _MOST.get(field, value)
            if not 0 <= value <= most:
                raise InputError(f"{self.name}: {field} = {value}, must lie between 0 and {most}")
        if self.bank_groups * self.banks_per_group > MAX_BANKS:
            raise InputError(f"{self.name}: {self.bank_groups * self.banks_per_group} banks, at most {MAX_BANKS}")
        if (
            self.channel_bits < 8
            or self.channel_bits % 8
            or not 2 <= self.burst_length < _LONGEST_CLOCKS
            or self.tCK_ps < 1
        ):
            raise InputError(f"{self.name}: channel_bits must be a multiple of 8, burst_length and tCK_ps positive")
        if self.columns < self.burst_length:
            raise InputError(f"{self.name}: columns = {self.columns}, must hold a burst of {self.burst_length}")
        # A refresh needs its rows closed before it: with less time between them the channel would do nothing but
        # refresh.
        if self.nREFI <= self.nRFC + self.nRC + self.nWR:
            raise InputError(f"{self.name}: nREFI = {self.nREFI} leaves no time between refreshes")

    @property
    def nBL(self) -> int:
        """Clocks that a burst occupies the data bus: two transfers a clock."""
        return self.burst_length // 2

    @property
    def burst_bytes(self) -> int:
        """Bytes of one burst, the smallest transfer."""
        # DDR4 moves 8 x 8 = 64 bytes, LPDDR4's narrow channel 2 x 16 = 32.
        return self.channel_bits // 8 * self.burst_length

    @property
    def capacity_bytes(self) -> int:
        """Bytes behind one channel."""
        # DDR4-2400: 16 banks of 65,536 rows of 1024 columns of 8 bytes, 8 GiB.
        return self.bank_groups * self.banks_per_group * self.rows * self.columns * self.channel_bits // 8

    def override(self, changes: Mapping[str, int]) -> DramStandard:
        """The standard with some of its numbers replaced. Raises `InputError` for a name it does not have."""
        for field in changes:
            if field not in NUMBERS:
                raise InputError(f"{self.name} has no number '{field}': {nearest(field, NUMBERS)}")
        return replace(self, **changes)


NUMBERS = tuple(field.name for field in fields(DramStandard) if field.name not in {"name", "source"})

# Times in clocks: tREFI of 7.8 us is 9360 clocks of 833 ps, 12,480 of 625 ps, 6240 of 1250 ps. nRTW of DDR and HBM is
# nCL + nBL + 2 - nCWL, so that the write's data find the bus free: 17 + 4 + 2 - 12 = 11 for DDR4-2400.
_ALL = (
    DramStandard(
        name="DDR3-1600",
        source="JESD79-3F, speed bin 1600K (11-11-11), 4 Gb x8; no bank groups",
        bank_groups=1, banks_per_group=8, rows=65536, columns=1024, channel_bits=64, burst_length=8,
        tCK_ps=1250, nCL=11, nCWL=8, nRCD=11, nRP=11, nRPab=11, nRAS=28, nRC=39, nCCD_S=4, nCCD_L=4, nRRD_S=5, nRRD_L=5,
        nFAW=24, nWTR_S=6, nWTR_L=6, nWR=12, nRTP=6, nRTW=9, nRFC=208, nREFI=6240,
    ),
    DramStandard(
        name="DDR4-2400",
        source="JESD79-4C, speed bin 2400T (17-17-17), 8 Gb x8, tRFC1 350 ns",
        bank_groups=4, banks_per_group=4, rows=65536, columns=1024, channel_bits=64, burst_length=8,
        tCK_ps=833, nCL=17, nCWL=12, nRCD=17, nRP=17, nRPab=17, nRAS=39, nRC=56, nCCD_S=4, nCCD_L=6, nRRD_S=4, nRRD_L=6,
        nFAW=26, nWTR_S=3, nWTR_L=9, nWR=18, nRTP=9, nRTW=11, nRFC=420, nREFI=9360,
    ),
    DramStandard(
        name="DDR4-3200",
        source="JESD79-4C, speed bin 3200AA (22-22-22), 8 Gb x8, tRFC1 350 ns",
        bank_groups=4, banks_per_group=4, rows=65536, columns=1024, channel_bits=64, burst_length=8,
        tCK_ps=625, nCL=22, nCWL=16, nRCD=22, nRP=22, nRPab=22, nRAS=52, nRC=74, nCCD_S=4, nCCD_L=8, nRRD_S=4, nRRD_L=8,
        nFAW=34, nWTR_S=4, nWTR_L=12, nWR=24, nRTP=12, nRTW=12, nRFC=560, nREFI=12480,
    ),
    DramStandard(
        name="LPDDR4-3200",
        # tRCD 18 ns, tRPpb 18 ns, tRPab 21 ns, tRAS 42 ns, tRRD 10 ns, tFAW 40 ns, tRFCab 180 ns, tREFI 3.904 us. nWTR
        # and nWR hold the one clock that this standard adds to them; nRTW = RL + 6 (tDQSCK) + 8 - WL + 2.
        source="JESD209-4B, 3200 (RL 28, WL 14, set A), 4 Gb a channel of 16 bits, BL16; no bank groups",
        bank_groups=1, banks_per_group=8, rows=32768, columns=1024, channel_bits=16, burst_length=16,
        tCK_ps=625, nCL=28, nCWL=14, nRCD=29, nRP=29, nRPab=34, nRAS=68, nRC=97, nCCD_S=8, nCCD_L=8, nRRD_S=16,
        nRRD_L=16, nFAW=64, nWTR_S=17, nWTR_L=17, nWR=30, nRTP=12, nRTW=30, nRFC=288, nREFI=6246,
    ),
    DramStandard(
        name="HBM2",
        # JEDEC leaves most array timings of HBM to the vendor; these are the ones that Ramulator 2.1 uses at 2 Gb/s.
        # tRFC goes by the density of a whole channel, two pseudo channels: 260 ns at 4 Gb (as Ramulator's table and
        # DRAMsim3's HBM2_4Gb_x128 have it), 350 ns at 8 Gb.
        source="JESD235C, one of the two pseudo channels of 64 bits of a 4 Gb channel at 2 Gb/s a pin, BL4, tRFC 260 "
        "ns; array timings as in Ramulator 2.1",
        bank_groups=4, banks_per_group=4, rows=16384, columns=128, channel_bits=64, burst_length=4,
        tCK_ps=1000, nCL=14, nCWL=5, nRCD=14, nRP=14, nRPab=14, nRAS=34, nRC=48, nCCD_S=2, nCCD_L=4, nRRD_S=4, nRRD_L=4,
        nFAW=15, nWTR_S=6, nWTR_L=8, nWR=16, nRTP=5, nRTW=13, nRFC=260, nREFI=3900,
    ),
)  # fmt: skip
STANDARDS: dict[str, DramStandard] = {standard.name: standard for standard in _ALL}


def standard_named(name: str) -> DramStandard:
    """A standard by its name. Raises `InputError` naming the nearest one when there is none."""
    if name not in STANDARDS:
        raise InputError(f"unknown DRAM standard '{name}': {nearest(name, STANDARDS)}")
    return STANDARDS[name]
