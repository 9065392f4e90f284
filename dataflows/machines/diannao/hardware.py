"""What DianNao is built of, and what its parts do in a layer.

Source: Chen et al., ASPLOS 2014: NFU-1 multiplies, NFU-2 adds in trees of Ti inputs, NFU-3 interpolates the activation
function by a multiplication and an addition an output; NBin, SB and NBout have rows of Ti, Tn x Ti and Tn values. A
step is a cycle: a vector of Ti inputs from NBin reaches every mapped neuron, SB gives each of them its Ti synapses, and
NBout gives and takes back the neurons' sums, since the next step is another position's. The first step's sums are
zeros; the read that they save is the one by which a position's sums leave through NFU-3.

Assumptions: a product waits in a register between NFU-1 and NFU-2; SB has a bank for every neuron; sums lie in NBout as
wide as a value (as in `DianNao`). Control and DMA are not counted.
"""

from __future__ import annotations

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import add_products, adders, buffer, fill, multipliers, sum_registers
from dataflows.machines.diannao.diannao_spec import DianNaoSpec
from dataflows.schedule import Cause, LayerSchedule, Tensor
from workloads.layer import Layer


def components(spec: DianNaoSpec) -> tuple[Component, ...]:
    """The parts of one DianNao."""
    neurons, bits = spec.output_neurons, spec.value_bits
    lanes, vector_bits = neurons * spec.inputs_per_neuron, spec.inputs_per_neuron * bits
    return (
        multipliers(lanes, bits),
        sum_registers("product_registers", lanes, bits),
        adders(lanes, bits),
        buffer("nbin", spec.nbin_bytes, vector_bits),
        buffer("sb", spec.sb_bytes, vector_bits, banks=neurons),
        buffer("nbout", spec.nbout_bytes, neurons * bits),
        Component("neuron_bus", Kind.BUS, neurons, vector_bits),
        Component("nfu3_multipliers", Kind.MULTIPLIER, neurons, bits),
        adders(neurons, bits, "nfu3_adders"),
    )


def count(parts: tuple[Component, ...], layer: Layer, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
    """Actions of a layer; all neurons that are mapped take the same steps."""
    counts = ActionCounts.of(parts)
    busy = schedule.cycles[..., Cause.BUSY]
    steps, vectors = int(busy.max(axis=1).sum()), int(busy.sum())
    add_products(counts, schedule, effectual_macs)
    counts.access("nbin", reads=steps)
    counts.add("neuron_bus", Action.TRAVERSE, vectors)
    counts.access("sb", reads=vectors)
    counts.access("nbout", reads=steps, writes=steps)
    counts.add("nfu3_multipliers", Action.MULTIPLY, layer.output_count)
    counts.add("nfu3_adders", Action.ADD, layer.output_count)
    fill(counts, "nbin", schedule, Tensor.INPUT)
    fill(counts, "sb", schedule, Tensor.WEIGHT)
    return counts
