"""`--check`: does a machine that skips, compresses and reorders still compute the convolution?

Each layer gets small random integers at its non-zeros. The machine computes the outputs product by product in its own
order, and they must equal a reference convolution exactly; integers leave no room for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.truth.convolution import reference_convolution
from simulator.network_simulation import Progress
from workloads.trace import LayerTrace
from workloads.workload import Workload

_LARGEST = 7  # products and sums of any real layer stay far inside int64


def integers_at(mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Int64 of the mask's shape: non-zero integers in [-7, 7] where the mask is true, 0 elsewhere."""
    values = random.integers(1, _LARGEST + 1, mask.shape, np.int64)
    # 0 or 1, doubled, less 1: a sign of -1 or 1. Cancelling sums are thereby tested as well.
    values *= random.integers(0, 2, mask.shape, np.int64) * 2 - 1
    values *= mask
    return values


def differing_outputs(accelerator: Accelerator, trace: LayerTrace, seed: int) -> int:
    """Outputs of the layer on which the machine and the reference convolution differ."""
    # The same values for every machine; weights are drawn first, then activations.
    random = np.random.default_rng(seed)
    weights, activations = (integers_at(mask, random) for mask in (trace.weight_mask, trace.activation_mask))
    computed = accelerator.execute(trace.layer, weights, activations)
    return int(np.count_nonzero(computed != reference_convolution(trace.layer, weights, activations)))


def differing_layers(
    accelerators: Sequence[Accelerator], workload: Workload, progress: Progress | None = None
) -> list[str]:
    """A line for each layer on which a machine's outputs differ from the reference; none when all agree."""
    lines = []
    for index, layer in enumerate(workload.layers):
        if progress is not None:
            progress(index, len(workload.layers), layer.name)
        # One trace for all machines, so that they are compared on the same non-zeros.
        trace = workload.trace(index)
        for accelerator in accelerators:
            differing = differing_outputs(accelerator, trace, workload.seed + index)
            if differing:
                lines.append(
                    f"{accelerator.name}: layer '{layer.name}': {differing} of {layer.output_count} outputs differ "
                    "from the reference convolution"
                )
    return lines
