"""What the group-sparse 3-D CNN machine is built of, and what its parts do in a layer.

Source: Sun et al., TCAD 2024, Table V for the sizes. In a busy cycle a row group multiplies PF positions of TN channels
at PK kernel positions with the weights of its rows: it reads TN x PK vectors of PF inputs, the rows' TN x PK weights
each, and gives and takes back a vector of PF sums a row, which trees have added up over channels and kernel positions.
Where rows or positions are dropped, the lists name the PK positions and the rows of a cycle.

Assumptions: lanes without a weight read like others, so that a cycle's reads do not depend on what is left of a group;
each lane has a bank of the input buffer, each weight of a cycle one of the weight buffer, each row one of the sums;
buffers are sized for two tiles of a 3x3x3 kernel without stride (`Kgrc`: sizes are not published); zeros among kept
weights and activations keep nothing still.
"""

from __future__ import annotations

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import adders, buffer, fill, leave, multipliers, sum_bits
from dataflows.machines.kgrc.spec import KgrcSpec
from dataflows.schedule import LayerSchedule, Tensor

_HALO = 2  # positions that a tile of a 3x3x3 kernel reads beyond its own, along each axis


def components(spec: KgrcSpec) -> tuple[Component, ...]:
    """The parts of the whole machine."""
    bits, pixels = spec.value_bits, spec.pixels_parallel
    lanes = spec.channels_per_tile * spec.positions_parallel  # of a row, before its pixels
    sides = spec.depth_per_tile, spec.rows_per_tile, spec.columns_per_tile
    inputs, outputs = spec.channels_per_tile, spec.filters_per_tile
    for side in sides:
        inputs, outputs = inputs * (side + _HALO), outputs * side
    weights = spec.filters_per_tile * spec.channels_per_tile * spec.positions_per_tile
    products = spec.filters_parallel * lanes * pixels
    parts = [
        multipliers(products, bits),
        adders(products, bits),
        buffer("input_buffer", 2 * inputs * bits // 8, pixels * bits, banks=lanes),
        buffer("weight_buffer", 2 * weights * bits // 8, bits, banks=spec.filters_parallel * lanes),
        buffer("sums", 2 * outputs * sum_bits(bits) // 8, pixels * sum_bits(bits), banks=spec.filters_parallel),
    ]
    if spec.design == "sparse":
        for name, words in (("row_lists", spec.filters_per_tile), ("position_lists", spec.positions_per_tile)):
            width = max(1, (words - 1).bit_length())
            parts.append(Component(name, Kind.REGISTERS, spec.row_groups, width, words, purpose="sparsity"))
    return tuple(parts)


def count(spec: KgrcSpec, parts: tuple[Component, ...], schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
    """Actions of a layer."""
    counts = ActionCounts.of(parts)
    issued, busy = schedule.issued_slots, schedule.busy_pe_cycles
    lanes, rows = spec.channels_per_tile * spec.positions_parallel, spec.rows_parallel
    counts.multiply(schedule, effectual_macs)
    counts.add("adders", Action.ADD, issued)
    counts.access("input_buffer", reads=busy * lanes)
    counts.access("weight_buffer", reads=busy * lanes * rows)
    counts.access("sums", reads=busy * rows, writes=busy * rows)
    if spec.design == "sparse":
        counts.access("row_lists", reads=busy * rows)
        counts.access("position_lists", reads=busy * spec.positions_parallel)
    fill(counts, "input_buffer", schedule, Tensor.INPUT)
    fill(counts, "weight_buffer", schedule, Tensor.WEIGHT)
    leave(counts, "sums", schedule)
    return counts
