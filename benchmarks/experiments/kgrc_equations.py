"""The published closed form of the 3-D machine KGRC, with every choice it leaves open as an option of a reading.

Source: Sun et al., IEEE TCAD 2024 (the equations in the docstring of dataflows/kgrc.py, sizes of Table V). Everything
is counted from a layer's shape and ratios alone, without a mask, a schedule or events, so that thousands of readings
of the same equations can be compared in seconds. `SHIPPED` is the reading that dataflows/kgrc.py implements.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from dataflows.kgrc import KgrcSpec
from workloads.layer import Layer
from workloads.pruning.group_ratios import load_ratios
from workloads.workload import load_workload

# Options of each choice, the shipped one first. `step_cycles` and the two after it are constants, not options.
OPTIONS: dict[str, tuple[str, ...]] = {
    # Bin = Bwgt = Bout: a port of so many bits, or of so many values whatever their bits
    "ports": ("64 bits", "32 bits", "128 bits", "256 bits", "4 values", "8 values"),
    "inputs": ("with halo", "without halo"),  # TinF
    "input_loads": ("once per TN channels", "once per TK positions"),
    "weight_loads": ("kept rows", "all rows"),  # whether 1-RR stands in Lwgt
    "positions": ("of every TK", "gathered"),  # kept positions of TK, or gathered from the kernel into full steps
    "first_load": ("last step", "all steps of a kernel", "hidden"),  # the Lcmpt that is added once a tile
    "edges": ("real size", "full tiles"),
    "stores": ("beside the next tile", "after each tile"),
    "row_sums": ("free", "one bank per parallel row", "through the ports"),  # sums of rows that differ by group
    # lists of kept positions and rows that a step reads before it computes, an entry a cycle: positions always, and
    # rows unless the layer drops positions alone; none; the same by what the network drops; what the layer drops; both
    "lists": ("by the layer", "hidden", "by the network", "dropped only", "both"),
}


@dataclass(frozen=True)
class Reading:
    """One option of each choice. A step may cost constant cycles beside.

    step_cycles  in every design, row_cycles more in layers whose rows are pruned; both once for each `cost_per`
    """

    ports: str = "64 bits"
    inputs: str = "with halo"
    input_loads: str = "once per TN channels"
    weight_loads: str = "kept rows"
    positions: str = "of every TK"
    first_load: str = "last step"
    edges: str = "real size"
    stores: str = "beside the next tile"
    row_sums: str = "free"
    lists: str = "by the layer"
    step_cycles: int = 0
    row_cycles: int = 0
    cost_per: str = "TK positions"


SHIPPED = Reading()


@dataclass(frozen=True)
class Design:
    """A published design point: what is pruned ("dense", "kgr", "kgc", "kgrc") and the bits of a value."""

    pruning: str
    bits: int

    @property
    def spec(self) -> KgrcSpec:
        """The sizes of Table V."""
        return _spec("dense" if self.pruning == "dense" else "sparse", self.bits)


@cache
def _spec(design: str, bits: int) -> KgrcSpec:
    return KgrcSpec.model_validate({"design": design, "value_bits": bits})


@cache
def _layers(network: str) -> tuple[tuple[Layer, dict[str, float]], ...]:
    ratios = load_ratios(network)
    return tuple((layer, ratios[layer.name]) for layer in load_workload(network).layers if layer.name in ratios)


def _parts(total: int, size: int) -> Iterator[tuple[int, int]]:
    """(how many, of which size): whole parts, then the rest."""
    yield total // size, size
    if total % size:
        yield 1, total % size


def layer_cycles(layer: Layer, ratios: dict[str, float], design: Design, reading: Reading) -> int:
    """Cycles of a layer whose prunings KGR and KGC divide the operations by these ratios."""
    return _LayerForm(layer, ratios, design, reading).cycles


def latency_ms(network: str, design: Design, reading: Reading) -> float:
    """Milliseconds of a network's convolutions."""
    cycles = sum(layer_cycles(layer, ratios, design, reading) for layer, ratios in _layers(network))
    return 1000 * cycles / design.spec.clock_hz


class _LayerForm:
    """The equations of one layer; names as in the paper."""

    def __init__(self, layer: Layer, ratios: dict[str, float], design: Design, reading: Reading) -> None:
        self.layer, self.spec, self.reading = layer, design.spec, reading
        row_ratio, column_ratio = ratios["kgr"], ratios["kgc"]
        self.network_drops_rows = design.pruning in {"kgr", "kgrc"}
        self.row_ratio = row_ratio if self.network_drops_rows else 1.0
        self.column_ratio = column_ratio if design.pruning in {"kgc", "kgrc"} else 1.0
        unit, value = reading.ports.split()[::-1]
        self.port = int(value) if unit == "values" else max(1, int(value) // design.bits)
        spec, full = self.spec, reading.edges == "full tiles"
        self.sizes = spec.depth_per_tile, spec.rows_per_tile, spec.columns_per_tile
        self.box = [size if full else min(out, size) for out, size in zip(layer.output_size, self.sizes, strict=True)]
        self.outputs = math.prod(self.box)
        self.rows = round(spec.group_filters / self.row_ratio)

    @property
    def cycles(self) -> int:
        layer, spec = self.layer, self.spec
        boxes = math.prod(-(-out // size) for out, size in zip(layer.output_size, self.sizes, strict=True))
        full = self.reading.edges == "full tiles"
        filters = list(_parts(layer.out_channels, spec.filters_per_tile))
        return sum(
            boxes * count * self._tile(spec.filters_per_tile if full else size) for count, size in filters
        ) + self._store(min(layer.out_channels, spec.filters_per_tile))

    def _chunks(self) -> list[tuple[int, int]]:
        """(kept positions, positions spanned) of the steps of a kernel."""
        positions, size = math.prod(self.layer.kernel_size), self.spec.positions_per_tile
        if self.reading.positions == "gathered":
            kept = round(positions / self.column_ratio)
            return [(part, positions) for count, part in _parts(kept, size) for _ in range(count)]
        parts = [part for count, part in _parts(positions, size) for _ in range(count)]
        return [(round(part / self.column_ratio), part) for part in parts]

    def _compute(self, kept: int) -> int:
        """Lcmpt of a step."""
        spec = self.spec
        rows = spec.group_filters if self.reading.row_sums == "one bank per parallel row" else self.rows
        passes = -(-rows // spec.rows_parallel)
        return -(-self.outputs // spec.pixels_parallel) * -(-kept // spec.positions_parallel) * passes

    def _load_inputs(self, channels: int, taps: tuple[int, ...]) -> int:
        """Lin for the window of so many taps on each axis."""
        box = self.box
        if self.reading.inputs == "with halo":
            box = [(side - 1) * stride + tap for side, stride, tap in zip(box, self.layer.stride, taps, strict=True)]
        return -(-channels // self.spec.channel_ports) * -(-math.prod(box) // self.port)

    def _store(self, filters: int) -> int:
        return -(-filters // self.spec.channel_ports) * -(-self.outputs // self.port)

    @property
    def _start_cost(self) -> int:
        return self.reading.step_cycles + self.reading.row_cycles * (self.row_ratio > 1)

    def _lists(self) -> tuple[bool, bool]:
        """Whether a step reads lists of rows, and of positions."""
        drops_rows, drops_positions = self.row_ratio > 1, self.column_ratio > 1
        if self.spec.design == "dense":
            return False, False
        return {
            "by the layer": (drops_rows or not drops_positions, True),
            "hidden": (False, False),
            "by the network": (self.network_drops_rows, True),
            "dropped only": (drops_rows, drops_positions),
            "both": (True, True),
        }[self.reading.lists]

    def _cost(self, kept: int) -> int:
        """Cycles that a step takes beside its computation."""
        by_row, by_position = self._lists()
        entries = self.spec.row_groups * (self.rows * by_row + kept * by_position)
        return entries + self._start_cost * (self.reading.cost_per == "TK positions")

    def _step(self, channels: int, filters: int, chunks: list[tuple[int, int]]) -> int:
        """All kernel positions of TN channels."""
        spec, reading, kernel = self.spec, self.reading, self.layer.kernel_size
        all_rows = reading.weight_loads == "all rows"
        kernels = filters * channels / (1 if all_rows else self.row_ratio)
        per_chunk = reading.input_loads == "once per TK positions"
        total = 0
        for kept, spanned in chunks:
            weights = math.ceil(kernels / spec.channel_ports) * -(-kept // self.port)
            slice_taps = (max(1, spanned // math.prod(kernel[1:])), *kernel[1:])
            inputs = self._load_inputs(channels, slice_taps) if per_chunk else 0
            total += max(self._compute(kept) + self._cost(kept), weights, inputs)
        sums = 2 * self._store(filters) if reading.row_sums == "through the ports" and self.row_ratio > 1 else 0
        return max(total, 0 if per_chunk else self._load_inputs(channels, kernel), sums)

    def _tile(self, filters: int) -> int:
        reading, chunks = self.reading, self._chunks()
        steps = list(_parts(self.layer.in_channels, self.spec.channels_per_tile))
        repeats = {"TK positions": 0, "TN channels": sum(count for count, _ in steps), "tile": 1}[reading.cost_per]
        waits = [self._compute(kept) for kept, _ in chunks]
        first = {"last step": waits[-1], "all steps of a kernel": sum(waits), "hidden": 0}[reading.first_load]
        work = sum(count * self._step(channels, filters, chunks) for count, channels in steps if count)
        work += first + self._start_cost * repeats
        store = self._store(filters)
        return work + store if reading.stores == "after each tile" else max(work, store)
