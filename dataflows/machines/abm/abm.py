"""ABM-SpConv and Sparse-YOLO: add the activations that meet the same weight value, then multiply once a value.

Source: Wang et al., "ABM-SpConv: A Novel Approach to FPGA-Based Acceleration of Convolutional Neural Network
Inference", DAC 2019, and Wang et al., "Sparse-YOLO: Hardware/Software Co-Design of an FPGA Accelerator for YOLOv2",
IEEE Access 2020. Quantized weights of a kernel have few distinct values. A convolution core takes a kernel's non-zeros
value by value, one a cycle, and adds the activations that it meets at a block of output positions, an adder each. The
sum of each value and position then goes through one of the core's fewer multipliers. A kernel takes

    max(non-zeros, distinct values x positions / multipliers)

cycles for a block of positions: additions and multiplications run side by side.

A slot of this machine is an adder's: issued = non-zero weights x N x [O x] P x Q, since every product costs an
addition. Zero activations and padding are added like others. All these cycles are busy, also where the multipliers need
longer than the adders: multiplying is what the machine is there for. The adders' slots are empty then.

What the machine is taken to do where the papers are silent:

- Inside a strip of positions filter k runs on core k mod cores; cores run apart and meet at the strip's end.
- A grouped convolution is to this machine a sparse one over all channels: a strip holds all groups' inputs, and a
  kernel's non-zeros point at those of its own group.
- Weights known by value have as many distinct values as they have, but never more than a kernel's codes.
- Weights known only as a mask are taken for quantized, to as many values as the layer's codebook has where the
  workload tells it (`LayerTrace.codebook_values`), else to `mask_codebook_values`, never to more than a kernel's codes.
  Each value is equally likely: a kernel has as many distinct ones as its non-zeros draw on average. A network made for
  this machine has far fewer values than weights, and no other likelihoods of so many values give as many distinct ones.
  The dense baseline has the same codebook.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.hardware.kept_of import KeptOf
from dataflows.kernels.add_by_value import add_by_value
from dataflows.kernels.threads import run_slices
from dataflows.machines.abm import hardware
from dataflows.machines.abm.spec import AbmSpec, SparseYoloSpec
from dataflows.schedule import Cause, LayerSchedule, no_cycles
from dataflows.sizing import THREE_BUFFERS, Scaling
from dataflows.tiling.filter_blocks import cut_layer
from dataflows.tiling.filter_weights import kept_weights
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripWork, strip_schedule
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.windows import PaddedMap
from workloads.distinct_values import distinct_values
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div, even_slices

_SLICES = 64  # of a layer's filters, counted one by one: sorting takes a copy of each


class Abm(Accelerator[AbmSpec]):
    """The ABM-SpConv machine; its dense baseline is itself on the unpruned layer."""

    name = "abm"
    display = "ABM-SpConv"
    title = "ABM-SpConv: add by weight value, then multiply once a value (DAC 2019)"
    Spec = AbmSpec
    needs_constant_weights = (
        "its kernels are quantized to few values and sorted by value before the run, and nothing on the chip "
        "does so with another layer's results"
    )
    scaling = Scaling(
        factors=("cores", "adders_per_core"),
        growing=("cores",),
        buffers=THREE_BUFFERS,
        reason="cores are added (assumption)",
    )

    _kept: KeptOf[int] = KeptOf()

    def least_weight_bits(self) -> int:
        """An encoded non-zero."""
        return self.spec.encoded_weight_bits

    def issued_products(self, trace: LayerTrace) -> int:
        """Every non-zero weight at every output position, padding included."""
        return trace.weight_nonzeros * trace.layer.batch * math.prod(trace.layer.output_size)

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each image and strip of positions, in this order."""
        spec, layer = self.spec, replace(trace.layer, groups=1)
        nonzeros = kept_weights(trace.weight_mask)
        distinct, notes = self._distinct(trace, nonzeros)
        self._kept = KeptOf(trace.weights, int(distinct.sum()))
        plan = self._plan(layer, nonzeros)
        traffic = StripTraffic(plan, spec.value_bits, spec.weight_buffer_bytes, indexed=False)
        moved = traffic.transfers(spec.input_buffer_bytes, spec.output_buffer_bytes)
        return strip_schedule(
            spec,
            self._work(plan, nonzeros, distinct),
            replace(moved, notes=(*moved.notes, *notes)),
            pe_grid=(spec.cores, 1),
            lanes_per_pe=spec.adders_per_core,
            expected_issued=self.issued_products(trace),
        )

    def _plan(self, layer: Layer, nonzeros: np.ndarray) -> StripPlan:
        """The tiles; nonzeros int64 (K,)."""
        spec = self.spec
        return cut_layer(
            layer,
            nonzeros * spec.encoded_weight_bits,
            turn=spec.cores,
            pixels=spec.adders_per_core,
            value_bits=spec.value_bits,
            input_bytes=spec.input_buffer_bytes,
            weight_bytes=spec.weight_buffer_bytes,
        )

    def _work(self, plan: StripPlan, nonzeros: np.ndarray, distinct: np.ndarray) -> StripWork:
        """Cycles and additions; nonzeros, distinct int64 (K,)."""
        spec, strips = self.spec, plan.strips

        def per_core(per_filter: np.ndarray) -> np.ndarray:
            """(blocks of filters, cores) sums of (K,)."""
            # Filters in rows of `cores`, summed by column: 5 filters on 2 cores give core 0 the filters 0, 2 and 4.
            # Absent ones are zeros.
            room = len(plan.filters) * ceil_div(int(plan.filters[0]), spec.cores) * spec.cores
            padded = np.pad(per_filter, (0, room - len(per_filter)))
            return padded.reshape(len(plan.filters), -1, spec.cores).sum(axis=1)

        def excess(positions: int) -> np.ndarray:
            """What the multipliers need longer than the adders for a block of so many positions."""
            # Rounded up kernel by kernel: the next kernel's products do not share a cycle with the last of this one.
            # Six values at 20 positions are 120 products, 24 cycles of five multipliers: a kernel of 20 non-zeros,
            # which are added in 20 cycles, takes 4 more.
            products = ceil_div(distinct * positions, spec.multipliers_per_core)
            return per_core(np.maximum(products - nonzeros, 0))

        # All strips but the image's last end in a full block: there are at most two sizes.
        sizes, which = np.unique(strips.last_pixels, return_inverse=True)
        last = np.stack([excess(positions) for positions in sizes.tolist()])[which]  # (strips, blocks, cores)
        blocks, pixels = strips.blocks[:, None, None], strips.pixels[:, None, None]
        added = per_core(nonzeros)
        cycles = no_cycles(*plan.block_shape, spec.cores)
        # A block with fewer positions takes as many additions in time, on fewer adders, but fewer multiplications.
        # 20 non-zeros of 6 values on three blocks of positions, two of 20 and one of 10, with five multipliers: 24
        # cycles for each of the first two and 20 for the last, 3·20 + 2·4 + 0 = 68.
        cycles[..., Cause.BUSY] = added * blocks + excess(spec.adders_per_core) * (blocks - 1) + last
        return StripWork.of_filter_blocks(cycles, added * pixels)

    def _distinct(self, trace: LayerTrace, nonzeros: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """Int64 (K,): distinct values of each kernel, and a note where that is fewer than the trace has.

        nonzeros  int64 (K,)
        """
        codes = self.spec.codebook_values
        if trace.weights.dtype == np.bool_:
            told = trace.codebook_values or self.spec.mask_codebook_values
            return expected_distinct(nonzeros, min(codes, told)), ()
        slices = even_slices(len(trace.weights), _SLICES)
        found = np.concatenate(run_slices(lambda part: distinct_values(trace.weights[slice(*part)]), slices))
        notes = (f"a kernel has up to {found.max()} distinct weights, taken as quantized to {codes}",)
        return np.minimum(found, codes), notes if found.max() > codes else ()

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        del effectual_macs  # zero activations are added like others
        distinct = self._kept.of(trace.weights)
        if distinct is None:
            distinct = int(self._distinct(trace, kept_weights(trace.weight_mask))[0].sum())
        return hardware.count(self.spec, self.parts, trace, distinct, schedule)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs filter by filter, block of positions by block, value by value: first the sums, then the products."""
        padded = PaddedMap.of(layer, activations)
        outputs = np.zeros((layer.out_channels, layer.batch, len(padded.windows)), np.int64)

        def run(k: int) -> None:
            values, ends, order = group_by_value(weights[k].reshape(-1))
            own = padded.values[:, k // layer.group_out_channels]
            offsets = padded.columns[order]
            add_by_value(own, padded.windows, values, ends, offsets, self.spec.adders_per_core, outputs[k])

        run_slices(run, range(layer.out_channels))
        return outputs.swapaxes(0, 1).reshape(layer.output_shape)


class SparseYolo(Abm):
    """ABM-SpConv as Sparse-YOLO uses it."""

    name = "sparse-yolo"
    display = "Sparse-YOLO"
    title = "Sparse-YOLO: ABM-SpConv at the size and clock of its YOLOv2 detector (IEEE Access 2020)"
    Spec = SparseYoloSpec


def expected_distinct(draws: np.ndarray, values: int) -> np.ndarray:
    """Int64: how many different ones, to the nearest whole, so many draws from equally likely values give on average.

    Of m values a draw misses one with probability 1 - 1/m, so that n draws find m (1 - (1 - 1/m)^n).
    """
    # Of 16 values 16 draws find 10.3 on average, taken as 10.
    return np.floor(values * (1 - (1 - 1 / values) ** draws) + 0.5).astype(np.int64)


def group_by_value(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct non-zero values (V,) of a filter, ends (V,) of their runs, and its non-zeros' places, run by run."""
    # Of the weights 0 3 0 5 3 the values are 3 and 5, which end at 2 and 3, and the places 1, 4, 3.
    places = np.flatnonzero(weights)
    order = places[np.argsort(weights[places], kind="stable")]
    values, counts = np.unique(weights[places], return_counts=True)
    return values, np.cumsum(counts), order
