"""Both Eyeriss machines' actions, counted one by one on the way through tiles, passes and waves."""

from collections import Counter
from itertools import product

from tests.dataflows.machines.eyeriss.eyeriss_twin import Eyeriss
from tests.dataflows.machines.eyeriss.eyeriss_v2_twin import EyerissV2
from tests.dataflows.machines.eyeriss.mapping_twin import up


def actions(walk, waves):
    """A Counter of (component, action), but for what follows from bytes."""
    did, m = Counter(), walk.m
    strips = [range(sum(waves[:i]), sum(waves[: i + 1])) for i in range(len(waves))]
    packs = range(up(walk.layer.groups, m.groups))
    rounds = range(up(up(walk.layer.group_out_channels, m.filters), m.blocks))
    passes = range(up(walk.entries(m.channels), m.depth))
    weights = 0
    for pack, image, strip in product(packs, range(walk.layer.batch), strips):
        for turn, number in product(rounds, passes):
            slots = walk.slots(pack, turn)
            held = walk.held(slots, number)
            weights += sum(stored(walk, one) for one in held.values())
            for wave in strip:
                run(walk, did, slots, held, image, wave * m.rows, number)
    did["weight_bus", "traverse"] = weights
    did["weight_spads", "write"] = up(weights, walk.macs)
    return did


def stored(walk, one):
    """Weights that a PE is given."""
    every = product(one.slot.filters, one.channels, one.taps)
    dense = isinstance(walk, Eyeriss)
    return sum(dense or walk.stored(k, c, one.kernel_row, s) for k, c, s in every)


def run(walk, did, slots, held, image, first, number):
    """A wave."""
    rows = min(walk.m.rows, walk.o * walk.p - first)
    big = "sum_buffer" if isinstance(walk, EyerissV2) else "input_buffer"
    taken = {}  # activations of a row, by cluster
    for (y, x), one in held.items():
        if one.slot.row >= rows:
            continue
        at = walk.row_read(first + one.slot.row, one.kernel_row)
        for _filter, _position in product(one.slot.filters, range(walk.q)):
            did["sum_spads", "read"] += 1  # sent down the chain
            did["sum_links", "traverse"] += 1
            did["adders", "add"] += 1
        cluster = (y // walk.spec.pe_rows, x // walk.spec.pe_columns) if isinstance(walk, EyerissV2) else 0
        if at is not None:
            words = row_words(walk, one, image, at)
            did["input_bus", "traverse"] += words
            did["input_spads", "write"] += words
            taken[(cluster, one.slot.group, one.block, *at)] = words
        pe(walk, did, one, image, at)
    did["input_buffer", "read"] += sum(taken.values())
    for slot in slots.values():
        if slot.row < rows:
            words = len(slot.filters) * walk.q * (up(walk.spec.sum_bits, walk.spec.value_bits) if big[0] == "i" else 1)
            did[big, "write"] += words
            did[big, "read"] += words if number else 0


def row_words(walk, one, image, at):
    if isinstance(walk, Eyeriss):
        return len(one.channels) * walk.layer.input_size[2]
    places = product(one.channels, range(walk.layer.input_size[2]))
    return sum(walk.activation(image, one, c, at, w) for c, w in places)


def pe(walk, did, one, image, at):
    """What a PE does with its scratchpads."""
    layer = walk.layer
    for q, c, s in product(range(walk.q), one.channels, one.taps):
        w = q * layer.stride[2] + s * layer.dilation[2] - layer.padding[2][0]
        inside = at is not None and 0 <= w < layer.input_size[2]
        channel = one.slot.group * layer.group_in_channels + c
        here = inside and bool(walk.activations[(image, channel, *at, w)])
        weights = [bool(walk.weights[(k, c, *one.kernel_row, s)]) for k in one.slot.filters]
        if isinstance(walk, EyerissV2):
            did["input_spads", "read"] += here
            did["weight_addresses", "read"] += here
            did["weight_spads", "read"] += up(sum(weights), walk.macs) if here else 0
            products = sum(weights) if here else 0
            did["multipliers", "multiply"] += products
        else:
            did["input_spads", "read"] += len(weights)
            products = len(weights) if here else 0
            did["weight_spads", "read"] += products
            did["multipliers", "multiply"] += sum(weights) if here else 0
            did["multipliers", "multiply_zero"] += products - (sum(weights) if here else 0)
            did["multipliers", "gate"] += len(weights) - products
        did["adders", "add"] += products
        did["sum_spads", "read"] += products
        did["sum_spads", "write"] += products
