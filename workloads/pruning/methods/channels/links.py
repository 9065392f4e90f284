"""Which layer plainly feeds which: a list of layers holds no graph, so that only what is certain counts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from workloads.layer import Layer
from workloads.pruning.methods.low_rank.factorization import PARTS
from workloads.source import LayerSource


def plain_links(sources: Sequence[LayerSource]) -> list[int]:
    """For each layer, what the next one reads of each channel that it writes, if the next one alone reads them.

    0 where that is not certain; 1 where layers are linked; H·W features where a fully connected layer reads a
    flattened map, channel after channel. Two layers are linked when the second follows the first in the whole network,
    the channels agree, the map fits (pooling may have made it smaller), and one of these holds:
    - both are the factors of one layer (low-rank factorization);
    - the network has no branches: no name has a block (a part before a dot), and every layer of the list reads what
      the one before it writes;
    - both belong to one block, and no later layer of the block may read the first one's outputs too.
    Sums of two maps (ResNet) and joins (GoogLeNet) link blocks, never layers inside one.
    """
    # One layer that does not read the one before it is enough: the list may then hold branches that names do not tell.
    # Example: VGG-16's 13 convolutions and 3 fully connected layers give twelve times 1, then 49 from conv5_3 to fc6,
    # 1, 1, and 0 for fc8, which nothing reads.
    chain = not any(_block(source.layer) for source in sources) and all(
        _feeds(*pair) for pair in itertools.pairwise(sources)
    )
    return [_linked(sources, place, chain) for place in range(len(sources))]


def _linked(sources: Sequence[LayerSource], place: int, chain: bool) -> int:
    if place + 1 >= len(sources):
        return 0
    first, second = sources[place], sources[place + 1]
    if not _feeds(first, second):
        return 0
    block = _block(first.layer)
    in_block = block == _block(second.layer) != "" and not _forks(sources, place, block)
    # Three reasons, see `plain_links`; the quotient is 1 between maps, and 49 from 512 channels of 7x7 to 25,088
    # features.
    plain = first.place == second.place or chain or in_block
    return second.layer.in_channels // first.layer.out_channels if plain else 0


def _forks(sources: Sequence[LayerSource], place: int, block: str) -> bool:
    """Whether a layer of the block beyond the next one may read this layer: its own predecessor does not feed it."""
    first, second = sources[place].layer, sources[place + 1].layer
    # Example: the branches of an Inception module all read the module's input. The first layer of a branch follows the
    # last one of the branch before it in the list, which does not feed it: it may read an earlier layer instead.
    for before, after in itertools.pairwise(sources[place + 1 :]):
        reads = after.layer.in_channels == first.out_channels and after.layer.input_size == second.input_size
        if _block(after.layer) == block and reads and not _feeds(before, after):
            return True
    return False


def _feeds(first: LayerSource, second: LayerSource) -> bool:
    """Whether the second follows the first in the network and can read what it writes, pooled or flattened or not."""
    if not _follows(first, second):
        return False
    before, after = first.layer, second.layer
    if after.fully_connected and not before.fully_connected:
        # VGG-16's conv5_3 writes 14x14 a channel and fc6 reads 49: pooling makes a map smaller, never larger.
        features, rest = divmod(after.in_channels, before.out_channels)
        return rest == 0 and features <= before.output_count // (before.batch * before.out_channels)
    fits = before.axes == after.axes and all(
        size >= read for size, read in zip(before.output_size, after.input_size, strict=True)
    )
    return fits and before.out_channels == after.in_channels


def _follows(first: LayerSource, second: LayerSource) -> bool:
    # The two factors of one layer have its place, and the second factor has the larger index.
    step = second.place - first.place
    return step == 1 or (step == 0 and second.index > first.index)


def _block(layer: Layer) -> str:
    name, _, part = layer.name.rpartition(".")
    # The factor "layer1.conv2.vertical" belongs to the block of the layer it came from, which is "layer1".
    while part in PARTS:
        name, _, part = name.rpartition(".")
    return name
