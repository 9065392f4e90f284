"""What does the selector cost? Area and energy of the hardware for zeros, and the density below which it pays.

    python -m benchmarks.experiments.selector [FIGURE]

One layer (AlexNet's third convolution) at 65 nm and 1 GHz, weights and activations at random, 40 % of the activations
non-zero. Energy is what is on the chip spends: counted actions times prices, and leakage over the schedule's cycles;
external memory is left out. Prints, as Markdown:
1. by window and selector width of Cambricon-X: the share of area and energy that indices and selectors take, and the
   weight density below which it spends less than DianNao, and than DianNao with multipliers that zeros gate;
2. the same shares of every machine that says what it is built of, with its crossover against its dense baseline;
3. area and power of published machines beside ours: sums of cells and memories by one table, without clock tree,
   control, wiring and the room that a layout leaves between cells.
FIGURE: where to draw the first table.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.markdown import print_table
from dataflows.accelerator import Accelerator
from dataflows.hardware.components import Action
from dataflows.registry import baseline_of, create, machines
from dataflows.truth.products import count_products
from simulator.energy.price import NOTHING, Price
from simulator.energy.technology import Technology
from simulator.plots.style import legend_below, machine_styles, new_figure, save
from workloads.catalog import load_workload
from workloads.trace import LayerTrace

NODE_NM, CLOCK_HZ, ACTIVATION_DENSITY = 65, 1_000_000_000, 0.4
DENSITIES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
MULTIPLIERS = 256
WINDOWS, WIDTHS = (64, 256, 1024), (8, 16, 32)
LAYER = load_workload("alexnet").select("conv3").layers[0]
# Area (mm2) and power (mW) as published: Cambricon-X (abstract), DianNao, and a PE of EIE (table II) by what its
# parts hold: node, clock in GHz, machine, parts, area, power.
PUBLISHED = (
    ("Cambricon-X", "cambricon-x", 65, None, 6.38, 954.0),
    ("DianNao", "diannao", 65, None, 3.02, 485.0),
    ("DaDianNao", "dadiannao", 28, None, 67.7, 15970.0),
    ("EIE PE: sparse matrix SRAM", "eie", 45, ("weight_sram",), 0.469, 4.955),
    ("EIE PE: pointer SRAM", "eie", 45, ("pointer_sram",), 0.122, 1.807),
    ("EIE PE: arithmetic", "eie", 45, ("multipliers", "adders", "row_adders", "codebook"), 0.0031, 1.162),
    ("EIE PE: activations", "eie", 45, ("activation_files", "activation_sram"), 0.0189, 1.122),
    ("EIE PE: activation queue", "eie", 45, ("activation_queue",), 0.0008, 0.112),
)
_LAYER_OF = {"eie": ("fc@eie", 0)}


Rows = list[tuple[str, ...]]


@dataclass(frozen=True)
class Spent:
    """Energy of a layer on the chip by component, pJ, and the time it takes.

    sparsity  components for zeros
    """

    by_component: Mapping[str, Price]
    sparsity: frozenset[str]
    cycles: int
    clock_hz: int

    @property
    def total(self) -> Price:
        """Of all components."""
        return sum(self.by_component.values(), NOTHING)

    @property
    def sparsity_share(self) -> float:
        """Share of the hardware for zeros."""
        return sum(self.by_component[name].value for name in self.sparsity) / self.total.value

    def power_mw(self, price: float, parts: int = 1) -> float:
        """Mean power of an energy, pJ, of one of so many parts."""
        # A pJ a ns is a mW.
        return price / (self.cycles * 1e9 / self.clock_hz) / parts


@cache
def traces(weights: float, activations: float = ACTIVATION_DENSITY) -> LayerTrace:
    """The layer with so many non-zeros, at random; masks of lower density lie inside those of higher."""
    random = np.random.default_rng(0)
    return LayerTrace(
        LAYER, random.random(LAYER.weight_shape) < weights, random.random(LAYER.input_shape) < activations
    )


def spent(machine: Accelerator, trace: LayerTrace, node_nm: float = NODE_NM, *, gated: bool = False) -> Spent:
    """What a layer takes; gated: zero factors keep the multipliers still. Raises `LookupError` without counts."""
    schedule = machine.schedule(trace)
    counts = machine.actions(trace, schedule, count_products(trace).effectual_macs)
    if counts is None:
        raise LookupError(f"{machine.name} does not say what it is built of")
    technology = Technology(node_nm, machine.spec.clock_hz).housing(machine.components())
    cycles = int(schedule.cycles.sum(axis=2).max(axis=1).sum())
    if "multipliers" in counts.components:
        counts.idle(cycles * schedule.multipliers)
    nanoseconds = cycles * 1e9 / machine.spec.clock_hz
    pj = {part.name: Price.exact(technology.leakage_mw(part) * nanoseconds) for part in counts.components.values()}
    for part, action, times in counts:
        done = Action.GATE if gated and action is Action.MULTIPLY_ZERO else action
        pj[part.name] += technology.action_pj(part, done).times(times)
    sparsity = frozenset(part.name for part in counts.components.values() if part.purpose == "sparsity")
    return Spent(pj, sparsity, cycles, machine.spec.clock_hz)


def areas(machine: Accelerator, node_nm: float = NODE_NM) -> dict[str, float]:
    """Area of each component, mm2."""
    technology = Technology(node_nm, machine.spec.clock_hz)
    return {part.name: technology.area_mm2(part).value for part in machine.components()}


def area_share(machine: Accelerator) -> float:
    """Share of the area that is there for zeros."""
    own = areas(machine)
    return sum(own[part.name] for part in machine.components() if part.purpose == "sparsity") / sum(own.values())


def crossover(sparse: list[float], dense: list[float]) -> float | None:
    """The highest weight density at which a machine spends no more than the other; None: it always spends more.

    sparse, dense  energies at `DENSITIES`; between two of them both are taken to change evenly
    """
    over = np.array(sparse) - np.array(dense)
    pays = np.flatnonzero(over <= 0)
    if not pays.size:
        return None
    last = int(pays[-1])
    if last == len(over) - 1:
        return DENSITIES[-1]
    low, high = DENSITIES[last], DENSITIES[last + 1]
    return float(low - over[last] * (high - low) / (over[last + 1] - over[last]))


def cambricon_x(window: int, width: int) -> Accelerator:
    """Cambricon-X of so many multipliers a PE, each with a selector of a window, and of 256 multipliers in all."""
    sizes = {"window": window, "multipliers_per_pe": width, "pes": MULTIPLIERS // width, "clock_hz": CLOCK_HZ}
    # Half of NBin holds a window, and steps tell its places apart.
    fitting = {"nbin_bytes": max(8192, 8 * window), "index_bits": max(8, (window - 1).bit_length())}
    return create("cambricon-x", sizes | fitting)


def energies(machine: Accelerator, *, gated: bool = False) -> list[float]:
    """Energy of the layer at `DENSITIES`, pJ."""
    return [spent(machine, traces(density), gated=gated).total.value for density in DENSITIES]


def dense_energies() -> tuple[list[float], list[float]]:
    """DianNao's at `DENSITIES`, and its own with multipliers that zeros gate."""
    machine = create("diannao", {"clock_hz": CLOCK_HZ})
    return energies(machine), energies(machine, gated=True)


def _text(density: float | None) -> str:
    return "never" if density is None else f"{density:.2f}"


def selectors() -> Rows:
    """By window and width: shares of area and energy, and the densities below which it pays."""
    dense, gated = dense_energies()
    rows: Rows = [
        ("window", "multipliers a PE", "area mm2", "share for zeros", "share of energy at 0.1", "at 0.4",
         "pays below, against DianNao", "against gated DianNao")
    ]  # fmt: skip
    for window in WINDOWS:
        for width in WIDTHS:
            machine = cambricon_x(window, width)
            own = energies(machine)
            shares = (f"{spent(machine, traces(density)).sparsity_share:.1%}" for density in (0.1, 0.4))
            area = f"{sum(areas(machine).values()):.2f}", f"{area_share(machine):.1%}"
            pays = _text(crossover(own, dense)), _text(crossover(own, gated))
            rows.append((str(window), str(width), *area, *shares, *pays))
    return rows


def every_machine() -> Rows:
    """Machines that say what they are built of: hardware for zeros, and where it pays against the dense baseline."""
    rows: Rows = [("machine", "area for zeros", "energy for zeros at 0.1", "at 0.4", "pays below, against", "")]
    for name in machines():
        machine = create(name)
        if not machine.components() or machine.refusal(LAYER) is not None:
            continue
        own = [spent(machine, traces(density)) for density in DENSITIES]
        at = {density: f"{own[DENSITIES.index(density)].sparsity_share:.1%}" for density in (0.1, 0.4)}
        baseline, pays = baseline_of(machine), "-"
        if baseline.name != name and baseline.components():
            pays = _text(crossover([one.total.value for one in own], energies(baseline)))
        rows.append((name, f"{area_share(machine):.1%}", *at.values(), pays, baseline.name if pays != "-" else "-"))
    return rows


def published() -> Rows:
    """Area and power by the tables beside what papers say, each with the band of the tables' sources."""
    rows: Rows = [("part", "node", "mm2", "published", "deviation", "mW", "band", "published", "deviation")]
    for title, name, node, parts, area, power in PUBLISHED:
        machine = create(name)
        trace = traces(1.0) if name not in _LAYER_OF else _fully_connected(*_LAYER_OF[name])
        own, did = areas(machine, node), spent(machine, trace, node)
        chosen = tuple(own) if parts is None else parts
        # Of a PE of EIE, one of 64, and of one chip of all others.
        each = machine.spec.pes if name == "eie" else 1  # type: ignore[attr-defined]
        mm2 = sum(own[part] for part in chosen) / each
        price = sum((did.by_component[part] for part in chosen), NOTHING)
        value, low, high = (did.power_mw(pj, each) for pj in (price.value, price.low, price.high))
        figures = f"{mm2:.4g}", f"{area:g}", f"{mm2 / area - 1:+.0%}"
        off = f"{value / power - 1:+.0%}"
        rows.append((title, str(node), *figures, f"{value:.4g}", f"{low:.3g} to {high:.3g}", f"{power:g}", off))
    return rows


def _fully_connected(workload: str, index: int) -> LayerTrace:
    return load_workload(workload).trace(index)


def draw(file: Path) -> None:
    """Energy against weight density, and the shares of the hardware for zeros by window."""
    products = LAYER.dense_macs
    dense, gated = dense_energies()
    lines = {f"Cambricon-X, window of {w}": energies(cambricon_x(w, 16)) for w in WINDOWS}
    lines |= {"DianNao": dense, "DianNao, multipliers gated": gated}
    with new_figure(8.4, 4.2) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        styles = machine_styles(lines)
        for name, values in lines.items():
            left.plot(DENSITIES, [pj / products for pj in values], label=name, **styles[name])
        left.set(xlabel="share of weights that are not zero", ylabel="pJ a product of the dense layer", title="Energy")
        left.set_ylim(bottom=0)
        left.grid()
        places = np.arange(len(WINDOWS))
        chosen = [cambricon_x(window, 16) for window in WINDOWS]
        shares = {
            "of area": [area_share(machine) for machine in chosen],
            "of energy at density 0.1": [spent(machine, traces(0.1)).sparsity_share for machine in chosen],
            "of energy at density 0.4": [spent(machine, traces(0.4)).sparsity_share for machine in chosen],
        }
        for turn, ((label, values), hatch) in enumerate(zip(shares.items(), ("", "//", ".."), strict=True)):
            right.bar(places + (turn - 1) * 0.27, values, 0.25, label=label, hatch=hatch, color=f"C{turn}")
        right.set_xticks(places, [str(window) for window in WINDOWS])
        # Room for the legend above the bars.
        right.set(xlabel="inputs that a selector chooses from", ylabel="share", ylim=(0, 1.35))
        right.set_yticks(np.arange(0, 1.01, 0.2))
        right.set_title("Indices and selectors")
        right.grid(axis="y")
        right.legend(loc="upper left")
        legend_below(figure, left)
        save(figure, file)


if __name__ == "__main__":
    print_table("Cambricon-X by window and width", selectors())
    print_table("Hardware for zeros, by machine", every_machine())
    print_table("Area and power beside published ones", published())
    for target in sys.argv[1:]:
        draw(Path(target))
