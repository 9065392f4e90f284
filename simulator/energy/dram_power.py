"""Energy of external memory from its currents: an activation, a burst, a refresh, and the background.

Source: `tables/dram_currents.csv`, currents as configured in DRAMsim3 (MIT licence), and the formulas of Micron's power
notes: activate V (IDD0 tRC - IDD3N tRAS - IDD2N tRP), read V (IDD4R - IDD3N) t_burst, write V (IDD4W - IDD3N) t_burst,
refresh V (IDD5AB - IDD3N) tRFC, background V IDD3N with a row open and V IDD2N with all closed; V x mA x ns = pJ, times
the devices of a rank. Drivers and terminations on the board are not in these currents.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.energy.rows import table_rows

_ASSUMED_REFI_NS = 3900.0


@dataclass(frozen=True, slots=True)
class DramPart:
    """A rank of one part.

    activate_pj, read_pj, write_pj, refresh_pj   of a row opened and closed, a burst, a refresh of the rank
    open_mw, closed_mw   background with a row open in any bank, and with all closed
    burst_bytes, row_bytes, peak_gbs, refresh_ns  bytes of a burst and of a row, peak bandwidth, time between refreshes
    """

    name: str
    protocol: str
    activate_pj: float
    read_pj: float
    write_pj: float
    refresh_pj: float
    open_mw: float
    closed_mw: float
    burst_bytes: int
    row_bytes: int
    peak_gbs: float
    refresh_ns: float


def dram_parts() -> dict[str, DramPart]:
    """All parts of the table by name."""
    return {row["config"]: _part(row) for row in table_rows("dram_currents")}


def _part(row: dict[str, str]) -> DramPart:
    volts, devices, clock_ns = float(row["VDD_V"]), int(row["devices_per_rank"]), float(row["tCK_ns"])

    def current(name: str) -> float:
        return float(row[f"{name}_mA"])

    def energy(milliamperes: float, nanoseconds: float) -> float:
        return volts * milliamperes * nanoseconds * devices

    burst_ns = float(row["burst_cycles"]) * clock_ns
    precharge_ns, open_ns, cycle_ns = (float(row[name]) * clock_ns for name in ("tRP", "tRAS", "tRC"))
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
        burst_bytes=round(float(row["bytes_per_burst"])),
        row_bytes=int(row["columns"]) * int(row["device_width"]) * devices // 8,
        peak_gbs=float(row["peak_GBs"]),
        refresh_ns=float(refresh_cycles) * clock_ns if refresh_cycles.isdigit() else _ASSUMED_REFI_NS,
    )
