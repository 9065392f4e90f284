"""What SCNN is built of, and what its parts do in a layer.

Source: Parashar et al., ISCA 2017, Table II (sizes; values of 16 bits, accumulators of 24, zero runs of 4) and the
section on the PE. A PE reads a vector of I activations from its IARAM and holds it while a block of weights passes, F
at a time, from the FIFO, where the block stays for the next vector. Every product has a coordinate, the sum of its
factors', goes through the crossbar to its bank's queue, and is added to a partial sum there. Finished sums leave the
accumulators; halos are added to those of neighbours; the rest passes post-processing into the OARAM.

Not published, assumptions: RAM and FIFO are read by whole vectors with their zero runs; a running sum a lane turns runs
into coordinates whenever a vector is read, lanes that a short vector leaves empty included; a queue's entry is a
product and its place in the bank; post-processing compares every output with zero once and counts the run before it
once. Registers that hold still cost nothing until they are written. Weights enter every PE's FIFO over one broadcast;
those that a fully connected layer has no activation for are dropped on arrival.

Marked as hardware for sparsity: decoders, coders, coordinates, crossbar, queues, and the accumulators, which need 32
banks because products scatter (a dense machine has one bank instead: see `dcnn`).
"""

from __future__ import annotations

from dataflows.hardware.actions import MULTIPLIERS, ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.schedule import LayerSchedule, Tensor
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

ACCUMULATOR_BITS = 24


def scnn_components(spec: ScnnSpec) -> tuple[Component, ...]:
    """The parts of the whole machine."""
    pes, banks, sums = spec.pes, spec.accumulator_banks, ACCUMULATOR_BITS
    f, i = spec.weights_per_vector, spec.activations_per_vector
    products, weights, activations = f * i, f * spec.weight_bits, i * spec.activation_bits
    place = max(1, (ceil_div(spec.accumulator_entries, banks) - 1).bit_length())
    address = max(1, (spec.accumulator_entries - 1).bit_length())
    drain = pes * spec.post_processing_entries_per_cycle
    parts = [
        Component(MULTIPLIERS, Kind.MULTIPLIER, pes * products, spec.value_bits),
        Component("accumulator_adders", Kind.ADDER, pes * banks, sums),
        Component(
            "accumulators", Kind.REGISTERS, pes * spec.accumulator_copies, sums,
            spec.accumulator_entries, banks, purpose="sparsity",
        ),
        Component("bank_queues", Kind.REGISTERS, pes * banks, sums + place, max(1, spec.queue_depth),
                  purpose="sparsity"),
        Component("scatter_crossbar", Kind.CROSSBAR, pes, sums + place, inputs=products, outputs=banks,
                  purpose="sparsity"),
        Component("coordinate_adders", Kind.ADDER, pes * products, address, purpose="sparsity"),
        Component("zero_run_decoders", Kind.ADDER, pes * (f + i), address, purpose="sparsity"),
        Component("zero_run_coders", Kind.COUNTER, drain, max(1, spec.zero_run_bits), purpose="sparsity"),
        Component("post_processing", Kind.COMPARATOR, drain, spec.value_bits),
        Component("halo_links", Kind.BUS, pes, sums),
        Component("activation_registers", Kind.REGISTERS, pes, activations),
        Component("activation_broadcast", Kind.BUS, 1, spec.activation_bits, outputs=pes, purpose="storage"),
        Component("iaram", Kind.SRAM, pes, activations, _words(spec.iaram_bytes, activations), purpose="storage"),
        Component("oaram", Kind.SRAM, pes, activations, _words(spec.oaram_bytes, activations), purpose="storage"),
        Component("weight_fifo", Kind.REGISTERS, pes, weights, spec.weight_fifo_vectors, purpose="storage"),
        Component("weight_broadcast", Kind.BUS, 1, weights, outputs=pes, purpose="storage"),
    ]  # fmt: skip
    return tuple(parts)


def count_products(counts: ActionCounts, spec: ScnnSpec, layer: Layer, schedule: LayerSchedule, density: float) -> None:
    """All actions but those of the multipliers; density: of the outputs.

    Every issued product reaches an accumulator, those outside the map in the PE's own halo.
    """
    counted, issued = schedule.counts, schedule.issued_slots
    keeps_weights, keeps_activations = spec.keeps
    halo, steps, vectors = counted["halo_sums"], counted["steps"], counted["activation_vectors"]
    counts.add("coordinate_adders", Action.ADD, issued)
    decoded = (0 if keeps_weights else steps * spec.weights_per_vector) + (
        0 if keeps_activations else vectors * spec.activations_per_vector
    )
    counts.add("zero_run_decoders", Action.ADD, decoded)
    counts.add("scatter_crossbar", Action.TRAVERSE, issued)
    if spec.queue_depth:
        counts.access("bank_queues", reads=issued, writes=issued)
    counts.add("accumulator_adders", Action.ADD, issued + halo)
    counts.access("accumulators", reads=issued + halo + counted["drained_sums"], writes=issued + halo)
    counts.add("halo_links", Action.TRAVERSE, halo)
    counts.add("post_processing", Action.COMPARE, layer.output_count)
    counts.add("zero_run_coders", Action.COUNT, 0 if keeps_activations else layer.output_count)
    counts.access("activation_registers", writes=vectors)
    counts.add("activation_broadcast", Action.TRAVERSE, counted["broadcasts"])
    _count_storage(counts, spec, schedule, int(spec.rams.output_entries(layer.output_count, density)))


def _count_storage(counts: ActionCounts, spec: ScnnSpec, schedule: LayerSchedule, outputs: int) -> None:
    """Reads and writes of RAMs and FIFOs; outputs: entries that are stored."""
    counted, bits = schedule.counts, counts.components["iaram"].bits
    arrived, left = schedule.loads.bytes_of(Tensor.INPUT), schedule.stores.bytes_of(Tensor.OUTPUT)
    counts.access("iaram", reads=counted["activation_vectors"], writes=ceil_div(8 * arrived, bits))
    counts.access(
        "oaram", reads=ceil_div(8 * left, bits), writes=ceil_div(outputs, spec.activations_per_vector)
    )  # fmt: skip
    counts.access("weight_fifo", reads=counted["steps"], writes=counted["pushed_vectors"])
    counts.add("weight_broadcast", Action.TRAVERSE, counted["pushed_vectors"])


def _words(size_bytes: int, bits: int) -> int:
    """Whole words in so many bytes, one at least."""
    return max(1, 8 * size_bytes // bits)
