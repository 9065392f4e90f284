"""Which array of the structured-sparse machine has the published throughputs? Its shape is not published.

    python -m benchmarks.experiments.structured_shapes

An array is Pk filters x Pp output positions; the convolutions of VGG-16 at the published kept fraction need
ceil(K/Pk) · ceil(P·Q/Pp) · Z cycles each for Z kept columns, and a few of fill. Prints, as Markdown:
1. the best shape of at most so many products a cycle, where blocks of positions end with their image, where they go on
   over a batch of images, and where an array of any shape takes outputs in one row (filters x positions);
2. the pairs within 3 % of both figures of which the 8-bit array is the 16-bit one with one side doubled;
3. what memory and drain take from the shapes that matter, by simulation.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.markdown import print_table
from dataflows.machines.structured import StructuredSpec
from dataflows.registry import create
from simulator.network_simulation import simulate
from simulator.reports.report import NetworkReport
from simulator.validation.figures import FigureSet
from workloads import pruning
from workloads.catalog import load_workload
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

KEPT = 0.336  # of VGG-16's products (Zhu et al., TVLSI 2020)
_FIGURES = {figure.id: figure.published for figure in FigureSet.read().figures}
PUBLISHED = {bits: _FIGURES[f"zhu-vgg-{bits}"] for bits in (16, 8)}  # executed GOP/s (the same)
# 1,350 DSP at 16 bit; at 8 bit two of the ZCU102's 2,520 DSP for each of at most 1,260 PEs. 1,260 at 16 bit would leave
# 90 DSP for other things and reach 98.3 % of peak at both precisions.
LIMITS = ((16, 1260), (16, 1350), (8, 2520))
IMAGES = (1, 4, 16)
WITHIN = 0.03
CLOCK_GHZ = StructuredSpec().clock_hz / 1e9  # type: ignore[call-arg]
FILL = StructuredSpec().fill_cycles  # type: ignore[call-arg]
ARRAYS = ((64, 21, 16), (32, 39, 16), (64, 39, 8))
LAYERS: tuple[Layer, ...] = load_workload("vgg16").select("conv*").layers
FREE = {"dram": {"bandwidth_gbs": float("inf"), "latency_ns": 0.0}, "drain_entries_per_cycle": 1 << 20}


def kept_columns(layer: Layer) -> int:
    """Z: columns of the weight matrix that shape-wise pruning keeps."""
    return round(KEPT * layer.weight_count / layer.out_channels)


def giga_operations(cycles: np.ndarray, images: int) -> np.ndarray:
    """Executed GOP/s of the convolutions, for cycles of so many images."""
    products = sum(layer.output_count * kept_columns(layer) for layer in LAYERS)
    return 2 * images * products * CLOCK_GHZ / cycles


def rectangular(filters: int, pixels: np.ndarray, images: int = 1) -> np.ndarray:
    """GOP/s of arrays of `filters` x each of `pixels`, whose blocks of positions go on over `images` images."""
    cycles = np.zeros(len(pixels))
    for layer in LAYERS:
        blocks = ceil_div(math.prod(layer.output_size) * images, pixels)
        cycles += ceil_div(layer.out_channels, filters) * blocks * kept_columns(layer) + FILL
    return giga_operations(cycles, images)


def in_one_row(products: int) -> float:
    """GOP/s of an array that takes a layer's outputs, filters x positions, in one row."""
    cycles = sum(ceil_div(layer.output_count, products) * kept_columns(layer) + FILL for layer in LAYERS)
    return float(giga_operations(np.array(cycles), 1))


@dataclass(frozen=True)
class Shape:
    """An array and its throughput."""

    filters: int
    pixels: int
    gops: float
    bits: int

    @property
    def deviation(self) -> float:
        """From the published figure of its bits, relative."""
        return self.gops / PUBLISHED[self.bits] - 1

    def __str__(self) -> str:
        return f"{self.filters} x {self.pixels} = {self.filters * self.pixels:,}"

    @property
    def figures(self) -> str:
        """Throughput and deviation."""
        return f"{self.gops:.1f} ({self.deviation:+.1%})"


def shapes(bits: int, limit: int, images: int) -> Iterator[Shape]:
    """Every array of at most `limit` products a cycle; more filters than the widest layer has are no use."""
    for filters in range(1, max(layer.out_channels for layer in LAYERS) + 1):
        pixels = np.arange(1, limit // filters + 1)
        for size, gops in zip(pixels.tolist(), rectangular(filters, pixels, images).tolist(), strict=True):
            yield Shape(filters, size, gops, bits)


def matching_pairs(images: int) -> list[tuple[Shape, Shape]]:
    """(16-bit array, 8-bit array with twice the filters or twice the positions), both within 3 %; the closest first."""
    (_, limit) = LIMITS[-1]
    found = []
    for wide in shapes(16, limit // 2, images):
        if abs(wide.deviation) > WITHIN:
            continue
        for filters, pixels in ((2 * wide.filters, wide.pixels), (wide.filters, 2 * wide.pixels)):
            narrow = Shape(filters, pixels, float(rectangular(filters, np.array([pixels]), images)[0]), 8)
            if abs(narrow.deviation) <= WITHIN:
                found.append((wide, narrow))
    return sorted(found, key=lambda pair: max(abs(shape.deviation) for shape in pair))


def simulated(filters: int, pixels: int, bits: int, settings: dict) -> NetworkReport:
    """The convolutions on the machine itself."""
    workload = load_workload("vgg16").select("conv*").prune(pruning.parse(f"shape:density={KEPT}"))
    array = {"output_channels_parallel": filters, "pixels_parallel": pixels, "value_bits": bits}
    (report,) = simulate([create("structured", array | settings)], workload)
    return report


def best_shapes() -> list[tuple]:
    """The fastest array by limit and mapping."""
    rows: list[tuple] = [
        ("bits", "products a cycle", *(f"blocks over {n} image{'s' * (n > 1)}" for n in IMAGES), "outputs in one row")
    ]
    for bits, limit in LIMITS:
        best = [max(shapes(bits, limit, images), key=lambda shape: shape.gops) for images in IMAGES]
        row = Shape(1, limit, in_one_row(limit), bits)
        rows.append((str(bits), f"{limit:,}", *(f"{shape}: {shape.figures}" for shape in best), row.figures))
    return rows


def pairs(most: int = 4) -> list[tuple]:
    """Pairs that match, by mapping."""
    rows: list[tuple] = [("blocks over", "pairs within 3 %", "16 bit", "GOP/s", "8 bit", "GOP/s")]
    for images in IMAGES:
        found = matching_pairs(images)
        for wide, narrow in found[:most]:
            rows.append((str(images), str(len(found)), str(wide), wide.figures, str(narrow), narrow.figures))
    return rows


def what_waits_take(arrays: Sequence[tuple[int, int, int]] = ARRAYS) -> list[tuple]:
    """Arrays by closed form, without and with memory and drain."""
    rows: list[tuple] = [("array", "bits", "closed form", "simulated", "waits for memory", "waits for drain")]
    for filters, pixels, bits in arrays:
        shape = Shape(filters, pixels, float(rectangular(filters, np.array([pixels]))[0]), bits)
        total = simulated(filters, pixels, bits, {"overlap": "none"}).total
        gops = float(giga_operations(np.array(total.cycles), 1))
        stack, whole = total.pe_cycle_stack, sum(total.pe_cycle_stack.values())
        waits = (f"{stack[cause] / whole:.1%}" for cause in ("memory", "drain"))
        rows.append((str(shape), str(bits), shape.figures, Shape(filters, pixels, gops, bits).figures, *waits))
    return rows


def what_overlap_gives_back(arrays: Sequence[tuple[int, int, int]] = ARRAYS) -> list[tuple]:
    """The same arrays with the network as one run: what is left of the waits when the next layer loads meanwhile."""
    rows: list[tuple] = [("array", "bits", "overlap", "simulated", "waits for memory", "waits for drain")]
    for filters, pixels, bits in arrays:
        for overlap in ("none", "serial", "weights", "tiles"):
            network = simulated(filters, pixels, bits, {"overlap": overlap}).network
            gops = float(giga_operations(np.array(network.cycles), 1))
            whole = sum(network.pe_cycle_stack.values())
            waits = (f"{network.pe_cycle_stack[cause] / whole:.1%}" for cause in ("memory", "drain"))
            shape = Shape(filters, pixels, gops, bits)
            rows.append((str(shape), str(bits), overlap, shape.figures, *waits))
    return rows


if __name__ == "__main__":
    print_table("Fastest arrays, executed GOP/s (against the published figure)", best_shapes())
    print_table("The same array at both precisions, one side doubled at 8 bit", pairs())
    print_table("What memory and drain take", what_waits_take())
    print_table("What is left of it with the network as one run", what_overlap_gives_back())
