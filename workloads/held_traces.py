"""`HeldTraces`: traces of a workload that are kept, for runs that differ in their machine alone."""

from __future__ import annotations

from workloads.source import LayerSource
from workloads.trace import LayerTrace


class HeldTraces:
    """The first traces that were made of a workload, as many as fit into `most_bytes`; others are made each time.

    None makes room for another: runs ask for the layers in turn, and a network that does not fit as a whole would find
    each trace gone when its turn comes again.
    """

    def __init__(self, most_bytes: int) -> None:
        self._left_bytes = most_bytes
        # A source is kept with its traces: while it is here no other object has its identity.
        self._held: dict[tuple[int, int, int], tuple[LayerSource, LayerTrace]] = {}

    def trace(self, source: LayerSource, seed: int, input: int) -> LayerTrace:  # noqa: A002 (the field's word)
        """The trace that the source makes of that seed and input."""
        place = (id(source), seed, input)
        if place in self._held:
            return self._held[place][1]
        trace = source.trace(seed, input)
        size = held_bytes(trace)
        if size <= self._left_bytes:
            self._left_bytes -= size
            self._held[place] = source, trace
        return trace


def held_bytes(trace: LayerTrace) -> int:
    """Bytes of a trace's tensors, and of the masks that are made of values."""
    arrays = (trace.weights, trace.activations)
    return sum(array.nbytes + (array.size if array.dtype != bool else 0) for array in arrays)
