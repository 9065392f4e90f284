"""The kernels of chains of PEs: what each PE does in every load of weights and in every wave of output rows.

A pass of a strip loads weights and then goes through the strip wave by wave; PEs meet at the end of each. What a PE
takes in a wave is a sum over its channels and taps: activations that the tap finds non-zero in the row, times the
cycles that the weights take which they meet. So rows are counted once, and weights once, and never both position by
position.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.schedule import Cause

_BUSY, _INDEX, _IMBALANCE, _PORT, _UNMAPPED = (
    int(cause) for cause in (Cause.BUSY, Cause.INDEX, Cause.IMBALANCE, Cause.PORT, Cause.UNMAPPED)
)


class Chains(NamedTuple):
    """How a layer lies on the array; all whole numbers.

    columns       of the array's PEs
    sets          chains that the array has room for
    depth         PEs of a chain
    rows, blocks, groups   output rows, filter blocks and groups side by side
    channels, taps         of the block of a PE
    tap_blocks, entries    blocks of taps; blocks of weights of a filter block
    group_blocks           filter blocks of a group
    """

    columns: int
    sets: int
    depth: int
    rows: int
    blocks: int
    groups: int
    channels: int
    taps: int
    tap_blocks: int
    entries: int
    group_blocks: int


# What stands in the rows of the table of chains that are in use in a round: which groups and filter blocks they belong
# to, their output row in a wave, their first PE, their place among the blocks side by side and their group there, and
# the port beside which they stand, of those for weights.
_GROUP, _BLOCK, _ROW, _PE, _PLACE, _OWN_GROUP, _ROUTER = range(7)
_WAVES, _INPUTS, _WEIGHTS, _SUMS = range(4)  # what is counted on the way


class Ports(NamedTuple):
    """What reaches the PEs of a cluster (rows x columns of them) in a cycle; all whole numbers.

    pooled   1: the cluster has one port each for weights and sums; 0: each of its rows has one for weights, each of its
             columns one for sums
    beside   1: weights are loaded beside the waves of their pass; 0: before them
    empty    cycles of an activation that meets no non-zero weight in a PE
    """

    rows: int
    columns: int
    weights: int
    inputs: int
    sums: int
    pooled: int
    beside: int
    empty: int


class Counted(NamedTuple):
    """A layer's rows and weights, counted.

    read        int64 ([O·]P, [T·]R): the input row ([d,] h) that a kernel row of an output row reads; where it lies
                outside the map the number of input rows, which stands for none
    taken       int32 (N, input rows + 1, C·S): activations of a row that a tap meets, over all positions
    words       int32 (N, input rows + 1, C): activations of a row that a port has to bring; none of the last
    weights     uint8 or int32 (G, filter blocks, [T·]R, C/G·S): weights that an activation meets in a PE
    cost        int64 (most weights + 1,): cycles that an activation takes with so many
    channels, kernel_taps   C/G and S
    filters     int64 (filter blocks,): filters of each block
    positions   Q
    """

    read: np.ndarray
    taken: np.ndarray
    words: np.ndarray
    weights: np.ndarray
    cost: np.ndarray
    channels: int
    kernel_taps: int
    filters: np.ndarray
    positions: int


@kernel
def chain_steps(
    chains: Chains,
    ports: Ports,
    layer: Counted,
    first_wave: np.ndarray,
    cycles: np.ndarray,
    issued: np.ndarray,
) -> np.ndarray:
    """Fill cycles (packs, N, strips, PEs, CAUSES) and issued (packs, N, strips, PEs).

    first_wave  int64 (strips + 1,): where the waves of each strip begin, and the last ends
    Returns int64 (4,): the waves of all passes, and the words that passed the ports of activations, weights and sums.
    """
    packs, images, strips, pes = issued.shape
    across = chains.columns // ports.columns
    cluster = np.empty(pes, np.int64)
    for pe in range(pes):
        cluster[pe] = pe // chains.columns // ports.rows * across + pe % chains.columns // ports.columns
    room = np.zeros(pes // ports.rows, np.int64)  # a port for each column of a cluster
    table = np.zeros((7, chains.sets), np.int64)
    mapped, own = np.zeros(pes, np.int64), np.zeros(pes, np.int64)
    channel_blocks = chains.entries // (layer.read.shape[1] * chains.tap_blocks)
    # When a row of a channel block was last brought to a cluster: the number of the wave, so that nothing is cleared.
    keys = chains.groups * channel_blocks * layer.words.shape[1]
    brought = np.zeros((pes // (ports.rows * ports.columns), keys), np.int64)
    passed = np.zeros(4, np.int64)
    for pack in range(packs):
        for image in range(images):
            for strip in range(strips):
                counted, products = cycles[pack, image, strip], issued[pack, image, strip]
                waves = first_wave[strip], first_wave[strip + 1]
                taken = 0
                for around in range(-(-chains.group_blocks // chains.blocks)):
                    used = _use(chains, ports, layer.weights.shape[0], pack, around, table)
                    scratch = (table[:, :used], mapped, own, room, brought, cluster, passed)
                    for through in range(-(-chains.entries // chains.depth)):
                        taken += _pass(chains, ports, layer, image, through, waves, scratch, counted, products)
                for pe in range(pes):
                    counted[pe, _UNMAPPED] = taken - counted[pe].sum()
    return passed


@kernel
def _use(chains: Chains, ports: Ports, groups: int, pack: int, around: int, table: np.ndarray) -> int:
    """How many chains are in use in a round of filter blocks; fills `table`."""
    used = 0
    for slot in range(min(chains.sets, chains.groups * chains.blocks * chains.rows)):
        place = slot // chains.rows
        group = pack * chains.groups + place // chains.blocks
        block = around * chains.blocks + place % chains.blocks
        if group >= groups or block >= chains.group_blocks:
            continue
        table[_GROUP, used], table[_BLOCK, used], table[_ROW, used] = group, block, slot % chains.rows
        table[_PE, used] = slot // chains.columns * chains.depth * chains.columns + slot % chains.columns
        table[_PLACE, used], table[_OWN_GROUP, used] = place, place // chains.blocks
        # A row of a cluster has a port of its own; a pooled one serves all.
        table[_ROUTER, used] = 0 if ports.pooled else slot // ports.columns
        used += 1
    return used


@kernel
def _pass(
    chains: Chains,
    ports: Ports,
    layer: Counted,
    image: int,
    through: int,
    waves: tuple[int, int],
    scratch: tuple[np.ndarray, ...],
    cycles: np.ndarray,
    issued: np.ndarray,
) -> int:
    """Cycles of a pass of a strip, its load of weights included."""
    table, mapped, own, room, brought, cluster, passed = scratch
    load = _load(chains, ports, layer, through, table, passed)
    length = 0
    for wave in range(waves[0], waves[1]):
        passed[_WAVES] += 1
        room[:] = 0
        many = _work(
            chains, ports, layer, image, through, wave, table, mapped, own, room, brought, cluster, passed[_WAVES],
            cycles, issued,
        )  # fmt: skip
        inputs = _port_cycles(room.max(), ports.inputs)
        passed[_INPUTS] += room.sum()
        most = own[:many].max() if many else 0
        ended = max(most, inputs, _sums(chains, ports, layer, wave, table, room, cluster))
        passed[_SUMS] += room.sum()
        length += ended
        for at in range(many):
            cycles[mapped[at], _IMBALANCE] += most - own[at]
            cycles[mapped[at], _PORT] += ended - most
    waits = max(0, load - length) if ports.beside else load
    for position in range(min(chains.depth, chains.entries - through * chains.depth)):
        for at in range(table.shape[1]):
            cycles[table[_PE, at] + position * chains.columns, _PORT] += waits
    return length + waits


@kernel
def _port_cycles(words: int, width: int) -> int:
    """Cycles in which so many words pass a port."""
    return -(-words // width)


@kernel
def _entry(chains: Chains, layer: Counted, entry: int) -> tuple[int, int, int, int]:
    """Kernel row, first channel block, and where an entry's weights begin and end among those of a kernel row."""
    # Where taps are cut to blocks, a block of channels is a single one: weights of an entry always lie side by side.
    row = entry // chains.tap_blocks % layer.read.shape[1]
    block = entry // (chains.tap_blocks * layer.read.shape[1])
    if chains.tap_blocks == 1:
        stop = min((block + 1) * chains.channels, layer.channels) * layer.kernel_taps
        return row, block, block * chains.channels * layer.kernel_taps, stop
    tap = entry % chains.tap_blocks * chains.taps
    first = block * layer.kernel_taps
    return row, block, first + tap, first + min(tap + chains.taps, layer.kernel_taps)


@kernel
def _load(chains: Chains, ports: Ports, layer: Counted, through: int, table: np.ndarray, passed: np.ndarray) -> int:
    """Cycles in which the weights of a pass reach the PEs."""
    slowest, pooled = 0, 0
    for position in range(min(chains.depth, chains.entries - through * chains.depth)):
        row, _block, first, stop = _entry(chains, layer, through * chains.depth + position)
        router, place, words = -1, -1, 0
        for at in range(table.shape[1]):
            if table[_ROUTER, at] != router:
                router, place, words = table[_ROUTER, at], -1, 0
            if table[_PLACE, at] == place:
                continue  # the PE beside it takes the same weights
            place = table[_PLACE, at]
            weights = layer.weights[table[_GROUP, at], table[_BLOCK, at], row]
            more = 0
            for weight in range(first, stop):
                more += np.int64(weights[weight])
            words += more
            pooled += more
            slowest = max(slowest, words)
    passed[_WEIGHTS] += pooled
    return _port_cycles(int(pooled if ports.pooled else slowest), ports.weights)


@kernel
def _work(
    chains: Chains,
    ports: Ports,
    layer: Counted,
    image: int,
    through: int,
    wave: int,
    table: np.ndarray,
    mapped: np.ndarray,
    own: np.ndarray,
    room: np.ndarray,
    brought: np.ndarray,
    cluster: np.ndarray,
    number: int,
    cycles: np.ndarray,
    issued: np.ndarray,
) -> int:
    """How many PEs have work in a wave; adds their cycles and products.

    Fills `mapped` with them, `own` with their cycles, and `room` with the activations that each cluster has to take.
    """
    many, first_row, rows = 0, wave * chains.rows, layer.words.shape[1]
    blocks = brought.shape[1] // (chains.groups * rows)
    for position in range(min(chains.depth, chains.entries - through * chains.depth)):
        row, block, first, stop = _entry(chains, layer, through * chains.depth + position)
        last_read, last_group, last_cluster, some = -1, -1, -1, 0
        for at in range(table.shape[1]):
            output_row = first_row + table[_ROW, at]
            if output_row >= layer.read.shape[0]:
                continue
            read, group = layer.read[output_row, row], table[_GROUP, at]
            pe = table[_PE, at] + position * chains.columns
            channel = group * layer.channels
            taken = layer.taken[image, read, channel * layer.kernel_taps :]
            # PEs beside one another often read the same row: whether there is anything in it is known, and brought.
            if read != last_read or group != last_group:
                last_read, last_group, last_cluster, some = read, group, -1, 0
                for weight in range(first, stop):
                    some |= taken[weight]
            mapped[many], own[many] = pe, 0
            if some:
                weights = layer.weights[group, table[_BLOCK, at], row]
                worked, products = 0, 0
                for weight in range(first, stop):
                    meets = np.int64(weights[weight])
                    worked += taken[weight] * layer.cost[meets]
                    products += taken[weight] * meets
                own[many] = worked
                index = _empty(taken, weights, first, stop) if ports.empty else 0
                cycles[pe, _BUSY] += worked - index
                cycles[pe, _INDEX] += index
                issued[pe] += products
            many += 1
            if cluster[pe] == last_cluster:
                continue
            last_cluster = cluster[pe]
            key = (table[_OWN_GROUP, at] * blocks + block) * rows + read
            if brought[last_cluster, key] != number:
                brought[last_cluster, key] = number
                room[last_cluster] += _words(chains, layer, image, read, channel, block)
    return many


@kernel
def _words(chains: Chains, layer: Counted, image: int, read: int, channel: int, block: int) -> int:
    """Activations of an input row in a block of channels of the group that begins at a channel."""
    found = 0
    for c in range(block * chains.channels, min((block + 1) * chains.channels, layer.channels)):
        found += np.int64(layer.words[image, read, channel + c])
    return int(found)


@kernel
def _empty(taken: np.ndarray, weights: np.ndarray, first: int, stop: int) -> int:
    """Activations whose column of weights is empty."""
    found = 0
    for weight in range(first, stop):
        found += np.int64(taken[weight]) if weights[weight] == 0 else 0
    return int(found)


@kernel
def _sums(
    chains: Chains, ports: Ports, layer: Counted, wave: int, table: np.ndarray, room: np.ndarray, cluster: np.ndarray
) -> int:
    """Cycles in which a wave's sums pass the ports of the clusters that its chains end in."""
    room[:] = 0
    for at in range(table.shape[1]):
        if wave * chains.rows + table[_ROW, at] >= layer.read.shape[0]:
            continue
        end = table[_PE, at] + (chains.depth - 1) * chains.columns
        port = cluster[end] if ports.pooled else cluster[end] * ports.columns + end % chains.columns % ports.columns
        room[port] += layer.filters[table[_BLOCK, at]] * layer.positions
    return _port_cycles(room.max(), ports.sums)
