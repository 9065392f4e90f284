"""`LayerReport` and `NetworkReport`: what a run says, under the names of the JSON report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from dataflows.schedule import Cause
from simulator.reports.bounds import Bounds
from simulator.reports.dram_report import DramReport
from simulator.reports.energy_report import KEYS, AreaReport, EnergyReport
from simulator.reports.html_tables import measures_table
from simulator.reports.input_spread import InputSpread, spread_columns
from simulator.reports.metrics import BASELINE, flat
from simulator.reports.network_total import NetworkTotal, total_row

if TYPE_CHECKING:
    import pandas as pd

    from simulator.reports.common_baseline import CommonBaseline

SCHEMA = 1
Model = Literal["events", "analytical"]
EVENTS: Model = "events"
ANALYTICAL: Model = "analytical"


def machine_label(machine: str, model: Model) -> str:
    """A machine's name, with the model where the numbers are not simulated."""
    return machine if model == EVENTS else f"{machine}, {model} model"


DERIVED = (
    "utilization", "effectual_utilization", "empty_lanes", "load_imbalance", "speedup", "speedup_factors",
    "bound_ratio",
)  # fmt: skip
"""Properties of `Measures` that the JSON report carries beside its fields."""


@dataclass(frozen=True)
class Measures:
    """The figures that a layer and the total of a network share; names and definitions are those of the JSON report.

    cycles, dense_cycles, bounds in accelerator cycles; `time_us` in microseconds; `pe_cycle_stack` in PE-cycles by
    cause, summing to pes x cycles; `fragmented_lanes` in multiplier slots; `barrier_busy_cycles` is the sum over
    barriers of the busiest PE's busy cycles, from which `load_imbalance` follows; `dense_issued_macs` and `dense_slots`
    are the products that the dense baseline issues and its multiplier slots that pass meanwhile; `energy` is None where
    it was not asked for, and then the JSON report says nothing of it (`energy_asked`), or where it is not modelled, and
    then its keys there are null.
    """

    name: str
    cycles: int
    time_us: float
    multipliers: int
    pes: int
    dense_macs: int
    weight_macs: int
    effectual_macs: int
    issued_macs: int
    dense_cycles: int
    dense_issued_macs: int
    dense_slots: int
    pe_cycle_stack: dict[str, int]
    fragmented_lanes: int
    barrier_busy_cycles: int
    dram: DramReport
    bounds: Bounds
    energy: EnergyReport | None = field(default=None, kw_only=True)
    energy_asked: bool = field(default=False, kw_only=True)

    @property
    def utilization(self) -> float:
        """issued_macs / (multipliers x cycles)."""
        return self.issued_macs / (self.multipliers * self.cycles) if self.cycles else 0.0

    @property
    def effectual_utilization(self) -> float:
        """effectual_macs / (multipliers x cycles)."""
        return self.effectual_macs / (self.multipliers * self.cycles) if self.cycles else 0.0

    @property
    def load_imbalance(self) -> float:
        """Sum over barriers of the busiest PE's busy cycles over the sum of the mean; 1.0 where nothing is busy."""
        # Sum of maxima over (busy / PEs): two PEs with 6 and 2 busy cycles at one barrier give 6 x 2 / 8 = 1.5.
        busy = self.pe_cycle_stack[Cause.BUSY.key]
        return self.barrier_busy_cycles * self.pes / busy if busy else 1.0

    @property
    def speedup(self) -> float | None:
        """Cycles of the machine's dense baseline / cycles; None for a layer that costs nothing."""
        return self.dense_cycles / self.cycles if self.cycles else None

    @property
    def speedup_factors(self) -> dict[str, float | None]:
        """What the speedup consists of: three factors from counts, whose product is the speedup.

        size         multipliers x clock over the baseline's
        skipped      products that the baseline issues over products issued here: what skipping zeros gives
        utilization  own utilization over the baseline's: what keeping multipliers busy gives, or costs

        Each is None where no product is issued or nothing takes time, and nothing can be divided.
        """
        own_slots = self.multipliers * self.cycles
        # A layer of zeros alone has a speedup, but none that could be split.
        if not (self.issued_macs and self.dense_issued_macs and self.dense_cycles and own_slots):
            return dict.fromkeys(("size", "skipped", "utilization"))
        return {
            # Example, 16 multipliers at one clock on both sides: the baseline issues 4,800 products in 400 cycles,
            # 6,400 slots; here 800 in 100 cycles, 1,600 slots. Size 1, skipped 4,800 / 800 = 6, utilization 0.5 / 0.75
            # = 2/3; their product is the speedup, 400 / 100 = 4.
            # dense_cycles is the baseline's time in cycles of this machine's clock, dense_slots counts its own
            "size": self.dense_cycles * self.multipliers / self.dense_slots,
            # The three multiply to dense_cycles / cycles: issued products, slots and multipliers cancel.
            "skipped": self.dense_issued_macs / self.issued_macs,
            "utilization": self.issued_macs / own_slots * self.dense_slots / self.dense_issued_macs,
        }

    @property
    def empty_lanes(self) -> float:
        """Share of all multiplier slots that are empty inside busy PEs; utilization and it make up the busy share."""
        # Example: 4 multipliers in one PE for 10 cycles are 40 slots. Busy for 9 of them with 30 products, 36 - 30 = 6
        # lanes stay empty: a share of 0.15, which with the utilization of 0.75 makes the busy share, 0.9.
        slots = self.multipliers * self.cycles
        return self.fragmented_lanes / slots if slots else 0.0

    @property
    def bound_ratio(self) -> float | None:
        """Cycles / the largest bound; None where every bound is 0."""
        return self.cycles / self.bounds.largest if self.bounds.largest else None

    def to_dict(self) -> dict[str, Any]:
        """The figures under their names in the JSON report, derived ones included."""
        data = {key: getattr(self, key) for key in self.__dataclass_fields__}
        data |= {"dram": self.dram.to_dict(), "bounds": asdict(self.bounds)}
        energy, asked = data.pop("energy"), data.pop("energy_asked")
        data |= {key: getattr(self, key) for key in DERIVED}
        if energy is not None:
            return data | energy.figures(self.time_us, self.dense_macs, self.effectual_macs)
        return data | dict.fromkeys(KEYS) if asked else data


@dataclass(frozen=True)
class LayerReport(Measures):
    """One layer on one machine.

    pe_grid           rows and columns of the PE array
    pe_busy_cycles    busy cycles of each PE, row-major
    buffer_peak_bytes fullest level of each buffer
    notes             what the machine had to do to fit the layer
    spills            whether activations that the machine keeps on the chip between layers do not fit there
    """

    weight_density: float
    activation_density: float
    tiles: int
    pe_grid: tuple[int, int]
    pe_busy_cycles: list[int]
    buffer_peak_bytes: dict[str, int]
    notes: tuple[str, ...] = ()
    spills: bool = False

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return measures_table([(self.name, self.to_dict())], "layer")


@dataclass(frozen=True, repr=False)
class NetworkReport:
    """A workload on one machine: its layers in order, their total, and what it takes to run them again.

    size   multipliers, clock_ghz, on_chip_kib, bandwidth_gbs and bits of the machine; None for what it does not have
    equal  the size that it and its baseline were brought to (`--equal`), empty where it was not
    model  where the numbers come from: simulated events, or expectations of an analytical model
    inputs how the figures differ between the inputs that were simulated; None for one alone. All else is of the first.
    network  all layers as one run; None where nothing was simulated
    area     None where it was not asked for, or where the machine names no components
    common   what it is compared with besides its dense baseline (`compare --baseline`)
    """

    accelerator: dict[str, Any]
    workload: dict[str, Any]
    seed: int
    digest: str
    layers: tuple[LayerReport, ...]
    tool: dict[str, str] = field(default_factory=dict)
    size: dict[str, Any] = field(default_factory=dict)
    equal: dict[str, Any] = field(default_factory=dict)
    model: Model = EVENTS
    inputs: InputSpread | None = None
    network: NetworkTotal | None = None
    area: AreaReport | None = None
    common: CommonBaseline | None = None

    def __repr__(self) -> str:
        total, name = self.total, self.workload["name"]
        gain = "" if total.speedup is None else f", {total.speedup:.2f} times as fast as its dense baseline"
        lines = (
            f"NetworkReport of '{name}' on {self.label}: {len(self.layers)} layers, seed {self.seed}",
            f"  {total.cycles:,} cycles, {total.time_us:,.1f} us{gain}",
            f"  {total.utilization:.1%} of slots used, {total.dram.total_bytes / 1e6:,.2f} MB of DRAM traffic",
        )
        return "\n".join(lines)

    @property
    def machine(self) -> str:
        """The machine's name."""
        return self.accelerator["name"]

    @property
    def label(self) -> str:
        """The machine's name, with the model where the numbers are not simulated."""
        return machine_label(self.machine, self.model)

    @property
    def energy_asked(self) -> bool:
        """Whether energy and area were asked for."""
        return any(layer.energy_asked for layer in self.layers)

    @property
    def total(self) -> Measures:
        """The layers added up, as if they ran one after the other."""
        return total_of(self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The JSON report."""
        data = {
            "schema": SCHEMA,
            "tool": self.tool,
            "model": self.model,
            "accelerator": self.accelerator,
            "size": self.size,
            "equal": self.equal,
            "workload": self.workload,
            "seed": self.seed,
            "digest": self.digest,
            **({"area": self.area and self.area.to_dict()} if self.energy_asked else {}),
            "layers": [layer.to_dict() for layer in self.layers],
            "total": self.total.to_dict(),
            **({} if self.inputs is None else {"inputs": self.inputs.to_dict()}),
            "network": None if self.network is None else self.network.to_dict(),
        }
        return data if self.common is None else self.common.over(data)

    def with_inputs(self, inputs: InputSpread | None) -> Self:
        """The same report with what other inputs do to its figures."""
        return replace(self, inputs=inputs)

    def rows(self) -> list[dict[str, Any]]:
        """One flat row a layer and a last one for total and network; nested keys are joined by a dot."""
        first = {"accelerator": self.machine, "workload": self.workload["name"]}
        # A simulation is what rows are of; anything else says so in each of them.
        first |= {} if self.model == EVENTS else {"model": self.model}
        first |= {} if self.common is None else {BASELINE: self.common.label}
        data = self.to_dict()
        rows = [first | flat(row) for row in (*data["layers"], total_row(data))]
        spreads = [{}] * len(rows) if self.inputs is None else spread_columns(self.inputs.to_dict())
        return [row | spread for row, spread in zip(rows, spreads, strict=True)]

    def _repr_html_(self) -> str:
        """What a notebook shows: a row a layer and the total."""
        return measures_table([(row.name, row.to_dict()) for row in (*self.layers, self.total)], self.label)

    def to_frame(self) -> pd.DataFrame:
        """The layers (without the total) as a pandas frame."""
        import pandas as pd  # noqa: PLC0415 (pandas is optional and slow to load)

        return pd.DataFrame(self.rows()[:-1])


def total_of(layers: Sequence[Measures]) -> Measures:
    """The sum of layers of one machine; `multipliers` and `pes` are the machine's."""

    def add(key: str) -> int:
        return sum(getattr(layer, key) for layer in layers)

    cycles = add("cycles")
    return Measures(
        name="total",
        cycles=cycles,
        # `fsum` rounds once, so that a total does not depend on the order of layers.
        time_us=math.fsum(layer.time_us for layer in layers),
        multipliers=layers[0].multipliers,
        pes=layers[0].pes,
        dense_macs=add("dense_macs"),
        weight_macs=add("weight_macs"),
        effectual_macs=add("effectual_macs"),
        issued_macs=add("issued_macs"),
        dense_cycles=add("dense_cycles"),
        dense_issued_macs=add("dense_issued_macs"),
        dense_slots=add("dense_slots"),
        pe_cycle_stack={cause.key: sum(layer.pe_cycle_stack[cause.key] for layer in layers) for cause in Cause},
        fragmented_lanes=add("fragmented_lanes"),
        barrier_busy_cycles=add("barrier_busy_cycles"),
        dram=DramReport.sum([layer.dram for layer in layers]),
        # Sums, not the maximum: layers run one after the other, each against its own bound.
        bounds=Bounds(
            *(
                sum(getattr(layer.bounds, key) for layer in layers)
                for key in ("compute_cycles", "fullest_pe_cycles", "memory_cycles")
            )
        ),
        energy=_energy_of(layers),
        energy_asked=any(layer.energy_asked for layer in layers),
    )


def _energy_of(layers: Sequence[Measures]) -> EnergyReport | None:
    """The sum of the layers' energy, where all of them have one."""
    known = [layer.energy for layer in layers if layer.energy is not None]
    return EnergyReport.sum(known) if known and len(known) == len(layers) else None
