"""What DRAM makes of zeros: two studies, printed as Markdown.

    python -m benchmarks.experiments.memory

1. The same layer at the same density, pruned without structure and by shape, on the same machine and DDR4.
2. VGG-16 on SCNN against DRAM bandwidth: where it begins to wait.
"""

from benchmarks.markdown import print_table
from dataflows.registry import create
from simulator.network_simulation import simulate
from simulator.reports.report import Measures
from workloads import pruning
from workloads.catalog import load_workload

LAYER, DENSITY = "conv4_2", 0.3
MACHINES: tuple[tuple[str, dict], ...] = (
    ("cambricon-x", {}),
    ("scnn", {}),
    ("scnn", {"weight_layout": "filters"}),
    ("structured", {}),
)
BANDWIDTHS = (2, 4, 6, 8, 12, 16, 25, 50, 100, float("inf"))
SLOWER = 1.01  # a network this much slower than with infinite bandwidth is held up by memory


def on_ddr4(machine: str, settings: dict, method: str) -> Measures:
    """VGG-16 conv4_2 after a pruning, on one channel of DDR4-2400."""
    workload = load_workload("vgg16").prune(pruning.parse(f"{method}:density={DENSITY}")).select(LAYER)
    (report,) = simulate([create(machine, settings | {"dram": {"kind": "banked"}})], workload)
    return report.total


def structure() -> list[tuple]:
    """Unstructured against shape-wise pruning."""
    rows = [
        (
            "machine",
            "pruning",
            "cycles",
            "MB moved",
            "GB/s",
            "wasted in bursts",
            "row hits",
            "mean read latency ns",
            "max/mean PE",
        )
    ]
    for machine, settings in MACHINES:
        for method in ("unstructured", "shape"):
            total = on_ddr4(machine, settings, method)
            dram = total.dram.all
            accesses = dram.row_hits + dram.row_misses + dram.row_conflicts
            figures = (
                total.cycles,
                total.dram.total_bytes / 1e6,
                total.dram.achieved_gbs,
                dram.wasted_bytes / dram.burst_bytes,
                dram.row_hits / accesses,
                dram.read_latency_ns or 0,
                total.load_imbalance,
            )
            formats = ("{:,}", "{:.2f}", "{:.2f}", "{:.2%}", "{:.1%}", "{:.0f}", "{:.3f}")
            texts = (text.format(figure) for text, figure in zip(formats, figures, strict=True))
            rows.append((", ".join((machine, *settings.values())), method, *texts))
    return rows


def bandwidth() -> list[tuple]:
    """VGG-16 (the authors' densities) on SCNN, ideal memory of rising bandwidth."""
    workload = load_workload("vgg16@scnn")
    totals = {
        gbs: simulate([create("scnn", {"dram": {"bandwidth_gbs": gbs}})], workload)[0].total for gbs in BANDWIDTHS
    }
    best = totals[float("inf")].cycles
    assert [t.cycles for t in totals.values()] == sorted((t.cycles for t in totals.values()), reverse=True)
    rows = [("GB/s", "cycles", "against infinite", "waiting for memory", "speedup over DCNN")]
    for gbs, total in totals.items():
        waiting = total.pe_cycle_stack["memory"] / sum(total.pe_cycle_stack.values())
        held_up = " (slower)" if total.cycles > SLOWER * best else ""
        against = f"{total.cycles / best:.3f}{held_up}"
        rows.append((f"{gbs:g}", f"{total.cycles:,}", against, f"{waiting:.1%}", f"{total.speedup:.2f}"))
    return rows


if __name__ == "__main__":
    print_table(f"VGG-16 {LAYER} at density {DENSITY} on one channel of DDR4-2400", structure())
    print_table("VGG-16 on SCNN against DRAM bandwidth", bandwidth())
