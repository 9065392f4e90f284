"""Which accumulator addresses lose to banks what SCNN's published bars leave open.

    python -m benchmarks.experiments.scnn_addresses

A speedup's bar over the product of its layer's oracle, utilization of busy PEs and PEs that are not idle (figures 9
and 10) leaves what bank conflicts may take of the working PEs' cycles. Every address layout here, with the weights of a
block ordered by output channel or by position, and with several queue depths, sends the products of one inner PE, a few
channels and one group of output channels to 32 banks. Prints a Markdown table of those that come nearest, and of the
machine's own.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

from benchmarks.experiments.scnn_bars import LAYERS, published
from benchmarks.markdown import print_table
from dataflows.machines.scnn.bank_queues import WORK_COUNTS, Counted, QueueRules, mixed_banks, run_groups
from dataflows.machines.scnn.bit_strings import bit_string
from dataflows.machines.scnn.nonzero_lists import NonzeroLists, as_bytes
from dataflows.machines.scnn.planar_schedule import plan_of
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from workloads.catalog import load_workload

SPEC = ScnnSpec()  # type: ignore[call-arg]
PE = 3 * SPEC.pe_columns + 3  # an inner one, whose tile is whole
CHANNELS = 48
DEPTHS = (0, 1, 4, 5, 8)
ORDERS = ("channel", "position")
OWN = ("channel, row, column", "channel", SPEC.queue_depth)
SHOWN = 6

Layout = Callable[..., np.ndarray]


def _power(size: int) -> int:
    return 1 << (size - 1).bit_length()


LAYOUTS: dict[str, Layout] = {
    "channel, row, column": lambda k, y, x, rows, columns, _: (k * rows + y) * columns + x,
    "likewise, rows padded to a power of 2": lambda k, y, x, rows, columns, _: (k * rows + y) * _power(columns) + x,
    "likewise, rows and channels padded": lambda k, y, x, rows, columns, _: (
        (k * _power(rows) + y) * _power(columns) + x
    ),
    "channel, column, row": lambda k, y, x, rows, columns, _: (k * columns + x) * rows + y,
    "row, channel, column": lambda k, y, x, _, columns, channels: (y * channels + k) * columns + x,
    "column, channel, row": lambda k, y, x, rows, _, channels: (x * channels + k) * rows + y,
    "row, column, channel": lambda k, y, x, _, columns, channels: (y * columns + x) * channels + k,
    "likewise, rows padded": lambda k, y, x, _, columns, channels: (y * _power(columns) + x) * channels + k,
    "row, column": lambda k, y, x, _, columns, __: y * columns + x + 0 * k,
    "row, column, padded": lambda k, y, x, _, columns, __: y * _power(columns) + x + 0 * k,
    "column, row": lambda k, y, x, rows, _, __: x * rows + y + 0 * k,
    "row, column, plus channel": lambda k, y, x, _, columns, __: y * columns + x + k,
    "sum of the three": lambda k, y, x, *_: k + y + x,
    "exclusive or of the three": lambda k, y, x, *_: k ^ y ^ x,
    "column of 8 channels": lambda k, y, x, *_: 8 * x + k + 0 * y,
    "channel of 4 columns": lambda k, y, x, *_: 4 * k + x % 4 + 0 * y,
    "channel of 2 x 2": lambda k, y, x, *_: 4 * k + 2 * (y % 2) + x % 2,
    "first one, with its high bits folded in": lambda k, y, x, rows, columns, _: _folded((k * rows + y) * columns + x),
}


def _folded(address: np.ndarray) -> np.ndarray:
    return address ^ (address >> 5)


@cache
def layers() -> dict[str, tuple[NonzeroLists, NonzeroLists, tuple[int, int]]]:
    """By name, as the bars have it: the lists of one PE and of one group, and the region of the PE's tile."""
    found = {}
    for group, workload in zip(LAYERS, ("alexnet@scnn", "vgg16@scnn"), strict=True):
        loaded = load_workload(workload)
        for index, layer in enumerate(loaded.layers):
            # AlexNet's conv2 is listed as its two groups, of which the first one stands for both.
            name = f"{group} {layer.name.removesuffix('_1') if group == 'AlexNet' else layer.name}"
            plan, trace = plan_of(SPEC, layer), loaded.trace(index)
            assert plan is not None
            channels = min(CHANNELS, layer.group_in_channels)
            weights = as_bytes(trace.weight_mask[: plan.group_channels, :channels])
            maps = as_bytes(trace.activation_mask[0, :channels])
            stored = NonzeroLists.of_activations(maps, plan, plan.windows(0)[_row(plan.pes(0))], SPEC.activation_rules)
            block = NonzeroLists.of_weights(
                weights.reshape(*weights.shape[:2], -1), plan, range(1), 1, SPEC.weight_rules, bit_string(weights)
            )
            found.setdefault(name, (stored, block, plan.region))
    return {name: lists for name, lists in found.items() if name in left_open()}


def _row(pes: np.ndarray) -> slice:
    row = int(np.flatnonzero(pes == PE)[0])
    return slice(row, row + 1)


@cache
def left_open() -> dict[str, float]:
    """By layer: the share of working PEs' cycles that neither empty lanes nor idle PEs explain."""
    chosen, bars = published(), {}
    for group, drawings in LAYERS.items():
        for figure in chosen.figures:
            if figure.drawing in drawings:
                place = f"{group} {chosen.drawings[figure.drawing].place_of(figure)}"
                bars.setdefault(place, {})[figure.metric] = figure.published
    return {
        name: 1 - bar["speedup"] / (bar["oracle_speedup"] * bar["busy_utilization"] * (1 - bar["idle"]))
        for name, bar in bars.items()
    }


def by_position(block: NonzeroLists, area: int) -> NonzeroLists:
    """The weights of each channel ordered by kernel position, channels fastest; placeholders last."""
    offset = block.offset.copy()
    for low, high in zip(block.start[0, :-1], block.start[0, 1:], strict=True):
        entries = offset[low:high]
        offset[low:high] = entries[np.lexsort((entries // area, entries % area, entries < 0))]
    return NonzeroLists(block.start, offset)


def lost_to_banks(name: str, layout: str, order: str, depth: int) -> float:
    """The share of a PE's cycles in a layer that are bank conflicts."""
    stored, block, (rows, columns) = layers()[name]
    channels, banks = SPEC.output_channel_group, SPEC.accumulator_banks
    if order == "position":
        block = by_position(block, rows * columns)
    if layout == "mix":
        bank_of = mixed_banks(channels, (rows, columns), banks)
    else:
        k, y, x = np.ogrid[:channels, :rows, :columns]
        address = np.broadcast_to(LAYOUTS[layout](k, y, x, rows, columns, channels), (channels, rows, columns))
        bank_of = (address % banks).astype(np.uint32).reshape(-1)
    # Weights are there before they are needed: what is asked for is conflicts alone.
    rules = QueueRules(SPEC.weights_per_vector, SPEC.activations_per_vector, banks, True, depth, 1 << 40)
    work = np.zeros((1, 1, WORK_COUNTS), np.int64)
    run_groups(stored, block, rules, bank_of, work)
    own = work[0, 0]
    return float(own[Counted.BANK_CONFLICT] / own[[Counted.BUSY, Counted.INDEX, Counted.BANK_CONFLICT]].sum())


def distance(lost: Sequence[float], wanted: Sequence[float]) -> float:
    """Mean difference; a bar that stands above its product leaves nothing to banks."""
    return float(np.mean([abs(one - max(0.0, other)) for one, other in zip(lost, wanted, strict=True)]))


def table() -> Iterator[Sequence[str]]:
    """The nearest layouts, the machine's own, and what the bars leave open."""
    wanted = left_open()
    names = [name for name in wanted if name in layers()]
    found = {
        (layout, order, depth): [lost_to_banks(name, layout, order, depth) for name in names]
        for layout in (*LAYOUTS, "mix") for order in ORDERS for depth in DEPTHS
    }  # fmt: skip
    target = [wanted[name] for name in names]
    ranked = sorted(found, key=lambda key: distance(found[key], target))
    yield ("addresses", "weights by", "queue", "distance", *names)
    yield ("left open by the bars", "", "", "", *(f"{share:.2f}" for share in target))
    for key in dict.fromkeys((*ranked[:SHOWN], OWN)):
        layout, order, depth = key
        yield (layout, order, str(depth), f"{distance(found[key], target):.3f}", *(f"{s:.2f}" for s in found[key]))


if __name__ == "__main__":
    print_table("Share of the PE-cycles in which banks hold a PE up", table())
