"""The products of SparTen's joins, one by one, for the check of what it computes."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices
from dataflows.kernels.words import trailing_zeros
from dataflows.machines.sparten.balanced_rounds import BalancedRounds
from dataflows.machines.sparten.inner_join import WindowReads, find_places, lay_out_window
from dataflows.machines.sparten.sparse_chunks import WORD, ChunkCut, Segments, pack_channels
from dataflows.machines.sparten.spec import SpartenSpec
from workloads.layer import Layer


def multiply_joined(
    spec: SpartenSpec,
    layer: Layer,
    cut: ChunkCut,
    packed: np.ndarray | None,
    rounds: BalancedRounds,
    weights: np.ndarray,
    activations: np.ndarray,
) -> np.ndarray:
    """Outputs int64 (N, K, [O,] P, Q) from int64 weights and activations; other arguments as in a schedule."""
    channels = layer.group_in_channels
    inputs = activations.reshape(layer.batch * layer.groups, channels, -1)
    maps = pack_channels(inputs != 0 if spec.sparse_inputs else np.ones(inputs.shape, np.bool_))
    own = weights.reshape(layer.groups, layer.group_out_channels, channels, -1)
    every = np.broadcast_to(cut.full(), (*own.shape[:2], cut.count, cut.words))
    words = rounds.words(every.copy() if packed is None else packed)
    element_of = np.zeros(cut.count * cut.words * WORD, np.int64)  # of each bit: its channel and kernel position
    element_of[cut.bit_of] = np.arange(cut.taps)[:, None] + np.arange(channels) * cut.taps
    outputs = np.zeros(
        (layer.batch, layer.groups, layer.group_out_channels, layer.output_count // layer.batch // layer.out_channels),
        np.int64,
    )
    reads = WindowReads.of(layer)

    def run(task: int) -> None:
        image, group = divmod(task, layer.groups)
        _multiply(
            maps[task], reads, cut.segments, words[group], rounds.held[group], element_of,
            inputs[task], own[group].reshape(len(own[group]), -1), outputs[image, group],
        )  # fmt: skip

    run_slices(run, range(layer.batch * layer.groups))
    return outputs.reshape(layer.output_shape)


@kernel
def _multiply(
    maps: np.ndarray,
    reads: WindowReads,
    segments: Segments,
    words: np.ndarray,
    held: np.ndarray,
    element_of: np.ndarray,
    inputs: np.ndarray,
    weights: np.ndarray,
    outputs: np.ndarray,
) -> None:
    """Add to outputs (K/G, positions) of one image and group.

    element_of  int64 (bits of a window's words,): channel * taps + tap;  inputs  int64 (C/G, places)
    weights     int64 (K/G, C/G * taps);  others as in `join_windows` and `BalancedRounds`
    """
    rounds, chunks, _, slots, chunk_words, lanes = words.shape
    units = held.shape[3]
    taps = reads[0].shape[1] * reads[1].shape[1] * reads[2].shape[1]
    window, sent, places = (
        np.zeros(chunks * chunk_words, np.uint32),
        np.zeros(chunks, np.int64),
        np.zeros(taps, np.int64),
    )
    for position in range(outputs.shape[1]):
        find_places(reads, position, places)
        sends = lay_out_window(maps, segments, places, chunk_words, window, sent)
        for one in range(rounds):
            for chunk in sent[:sends]:
                for slot in range(slots):
                    for unit in range(units):
                        k = held[one, min(chunk, held.shape[1] - 1), slot, unit]
                        for word in range(chunk_words if k >= 0 else 0):
                            place = chunk * chunk_words + word
                            matches = np.uint64(
                                window[place] & words[one, chunk, unit // lanes, slot, word, unit % lanes]
                            )
                            while matches:
                                element = element_of[place * 32 + trailing_zeros(matches)]
                                value = inputs[element // taps, places[element % taps]]
                                outputs[k, position] += value * weights[k, element]
                                matches &= matches - np.uint64(1)
