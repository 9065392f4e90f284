"""How many vectors SCNN's PEs take from their memories: what its actions need beside cycles and products.

In a virtual channel every activation vector of a PE meets every weight vector of a group of output channels. So sums
over channels of the one side's vectors times the other's are all that is needed, without a look at any pair:

    steps               weight vectors taken from the FIFOs, each for one activation vector
    pushed_vectors      weight vectors that enter the FIFOs, PE by PE
    activation_vectors  activation vectors read from the IARAMs: once for each block of weights of their channel
    drained_sums        sums that leave the accumulators, halos included
    halo_sums           those of them that go to a neighbour
    broadcasts          activations that a PE receives from the others (fully connected layers)
"""

from __future__ import annotations

import numpy as np

from dataflows.machines.scnn.bank_queues import Counted
from dataflows.machines.scnn.fully_connected import SlicedWork
from dataflows.machines.scnn.planar_map import PlanarMap
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.machines.scnn.tile_work import StoredActivations, StoredWeights
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div


def planar_counts(
    activations: StoredActivations, weights: StoredWeights, layer: Layer, spec: ScnnSpec
) -> dict[str, int]:
    """The module's counts of a layer whose PEs keep tiles of the map."""
    plan = activations.plan
    # By virtual channel, over all images, windows and PEs. Shares of a list are whole vectors, so that they need not be
    # told apart.
    vectors = np.zeros(len(plan.taps.phases) * layer.in_channels, np.int64)
    for stored in activations.windows:
        length = stored.found.astype(np.int64) + stored.fillers
        vectors += ceil_div(length, spec.activations_per_vector).sum(axis=(0, 2))
    # Likewise over all groups of output channels: two blocks of 5 and 0 weights are 2 vectors of 4, and one block.
    lengths = np.concatenate([np.diff(lists.start, axis=1) for lists in weights.lists])
    weight_vectors = ceil_div(lengths, spec.weights_per_vector).sum(axis=0)
    blocks = (lengths > 0).sum(axis=0)
    # Blocks pass by all PEs that have a part of a sub-tile.
    receivers = layer.batch * sum(len(plan.pes(cut)) for cut in range(plan.cut_count))
    drained, halo = _drained(plan)
    sums = layer.batch * layer.out_channels
    return {
        "steps": int(vectors @ weight_vectors),
        "pushed_vectors": receivers * int(weight_vectors.sum()),
        "activation_vectors": int(vectors @ blocks),
        "drained_sums": sums * drained,
        "halo_sums": sums * halo,
        "broadcasts": 0,
    }


def sliced_counts(sliced: SlicedWork, inputs: np.ndarray, spec: ScnnSpec) -> dict[str, int]:
    """The module's counts of a fully connected layer.

    inputs  int64 (images,): stored activations, each of which is read and sent to all PEs once a round

    Weights of a channel without an activation are dropped as they arrive, and never enter a FIFO.
    """
    steps = int(sliced.work[..., [Counted.BUSY, Counted.INDEX]].sum())
    rounds, receivers = len(sliced.channels), int((sliced.channels > 0).sum())
    return {
        "steps": steps,
        "pushed_vectors": steps,
        "activation_vectors": rounds * int(ceil_div(inputs, spec.activations_per_vector).sum()),
        "drained_sums": len(inputs) * int(sliced.channels.sum()),
        "halo_sums": 0,
        "broadcasts": receivers * int(inputs.sum()),
    }


def _drained(plan: PlanarMap) -> tuple[int, int]:
    """Sums of one output channel and image that all PEs drain, and the halos' part of them."""
    top, bottom, left, right = np.moveaxis(plan.sub_tile_windows, -1, 0)
    rows, columns = bottom - top, right - left
    positions = np.where((rows > 0) & (columns > 0), rows * columns, 0)
    sums = np.where(positions > 0, (rows + plan.halo[0]) * (columns + plan.halo[1]), 0)
    return int(sums.sum()), int((sums - positions).sum())
