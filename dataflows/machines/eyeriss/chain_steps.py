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
    taken       int32 (N, input rows + 1, C, S): activations of a row that a tap meets, over all positions
    words       int32 (N, input rows + 1, C): activations of a row that a port has to bring; none of the last
    weights     uint8 or int32 (G, filter blocks, [T·]R, C/G, S): weights that an activation meets in a PE
    cost        int64 (most weights + 1,): cycles that an activation takes with so many
    filters     int64 (filter blocks,): filters of each block
    positions   Q
    """

    read: np.ndarray
    taken: np.ndarray
    words: np.ndarray
    weights: np.ndarray
    cost: np.ndarray
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
) -> None:
    """Fill cycles (packs, N, strips, PEs, CAUSES) and issued (packs, N, strips, PEs).

    first_wave  int64 (strips + 1,): where the waves of each strip begin, and the last ends
    """
    packs, images, strips, pes = issued.shape
    own = np.zeros(pes, np.int64)
    mapped = np.zeros(pes, np.uint8)
    clusters = pes // (ports.rows * ports.columns)
    room = np.zeros(clusters * ports.columns, np.int64)
    channel_blocks = chains.entries // (layer.read.shape[1] * chains.tap_blocks)
    # When a row of a channel block was last brought to a cluster: the number of the wave, so that nothing is cleared.
    brought = np.zeros((clusters, chains.groups * channel_blocks * layer.words.shape[1]), np.int64)
    wave_number = 0
    rounds = -(-chains.group_blocks // chains.blocks)
    passes = -(-chains.entries // chains.depth)
    for pack in range(packs):
        for image in range(images):
            for strip in range(strips):
                counted = cycles[pack, image, strip]
                products = issued[pack, image, strip]
                for around in range(rounds):
                    for through in range(passes):
                        at = (pack, image, around, through)
                        load = _load(chains, ports, layer, at, mapped)
                        if not ports.beside:
                            _wait(counted, mapped, load)
                        worked = 0
                        for wave in range(first_wave[strip], first_wave[strip + 1]):
                            wave_number += 1
                            most = _work(chains, ports, layer, at, wave, own, mapped, counted, products)
                            inputs = _inputs(chains, ports, layer, at, wave, mapped, room, brought, wave_number)
                            length = max(most, inputs, _sums(chains, ports, layer, at, wave, room))
                            worked += length
                            _meet(counted, mapped, own, most, length)
                        if ports.beside and load > worked:
                            load = _load(chains, ports, layer, at, mapped)
                            _wait(counted, mapped, load - worked)


@kernel
def _meet(cycles: np.ndarray, mapped: np.ndarray, own: np.ndarray, most: int, length: int) -> None:
    """Add cycles (PEs, CAUSES) of waits at the end of a wave whose slowest PE took `most` of its cycles."""
    for pe in range(mapped.size):
        if mapped[pe]:
            cycles[pe, _IMBALANCE] += most - own[pe]
            cycles[pe, _PORT] += length - most
        else:
            cycles[pe, _UNMAPPED] += length


@kernel
def _wait(cycles: np.ndarray, mapped: np.ndarray, length: int) -> None:
    """Add cycles (PEs, CAUSES) of a wait for weights."""
    for pe in range(mapped.size):
        cycles[pe, _PORT if mapped[pe] else _UNMAPPED] += length


@kernel
def _block_of(chains: Chains, groups: int, at: tuple[int, int, int, int], place: int) -> tuple[int, int]:
    """Group and filter block at a place among groups x blocks of a round; (-1, -1) where there is none."""
    group = at[0] * chains.groups + place // chains.blocks
    block = at[2] * chains.blocks + place % chains.blocks
    if place >= chains.groups * chains.blocks or group >= groups or block >= chains.group_blocks:
        return -1, -1
    return group, block


@kernel
def _entry(chains: Chains, layer: Counted, entry: int) -> tuple[int, int, int, int, int]:
    """First channel, channel behind the last, kernel row, first tap and tap behind the last of an entry."""
    kernel_rows, taps = layer.weights.shape[2], layer.weights.shape[4]
    tap = entry % chains.tap_blocks * chains.taps
    row = entry // chains.tap_blocks % kernel_rows
    channel = entry // (chains.tap_blocks * kernel_rows) * chains.channels
    return channel, min(channel + chains.channels, layer.weights.shape[3]), row, tap, min(tap + chains.taps, taps)


@kernel
def _load(
    chains: Chains,
    ports: Ports,
    layer: Counted,
    at: tuple[int, int, int, int],
    mapped: np.ndarray,
) -> int:
    """Cycles in which the weights of a pass reach the PEs; marks in `mapped` those that get any."""
    mapped[:] = 0
    slowest, pooled = 0, 0
    for position in range(chains.depth):
        entry = at[3] * chains.depth + position
        if entry >= chains.entries:
            break
        first, stop, row, tap, end = _entry(chains, layer, entry)
        before, width = -1, 0
        for slot in range(chains.sets):
            place = slot // chains.rows
            group, block = _block_of(chains, layer.weights.shape[0], at, place)
            if slot % ports.columns == 0 and not ports.pooled:
                # A row of a cluster begins, which has a port of its own.
                width, before = 0, -1
            if group < 0:
                continue
            pe = (slot // chains.columns * chains.depth + position) * chains.columns + slot % chains.columns
            mapped[pe] = 1
            if place == before:
                continue  # the PE beside it takes the same weights
            before = place
            for channel in range(first, stop):
                for s in range(tap, end):
                    width += layer.weights[group, block, row, channel, s]
            if not ports.pooled:
                slowest = max(slowest, width)
        pooled += width
    words = pooled if ports.pooled else slowest
    return -(-words // ports.weights)


@kernel
def _work(
    chains: Chains,
    ports: Ports,
    layer: Counted,
    at: tuple[int, int, int, int],
    wave: int,
    own: np.ndarray,
    mapped: np.ndarray,
    cycles: np.ndarray,
    issued: np.ndarray,
) -> int:
    """The most cycles of a PE in a wave; fills `own` and `mapped`, and adds each PE's own cycles and products."""
    mapped[:] = 0
    own[:] = 0
    first_row, most = wave * chains.rows, 0
    group_channels = layer.weights.shape[3]
    for position in range(chains.depth):
        entry = at[3] * chains.depth + position
        if entry >= chains.entries:
            break
        first, stop, row, tap, end = _entry(chains, layer, entry)
        for slot in range(chains.sets):
            group, block = _block_of(chains, layer.weights.shape[0], at, slot // chains.rows)
            output_row = first_row + slot % chains.rows
            if group < 0 or output_row >= layer.read.shape[0]:
                continue
            read = layer.read[output_row, row]
            busy, index, products = 0, 0, 0
            for channel in range(first, stop):
                for s in range(tap, end):
                    taken = layer.taken[at[1], read, group * group_channels + channel, s]
                    meets = np.int64(layer.weights[group, block, row, channel, s])
                    busy += taken * layer.cost[meets]
                    products += taken * meets
                    index += taken * (meets == 0)
            index *= ports.empty
            pe = (slot // chains.columns * chains.depth + position) * chains.columns + slot % chains.columns
            mapped[pe] = 1
            own[pe] = busy + index
            most = max(most, busy + index)
            cycles[pe, _BUSY] += busy
            cycles[pe, _INDEX] += index
            issued[pe] += products
    return most


@kernel
def _inputs(
    chains: Chains,
    ports: Ports,
    layer: Counted,
    at: tuple[int, int, int, int],
    wave: int,
    mapped: np.ndarray,
    room: np.ndarray,
    brought: np.ndarray,
    wave_number: int,
) -> int:
    """Cycles in which a wave's activations reach every cluster, each row of a channel block once."""
    across = chains.columns // ports.columns
    clusters = brought.shape[0]
    room[:clusters] = 0
    rows, group_channels = layer.words.shape[1], layer.weights.shape[3]
    channel_blocks = brought.shape[1] // (chains.groups * rows)
    for position in range(chains.depth):
        entry = at[3] * chains.depth + position
        if entry >= chains.entries:
            break
        first, stop, row, _tap, _end = _entry(chains, layer, entry)
        for slot in range(chains.sets):
            height, column = slot // chains.columns * chains.depth + position, slot % chains.columns
            if not mapped[height * chains.columns + column]:
                continue
            read = layer.read[wave * chains.rows + slot % chains.rows, row]
            own_group = slot // chains.rows // chains.blocks
            cluster = height // ports.rows * across + column // ports.columns
            key = (own_group * channel_blocks + first // chains.channels) * rows + read
            if brought[cluster, key] == wave_number:
                continue
            brought[cluster, key] = wave_number
            first_channel = (at[0] * chains.groups + own_group) * group_channels
            for channel in range(first, stop):
                room[cluster] += layer.words[at[1], read, first_channel + channel]
    return -(-room[:clusters].max() // ports.inputs)


@kernel
def _sums(
    chains: Chains, ports: Ports, layer: Counted, at: tuple[int, int, int, int], wave: int, room: np.ndarray
) -> int:
    """Cycles in which a wave's sums pass the ports of the clusters that its chains end in."""
    across = chains.columns // ports.columns
    room[:] = 0
    for slot in range(chains.sets):
        group, block = _block_of(chains, layer.weights.shape[0], at, slot // chains.rows)
        if group < 0 or wave * chains.rows + slot % chains.rows >= layer.read.shape[0]:
            continue
        height, column = slot // chains.columns * chains.depth + chains.depth - 1, slot % chains.columns
        cluster = height // ports.rows * across + column // ports.columns
        port = cluster if ports.pooled else cluster * ports.columns + column % ports.columns
        room[port] += layer.filters[block] * layer.positions
    return -(-room.max() // ports.sums)
