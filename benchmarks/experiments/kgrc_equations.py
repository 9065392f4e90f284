"""The published closed form of the 3-D machine KGRC, with every choice it leaves open as an option of a reading.

Source: Sun et al., IEEE TCAD 2024 (the equations in the docstring of the machine, sizes of Table V). Everything is
counted from a layer's shape and ratios alone, without a mask, a schedule or events, so that hundreds of readings of the
same equations can be compared in seconds. `SHIPPED` is the reading that dataflows/machines/kgrc implements.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache
from itertools import product

from dataflows.machines.kgrc.kgrc import KgrcSpec
from dataflows.tiling.windows import places_read
from workloads.catalog import load_workload
from workloads.layer import Layer
from workloads.pruning.methods.kernel_groups.group_ratios import load_ratios
from workloads.whole_numbers import ceil_div

# Options of each choice, the shipped one first. Cycles of starts are constants, not options.
OPTIONS: dict[str, tuple[str, ...]] = {
    # Bin = Bwgt = Bout: a port of so many bits, or of so many values whatever their bits
    "ports": ("128 bits", "64 bits", "256 bits", "8 values", "16 values"),
    # TinF: the rows inside the map that a window reads, all rows between the first and the last, padding too, or TF
    "inputs": ("read in the map", "spanned in the map", "spanned", "without halo"),
    "input_loads": ("once per TN channels", "once per TK positions"),
    "weight_loads": ("kept rows", "all rows"),  # whether 1-RR stands in Lwgt
    "positions": ("of every TK", "gathered"),  # kept positions of TK, or gathered from the kernel into full chunks
    "first_load": ("longest chunk", "all chunks of a kernel", "hidden"),  # the Lcmpt that is added once a tile
    "edges": ("real size", "full tiles"),
    "stores": ("beside the next tile", "after each tile"),
    "row_sums": ("free", "one bank per parallel row", "through the ports"),  # sums of rows that differ by group
    "starts": ("beside loads", "after loads"),  # whether loads go on while a chunk starts
    # lists that a chunk reads before it computes, an entry a cycle: none; of what the layer drops; of positions always
    # and of rows unless the layer drops positions alone; of both always
    "lists": ("hidden", "dropped only", "unless positions alone", "both"),
}


@dataclass(frozen=True)
class Reading:
    """One option of each choice, and constant cycles for starting a chunk of TK positions.

    dense_cycles and sparse_cycles by the design; row_cycles more in layers that drop rows
    """

    ports: str = "128 bits"
    inputs: str = "read in the map"
    input_loads: str = "once per TN channels"
    weight_loads: str = "kept rows"
    positions: str = "of every TK"
    first_load: str = "longest chunk"
    edges: str = "real size"
    stores: str = "beside the next tile"
    row_sums: str = "free"
    starts: str = "beside loads"
    lists: str = "hidden"
    dense_cycles: int = 8
    sparse_cycles: int = 20
    row_cycles: int = 48


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
def _layers(network: str, pattern: str) -> tuple[tuple[Layer, float, float, int], ...]:
    """Each distinct layer with its ratios of rows and positions, and how often the network has it."""
    ratios, found = load_ratios(network), Counter()
    for layer in load_workload(network).layers:
        if layer.name in ratios and fnmatch(layer.name, pattern):
            own = ratios[layer.name]
            found[replace(layer, name="layer"), own["kgr"], own["kgc"]] += 1
    return tuple((*key, count) for key, count in found.items())


def latency_ms(network: str, design: Design, reading: Reading, pattern: str = "*") -> float:
    """Milliseconds of a network's convolutions whose names match the pattern."""
    cycles = sum(
        count * layer_cycles(layer, rows, positions, design, reading)
        for layer, rows, positions, count in _layers(network, pattern)
    )
    return 1000 * cycles / design.spec.clock_hz


@cache
def layer_cycles(layer: Layer, row_ratio: float, position_ratio: float, design: Design, reading: Reading) -> int:
    """Cycles of a layer of which the prunings KGR and KGC divide the operations by these ratios."""
    return _LayerForm(layer, row_ratio, position_ratio, design, reading).cycles


def _parts(total: int, size: int) -> Iterator[tuple[int, int]]:
    """(how many, of which size): whole parts, then the rest."""
    yield total // size, size
    if total % size:
        yield 1, total % size


@cache
def _box_sides(layer: Layer, axis: int, size: int, inputs: str) -> Counter[tuple[int, int]]:
    """How many boxes have which outputs and loaded inputs on an axis."""
    sides, total, stride = Counter(), layer.output_size[axis], layer.stride[axis]
    for start in range(0, total, size):
        outputs = range(start, min(start + size, total))
        read, last = places_read(layer, axis, outputs), axis == layer.axes - 1
        loaded = {
            "read in the map": int(read[-1] - read[0]) + 1 if last else len(read),
            "spanned in the map": int(read[-1] - read[0]) + 1,
            "spanned": (len(outputs) - 1) * stride + layer.kernel_size[axis],
            "without halo": len(outputs),
        }[inputs]
        sides[len(outputs), loaded] += 1
    return sides


class _LayerForm:
    """The equations of one layer; names as in the paper."""

    def __init__(self, layer: Layer, row_ratio: float, position_ratio: float, design: Design, reading: Reading) -> None:
        self.layer, self.spec, self.reading = layer, design.spec, reading
        self.row_ratio = row_ratio if design.pruning in {"kgr", "kgrc"} else 1.0
        self.column_ratio = position_ratio if design.pruning in {"kgc", "kgrc"} else 1.0
        unit, value = reading.ports.split()[::-1]
        self.port = int(value) if unit == "values" else max(1, int(value) // design.bits)
        self.rows = round(self.spec.group_filters / self.row_ratio)

    @property
    def cycles(self) -> int:
        layer, spec, reading = self.layer, self.spec, self.reading
        sizes = spec.depth_per_tile, spec.rows_per_tile, spec.columns_per_tile
        full, sides = reading.edges == "full tiles", []
        for axis, size in enumerate(sizes):
            counted = _box_sides(layer, axis, size, reading.inputs)
            if full:
                span = (size - 1) * layer.stride[axis] + layer.kernel_size[axis]
                counted = Counter({(size, size if reading.inputs == "without halo" else span): counted.total()})
            sides.append(counted.items())
        total = last = 0
        for box in product(*sides):
            boxes, outputs, loaded = (
                math.prod(values) for values in zip(*((count, out, read) for (out, read), count in box), strict=True)
            )
            for count, filters in _parts(layer.out_channels, spec.filters_per_tile):
                size = spec.filters_per_tile if full else filters
                total += boxes * count * self._tile(size, outputs, loaded)
                last = self._store(size, outputs)
        return total + last

    def _chunks(self) -> list[int]:
        """Kept positions of the chunks of a kernel."""
        positions, size = math.prod(self.layer.kernel_size), self.spec.positions_per_tile
        if self.reading.positions == "gathered":
            kept = round(positions / self.column_ratio)
            return [part for count, part in _parts(kept, size) for _ in range(count)]
        return [round(part / self.column_ratio) for count, part in _parts(positions, size) for _ in range(count)]

    def _compute(self, kept: int, outputs: int) -> int:
        """Lcmpt of a chunk."""
        spec = self.spec
        rows = spec.group_filters if self.reading.row_sums == "one bank per parallel row" else self.rows
        passes = ceil_div(rows, spec.rows_parallel)
        return ceil_div(outputs, spec.pixels_parallel) * ceil_div(kept, spec.positions_parallel) * passes

    def _load_inputs(self, channels: int, loaded: int) -> int:
        return ceil_div(channels, self.spec.channel_ports) * ceil_div(loaded, self.port)

    def _store(self, filters: int, outputs: int) -> int:
        return ceil_div(filters, self.spec.channel_ports) * ceil_div(outputs, self.port)

    def _start(self, kept: int) -> int:
        """Cycles that a chunk takes before it computes."""
        drops_rows, drops_positions = self.row_ratio > 1, self.column_ratio > 1
        if self.spec.design == "dense":
            return self.reading.dense_cycles
        by_row, by_position = {
            "hidden": (False, False),
            "dropped only": (drops_rows, drops_positions),
            "unless positions alone": (drops_rows or not drops_positions, True),
            "both": (True, True),
        }[self.reading.lists]
        entries = self.spec.row_groups * (self.rows * by_row + kept * by_position)
        return entries + self.reading.sparse_cycles + self.reading.row_cycles * drops_rows

    def _step(self, channels: int, filters: int, outputs: int, loaded: int) -> int:
        """All kernel positions of TN channels."""
        spec, reading = self.spec, self.reading
        kernels = filters * channels / (1 if reading.weight_loads == "all rows" else self.row_ratio)
        inputs, per_chunk = self._load_inputs(channels, loaded), reading.input_loads == "once per TK positions"
        total = 0
        for kept in self._chunks():
            weights = math.ceil(kernels / spec.channel_ports) * ceil_div(kept, self.port)
            loads, start, compute = max(weights, inputs * per_chunk), self._start(kept), self._compute(kept, outputs)
            total += max(start + compute, loads) if reading.starts == "beside loads" else start + max(compute, loads)
        sums = (
            2 * self._store(filters, outputs) if reading.row_sums == "through the ports" and self.row_ratio > 1 else 0
        )
        return max(total, inputs * (not per_chunk), sums)

    def _tile(self, filters: int, outputs: int, loaded: int) -> int:
        computed = [self._compute(kept, outputs) for kept in self._chunks()]
        first = {"longest chunk": max(computed), "all chunks of a kernel": sum(computed), "hidden": 0}
        steps = _parts(self.layer.in_channels, self.spec.channels_per_tile)
        work = sum(count * self._step(channels, filters, outputs, loaded) for count, channels in steps if count)
        work += first[self.reading.first_load]
        store = self._store(filters, outputs)
        return work + store if self.reading.stores == "after each tile" else max(work, store)
