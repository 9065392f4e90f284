"""Energy of external memory from its currents: an activation, a burst, a refresh, and the background.

Source: `tables/dram_currents.csv`, currents as configured in DRAMsim3 (MIT licence), and the formulas of Micron's power
notes: activate V (IDD0 tRC - IDD3N tRAS - IDD2N tRP), read V (IDD4R - IDD3N) t_burst, write V (IDD4W - IDD3N) t_burst,
refresh V (IDD5AB - IDD3N) tRFC, background V IDD3N with a row open and V IDD2N with all closed; V x mA x ns = pJ, times
the devices of a rank. Drivers and terminations on the board are not in these currents, and no part powers down.

The file's LPDDR4 part is left out, for its currents are those of DDR4 x16 at 1.2 V. LPDDR4 is priced by the bit, as
HBM2 can be (`tables/operations.csv`, from an artifact of Sparseloop): such a price holds all that memory does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from simulator.energy.rows import table_rows

_ASSUMED_REFI_NS = 3900.0
_NOT_ITS_OWN_CURRENTS = "LPDDR4"
# In DRAMsim3 a column of these is not as wide as the bus: of HBM it is two transfers wide, of GDDR a burst
# (`Config::InitDRAMParams`). A row of HBM2 is 64 x 2 x 128 bits, 2 KiB (JESD235C).
_TRANSFERS_OF_COLUMN = {"HBM": 2, "GDDR5": 8, "GDDR6": 16}
_BURST_BYTES = 64  # of parts that are priced by the bit, which have none that matters
_PER_BIT = {"LPDDR4_per_bit": ("DRAM LPDDR4 64 bit", 16, 6.4), "HBM2_per_bit": ("DRAM HBM2 64 bit", 64, 16.0)}


@dataclass(frozen=True, slots=True)
class DramPart:
    """A rank of one part.

    activate_pj, read_pj, write_pj, refresh_pj   of a row opened and closed, a burst, a refresh of the rank
    open_mw, closed_mw   background with a row open in any bank, and with all closed
    bus_bits, burst_bytes, row_bytes   of its bus, of a burst, of a row
    peak_gbs, refresh_ns               peak bandwidth, 10^9 bytes a second; time between refreshes
    """

    name: str
    protocol: str
    activate_pj: float
    read_pj: float
    write_pj: float
    refresh_pj: float
    open_mw: float
    closed_mw: float
    bus_bits: int
    burst_bytes: int
    row_bytes: int
    peak_gbs: float
    refresh_ns: float

    @property
    def generation(self) -> str:
        """Parts of one generation are what a standard may be built of: DDR4, HBM2 and so on."""
        # What is priced by the bit is a generation of its own, as no figure of it stands beside that of another part.
        return self.name if self.name in _PER_BIT else self.name.split("_", maxsplit=1)[0]


@cache
def dram_parts() -> dict[str, DramPart]:
    """All parts of the tables by name."""
    rows = [row for row in table_rows("dram_currents") if row["protocol"] != _NOT_ITS_OWN_CURRENTS]
    parts = [_part(row) for row in rows] + [_part_by_bit(name) for name in _PER_BIT]
    return {part.name: part for part in parts}


def _part(row: dict[str, str]) -> DramPart:
    volts, devices, clock_ns = float(row["VDD_V"]), int(row["devices_per_rank"]), float(row["tCK_ns"])

    def current(name: str) -> float:
        return float(row[f"{name}_mA"])

    def energy(milliamperes: float, nanoseconds: float) -> float:
        return volts * milliamperes * nanoseconds * devices

    burst_ns = float(row["burst_cycles"]) * clock_ns
    precharge_ns, open_ns, cycle_ns = (float(row[name]) * clock_ns for name in ("tRP", "tRAS", "tRC"))
    columns = int(row["columns"]) * _TRANSFERS_OF_COLUMN.get(row["protocol"], 1)
    refresh_cycles = row["tREFI"]
    return DramPart(
        name=row["config"],
        protocol=row["protocol"],
        activate_pj=energy(current("IDD0"), cycle_ns)
        - energy(current("IDD3N"), open_ns)
        - energy(current("IDD2N"), precharge_ns),
        read_pj=energy(current("IDD4R") - current("IDD3N"), burst_ns),
        write_pj=energy(current("IDD4W") - current("IDD3N"), burst_ns),
        refresh_pj=energy(current("IDD5AB") - current("IDD3N"), float(row["tRFC"]) * clock_ns),
        open_mw=volts * current("IDD3N") * devices,
        closed_mw=volts * current("IDD2N") * devices,
        bus_bits=int(row["bus_width"]),
        burst_bytes=round(float(row["bytes_per_burst"])),
        row_bytes=columns * int(row["device_width"]) * devices // 8,
        peak_gbs=float(row["peak_GBs"]),
        refresh_ns=float(refresh_cycles) * clock_ns if refresh_cycles.isdigit() else _ASSUMED_REFI_NS,
    )


def _part_by_bit(name: str) -> DramPart:
    """Nothing but bursts has a price; peak bandwidth is that of the standard's channel."""
    title, bus_bits, peak_gbs = _PER_BIT[name]
    row = next(row for row in table_rows("operations") if row["component"] == title)
    burst_pj = float(row["energy_pJ"]) / int(row["bits"]) * _BURST_BYTES * 8
    return DramPart(
        name=name,
        protocol=name.split("_", maxsplit=1)[0],
        activate_pj=0.0,
        read_pj=burst_pj,
        write_pj=burst_pj,
        refresh_pj=0.0,
        open_mw=0.0,
        closed_mw=0.0,
        bus_bits=bus_bits,
        burst_bytes=_BURST_BYTES,
        row_bytes=_BURST_BYTES,
        peak_gbs=peak_gbs,
        refresh_ns=_ASSUMED_REFI_NS,
    )
