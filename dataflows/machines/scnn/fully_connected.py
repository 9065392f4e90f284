"""Fully connected geometry on an array for planar tiles: each PE takes a slice of the output channels instead.

A 1x1 map has one position, so that planar tiling would leave one PE. Here the activations are broadcast, one of a
channel at a time, and each PE multiplies it with its own stream of weight vectors: at most F of the F x I multipliers
work, a quarter of the published machine's peak. Source: Parashar et al., ISCA 2017, on fully connected layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices
from dataflows.kernels.words import trailing_zeros
from dataflows.machines.scnn.bank_queues import WORK_COUNTS, Counted, QueueRules, run_channel
from dataflows.machines.scnn.bit_strings import pack_columns
from dataflows.machines.scnn.nonzero_lists import ListPart, ListRules
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

_CHUNK = 512  # channels whose columns of the weight mask are turned into words together


@kernel
def _list_column(words: np.ndarray, column: int, run_bits: int, shift: int, entries: np.ndarray) -> int:
    """The stored entries of one channel: accumulator number of each non-zero, -1 for placeholders. Returns how many.

    Non-zeros 0 and 5 with a zero-run field of 2 bits are [0, -1, 5]: the four zeros between them take a placeholder.
    """
    n = 0
    last = -1
    for i in range(len(words)):
        word = words[i, column]
        while word != 0:
            k = i * 64 + trailing_zeros(word)
            word &= word - np.uint64(1)  # without its lowest bit, which was k's
            # 4 zeros between 0 and 5 with 2 bits: 4 >> 2 = 1 placeholder. Before the first non-zero last is -1, so that
            # k zeros stand there; zeros after the last non-zero are never reached.
            for _ in range((k - last - 1) >> run_bits):
                entries[n] = -1
                n += 1
            entries[n] = k + shift
            n += 1
            last = k
    return n


@kernel
def _run_slice(
    mask: np.ndarray,
    active: np.ndarray,
    groups: int,
    slice_of_pe: tuple[int, int],
    stored_by: ListRules,
    rules: QueueRules,
    bank_of: np.ndarray,
    work: np.ndarray,
) -> int:
    """Output channels low..high of one PE for every image; work (images, WORK_COUNTS) receives what is `Counted`.

    mask uint8 (K, C/G), active uint8 (N, C). Returns the number of stored weight entries of the slice.
    """
    low, high = slice_of_pe
    images = len(active)
    in_channels = mask.shape[1]
    # The limit is 2 to the power of the zero-run field's bits.
    run_bits = trailing_zeros(np.uint64(stored_by.run_limit))
    group_channels = len(mask) // groups
    now = np.zeros(images, np.int64)
    free = np.zeros((images, rules.banks), np.int64)
    # The one activation of a channel adds nothing to the accumulator's number. That a vector has no room for a second
    # is a constant here, so that the compiler leaves the loop over activations out.
    one = ListPart(np.zeros(1, np.int32), 0, 1)
    one_by_one = QueueRules(rules.weights_per_vector, 1, rules.banks, rules.mixed_hash, rules.depth, rules.fifo_vectors)
    entries = np.empty(high - low + 1, np.int32)
    words = np.empty(((high - low + 63) >> 6, _CHUNK), np.uint64)
    stored = 0
    # Channels 5 to 10 of groups of 4 touch the groups 1 and 2; of the first only channels 5 to 7.
    for group in range(low // group_channels, (high - 1) // group_channels + 1):
        first_k = max(low, group * group_channels)
        end_k = min(high, (group + 1) * group_channels)
        # Rows of the mask are filters but lists are columns: turning a chunk at a time reads whole cache lines.
        for first in range(0, in_channels, _CHUNK):
            pack_columns(mask, stored_by.keep_zeros, first_k, end_k, first, words)
            for column in range(min(_CHUNK, in_channels - first)):
                n = _list_column(words, column, run_bits, first_k - low, entries)
                stored += n
                weights = ListPart(entries, 0, n)
                for image in range(images):
                    # Nothing is broadcast of a zero activation, and no cycle passes in a PE without weights for it: PEs
                    # run apart.
                    if n == 0 or active[image, group * in_channels + first + column] == 0:
                        continue
                    now[image] = run_channel(one, weights, one_by_one, bank_of, free[image], now[image], work[image])
    for image in range(images):
        # Results leave when the last queue is empty.
        work[image, Counted.BANK_CONFLICT] += max(0, free[image].max() - now[image])
    return stored


@dataclass(frozen=True, eq=False)
class SlicedWork:
    """What each PE does in each round, a round being what the accumulators hold of a PE's slice.

    work      int64 (images * rounds, PEs, WORK_COUNTS): what is `Counted`
    stored    int64 (rounds, PEs): weight entries, placeholders included
    channels  int64 (rounds, PEs): output channels
    """

    work: np.ndarray
    stored: np.ndarray
    channels: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """int64 (rounds,): output channels of the fullest PE."""
        return self.channels.max(axis=1)

    @classmethod
    def of(
        cls,
        mask: np.ndarray,
        active: np.ndarray,
        groups: int,
        *,
        pes: int,
        accumulators: int,
        stored_by: ListRules,
        rules: QueueRules,
    ) -> Self:
        """Run a layer; mask uint8 (K, C/G), active uint8 (N, C): where an activation is broadcast."""
        # Rounded up: the last PEs have fewer channels or none. 10 channels on 4 PEs are 3, 3, 3 and 1.
        share = ceil_div(len(mask), pes)
        rounds = ceil_div(share, accumulators)
        work = np.zeros((rounds, pes, len(active), WORK_COUNTS), np.int64)
        stored, channels = np.zeros((2, rounds, pes), np.int64)
        # A map of one position: an output channel has a single sum, and its number is the accumulator's.
        bank_of = rules.bank_of(min(share, accumulators), (1, 1))

        def run(pe: int) -> None:
            for i in range(rounds):
                # Shares of 5 channels in rounds of 3: PE 1 takes 5 to 7 and then 8 and 9.
                low = pe * share + i * accumulators
                high = min(low + accumulators, (pe + 1) * share, len(mask))
                if low < high:
                    channels[i, pe] = high - low
                    stored[i, pe] = _run_slice(
                        mask, active, groups, (low, high), stored_by, rules, bank_of, work[i, pe]
                    )

        run_slices(run, range(pes))
        # PEs ran by themselves, each with all images side by side; tiles go image by image, and round by round in each.
        by_tile = np.ascontiguousarray(work.transpose(2, 0, 1, 3)).reshape(-1, pes, WORK_COUNTS)
        return cls(by_tile, stored, channels)


@kernel
def _multiply(weights: np.ndarray, activations: np.ndarray, groups: int, share: int, outputs: np.ndarray) -> None:
    """Outputs int64 (N, K) of weights (K, C/G) and activations (N, C): PE by PE, activation by activation.

    Only products of two non-zeros are made. share: output channels of a PE.
    """
    group_channels = len(weights) // groups
    in_channels = weights.shape[1]
    for image in range(len(activations)):
        for first in range(0, len(weights), share):
            for channel in range(activations.shape[1]):
                activation = activations[image, channel]
                if activation == 0:
                    continue
                # Input channels of all groups follow one another; a weight names its channel within its group.
                group = channel // in_channels
                # The PE's share of the output channels and the group of this activation's, where they overlap.
                low = max(first, group * group_channels)
                for k in range(low, min(first + share, len(weights), (group + 1) * group_channels)):
                    weight = weights[k, channel % in_channels]
                    if weight != 0:
                        outputs[image, k] += weight * activation


def sliced_outputs(layer: Layer, weights: np.ndarray, activations: np.ndarray, share: int) -> np.ndarray:
    """Outputs int64 (N, K, P, Q) of int64 weights (K, C/G, 1, 1) and activations (N, C, 1, 1)."""
    outputs = np.zeros(layer.output_shape, np.int64)
    row, column = (divmod(pad[0], stride) for pad, stride in zip(layer.padding, layer.stride, strict=True))
    if row[1] == column[1] == 0:  # else the stride steps over the one position
        reached = np.zeros((layer.batch, layer.out_channels), np.int64)
        flat = (weights.reshape(layer.weight_shape[:2]), activations.reshape(layer.batch, -1))
        _multiply(*flat, layer.groups, share, reached)
        outputs[:, :, row[0], column[0]] = reached
    return outputs
