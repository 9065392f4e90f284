"""What every machine is configured with (`AcceleratorSpec`), its memory included, and the base of all specs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# Far beyond anything that can be built, and near enough that sums over a layer's tiles fit a machine word.
MOST_COUNT = (1 << 31) - 1
MOST_MULTIPLIERS = 1 << 24  # twice a wafer's
MOST_BYTES = 1 << 40  # 1 TiB, for buffers that never bound
MOST_HZ = 10**12
LEAST_GBS, MOST_GBS = 1e-9, 1e9  # a byte a second, and 10^18 of them
_MOST_NS = 1e9  # a second
_MOST_BURST_BYTES = 1 << 20
_MOST_CHANNELS = 256  # eight stacks of HBM; each takes a MiB while it is simulated

Count = Annotated[int, Field(ge=1, le=MOST_COUNT)]
Size = Annotated[int, Field(ge=0, le=MOST_COUNT)]
Bytes = Annotated[int, Field(ge=1, le=MOST_BYTES)]
Side = Annotated[int, Field(ge=1, le=1024)]  # of a grid of PEs
Places = Annotated[int, Field(ge=1, le=1 << 16)]  # of queues, banks and ports that are simulated one by one
Clock = Annotated[int, Field(ge=1, le=MOST_HZ)]


def _possible_rate(gbs: float) -> float:
    """Infinity stands for memory that never waits; what is finite must be a rate."""
    if not (LEAST_GBS <= gbs <= MOST_GBS or gbs == math.inf):
        raise ValueError(f"must be between {LEAST_GBS:g} and {MOST_GBS:g}, or inf")
    return gbs


Rate = Annotated[float, Field(gt=0), AfterValidator(_possible_rate)]


class Spec(BaseModel):
    """Base of everything a user may set: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, strict=True)


@dataclass(frozen=True)
class OnlyWith:
    """Marks a field of `DramSpec` that has an effect with one kind of memory only."""

    kind: Literal["ideal", "banked"]


_IDEAL, _BANKED = OnlyWith("ideal"), OnlyWith("banked")
# Peak of a channel, 10^9 bytes a second: transfers a second times the bytes of its bus (JEDEC; HBM2: a pseudo channel).
_CHANNEL_GBS = {"DDR3-1600": 12.8, "DDR4-2400": 19.2, "DDR4-3200": 25.6, "LPDDR4-3200": 6.4, "HBM2": 16.0}


class DramSpec(Spec):
    """External memory: `ideal` knows bandwidth and latency, `banked` knows banks, rows, refresh and a controller.

    Fields marked `OnlyWith` a kind, as their descriptions say, have an effect with that kind only. What a standard and
    an address map are called, and which combinations are possible, is checked where the memory is simulated.
    """

    kind: Literal["ideal", "banked"] = Field(
        default="ideal", description="'ideal' (bandwidth and latency) or 'banked' (a DRAM standard behind a controller)"
    )
    channels: int = Field(
        default=1, ge=1, le=_MOST_CHANNELS, description="channels; with ideal memory they share the bandwidth"
    )
    bandwidth_gbs: Annotated[Rate, _IDEAL] = Field(
        default=12.8,
        description="ideal: peak bandwidth, 10^9 bytes a second, all channels; inf: memory never waits",
    )
    latency_ns: Annotated[float, _IDEAL] = Field(
        default=60.0, ge=0, le=_MOST_NS, description="ideal: from a request to its first byte, ns"
    )
    burst_bytes: Annotated[int, _IDEAL] = Field(
        default=64, ge=1, le=_MOST_BURST_BYTES, description="ideal: smallest transfer; partial bursts cost whole ones"
    )
    standard: Annotated[str, _BANKED] = Field(default="DDR4-2400", description="banked: DRAM standard, by name")
    override: Annotated[dict[str, int], _BANKED] = Field(
        default={}, description="banked: numbers of the standard to replace, by JEDEC's names"
    )
    address_map: Annotated[str, _BANKED] = Field(
        default="RoBaBgCo", description="banked: fields of an address from the highest bit to the lowest"
    )
    interleave_bytes: Annotated[Bytes, _BANKED] = Field(
        default=256, description="banked: channels take turns every so many bytes (assumption)"
    )
    read_queue: Annotated[Count, _BANKED] = Field(
        default=32, description="banked: reads that the controller chooses from (Ramulator 2's default)"
    )
    write_buffer: Annotated[Count, _BANKED] = Field(
        default=32, description="banked: writes that it can hold back (Ramulator 2's default)"
    )
    drain_start: Annotated[Count, _BANKED] = Field(
        default=26, description="banked: buffered writes at which it turns to them (0.8 of the buffer)"
    )
    drain_stop: Annotated[Size, _BANKED] = Field(
        default=6, description="banked: buffered writes at which it leaves them (0.2 of the buffer)"
    )
    scheduler: Annotated[Literal["row_hit", "first_ready"], _BANKED] = Field(
        default="row_hit",
        description="banked: row_hit: a precharge waits for older requests of the open row; first_ready: not",
    )
    refresh: Annotated[bool, _BANKED] = Field(
        default=True, description="banked: refresh all banks every nREFI, none postponed"
    )

    def idle_settings(self) -> dict[str, str]:
        """Fields that have no effect with this kind of memory, and why."""
        other = "banked" if self.kind == "ideal" else "ideal"
        idle = {
            name: f"it belongs to {other} memory, and kind is '{self.kind}'"
            for name, field in type(self).model_fields.items()
            if OnlyWith(other) in field.metadata
        }
        if self.kind == "ideal":
            idle["channels"] = "channels of ideal memory share the bandwidth, which is bandwidth_gbs in all"
        elif self.channels == 1:
            idle["interleave_bytes"] = "a single channel takes no turns"
        return idle

    @property
    def planned_gbs(self) -> float:
        """Peak bandwidth that a machine's control may count on when it chooses an order, 10^9 bytes a second."""
        if self.kind == "ideal":
            return self.bandwidth_gbs
        # A standard of another name is refused where it is simulated; until then a plan has to
        # be made with some number.
        return _CHANNEL_GBS.get(self.standard, self.bandwidth_gbs) * self.channels


class BufferSpec(Spec):
    """How fast on-chip buffers take data from DRAM; their capacities are parameters of each machine."""

    banks: Count = Field(default=64, description="banks of a buffer that loads are spread over (assumption)")
    ports: Count = Field(default=1, description="write ports of a bank (assumption)")
    port_bytes: Count = Field(default=8, description="bytes that a port writes in a cycle (assumption)")

    @property
    def bytes_per_cycle(self) -> int:
        """Bytes that a buffer takes in a cycle."""
        # 64 banks with a port of 8 bytes take 512 bytes a cycle, at 1 GHz 512 GB/s.
        return self.banks * self.ports * self.port_bytes


def _supply(volts: float) -> float:
    # Below, transistors hardly switch, and the scaling of energies was not fitted there.
    if volts and not 0.4 <= volts <= 1.5:
        raise ValueError("must be 0 or between 0.4 and 1.5")
    return volts


class EnergySpec(Spec):
    """In which technology counted actions are priced (docs/energy.md); nothing here changes a cycle."""

    node_nm: float = Field(default=45.0, ge=7, le=130, description="technology node, nm; 7 to 130")
    voltage: Annotated[float, AfterValidator(_supply)] = Field(
        default=0.0, description="supply of the chip, V: 0.4 to 1.5, or 0 for the node's nominal one"
    )
    cell: Literal["itrs-lstp", "itrs-lop", "itrs-hp"] = Field(
        default="itrs-lstp",
        description="cells of on-chip memories: low standby power, low operating power, high performance (assumption)",
    )
    clock_gating: bool = Field(
        default=True, description="false: multiplier slots without a product clock their operands (assumption)"
    )
    dram_part: str = Field(
        default="auto", description="part whose currents price external memory; auto: one of the memory's standard"
    )
    tables: str = Field(default="", description="YAML file of one's own prices, as Accelergy's ERT and ART; '': none")


class AcceleratorSpec(Spec):
    """Parameters that every machine has."""

    clock_hz: Clock = Field(default=1_000_000_000, description="accelerator clock, Hz")
    value_bits: Literal[4, 8, 16, 32] = Field(default=16, description="bits of a stored weight or activation")
    prefetch_tiles: Size = Field(
        default=1,
        description="tiles whose loads may run ahead of the computing one; "
        "0: no double buffering, a tile's loads start when the tile before has ended",
    )
    write_back: Literal["overlapped", "blocking"] = Field(
        default="overlapped",
        description="overlapped: later tiles compute while results are written; blocking: they wait",
    )
    overlap: Literal["none", "serial", "weights", "tiles"] = Field(
        default="weights",
        description="between layers of a network. none: its cycles are the sum of its layers'; serial: a layer begins "
        "when the one before is written; weights: what depends on no other layer is loaded ahead; tiles: inputs are, "
        "too, as they are made (assumption)",
    )
    pooling: Literal["leaving", "memory"] = Field(
        default="leaving",
        description="leaving: results that only a pooling reads are pooled before they are written; memory: pooling "
        "reads the map and writes a smaller one (assumption)",
    )
    buffers: BufferSpec = BufferSpec()
    dram: DramSpec = DramSpec()
    energy: EnergySpec = EnergySpec()

    def idle_settings(self) -> dict[str, str]:
        """What all machines set alike and has no effect in this configuration, and why."""
        memory = {f"dram.{key}": reason for key, reason in self.dram.idle_settings().items()}
        if self.overlap == "none":
            memory["pooling"] = "overlap is 'none', where nothing lies between layers"
        return memory
