"""Shapes that an ONNX file leaves open, taken from a run of the model on the given or a made input."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from workloads.errors import InputError, listed
from workloads.importers.feeds import Feed
from workloads.importers.onnx.capture import runs_of
from workloads.importers.onnx.graph import OnnxGraph
from workloads.importers.onnx.operators import sequence_lengths

ONES = "an input of ones"
LIMIT_SECONDS = 20.0  # of a run that nobody asked for
_AXES = 3  # of what a recurrent node reads
_LARGEST_BYTES = 1 << 28  # of an input that is made


def settle_shapes(graph: OnnxGraph, feeds: Iterable[Feed] | None) -> tuple[str, ...]:
    """Find the shapes that the file leaves open by a run on the first feed, or on ones; a line for the user if on ones.

    Where that is not possible they stay open, and the graph says why. Raises `InputError` where shapes that follow from
    the file contradict one another and no run tells better.
    """
    unknown = graph.unknown
    if not unknown:
        return ()
    try:
        limit = LIMIT_SECONDS if feeds is None else None
        if feeds is None:
            feeds = [made_feed(graph)]
        for feed, values in runs_of(graph, unknown, islice(feeds, 1), limit):
            # Sequences have no shape of their own, and nothing that becomes a layer reads one.
            seen = {name: value.shape for name, value in zip(unknown, values, strict=True) if hasattr(value, "shape")}
            graph.settle({name: array.shape for name, array in feed.items()} | seen)
    except InputError as error:
        if graph.fault:
            raise InputError(f"{graph.path}: shapes do not fit together: {graph.fault}") from None
        graph.unsettled = str(error).removeprefix(f"{graph.path}: ")
        return ()
    return (f"sizes that the file leaves open are those of a run on {ONES}",) if isinstance(feeds, Sequence) else ()


def settle_lengths(graph: OnnxGraph, feeds: Iterable[Feed] | None) -> None:
    """Find the recurrent nodes whose sequences all have as many steps as there are, in every run."""
    asked = {node.output[0] or node.output[1]: node for node in graph.nodes if sequence_lengths(node)}
    if not asked:
        return
    names = [name for node in asked.values() for name in (node.input[0], sequence_lengths(node))]
    made = list(dict.fromkeys(name for name in names if name in graph.producers))
    full = set(asked)
    try:
        limit = LIMIT_SECONDS if feeds is None else None
        for feed, values in runs_of(graph, made, [made_feed(graph)] if feeds is None else feeds, limit):
            held = feed | dict(zip(made, values, strict=True))
            full = {name for name in full if _all_steps(graph, asked[name], held)}
    except InputError:
        return  # what keeps the model from running is said where it matters
    graph.full |= full


def _all_steps(graph: OnnxGraph, node: Any, held: Mapping[str, np.ndarray]) -> bool:
    lengths = sequence_lengths(node)
    given = held[lengths] if lengths in held else graph.constant(lengths)
    axis = 1 if graph.attributes(node).get("layout", 0) else 0
    read = held.get(node.input[0])
    return read is not None and read.ndim == _AXES and bool(np.all(given == read.shape[axis]))


def made_feed(graph: OnnxGraph) -> Feed:
    """An input of ones, empty texts where it takes those. Raises `InputError` naming sizes that are open."""
    feed: Feed = {}
    for spec in graph.inputs:
        # A list of tensors has one.
        shape = (1, *spec.shape[1:]) if spec.sequence else spec.shape
        if None in shape:
            raise InputError(f"{graph.path}: {_open(graph)}")
        sizes = tuple(size for size in shape if size is not None)
        if math.prod(sizes) * spec.dtype.itemsize > _LARGEST_BYTES:
            raise InputError(f"{graph.path}: input '{spec.name}' is too large to be made up: give --input")
        feed[spec.name] = np.full(sizes, "" if spec.dtype.kind == "O" else 1, spec.dtype)
    return feed


def _open(graph: OnnxGraph) -> str:
    names = [spec.name for spec in graph.inputs if None in spec.shape[spec.sequence :]]
    return f"give --size for the model's dynamic sizes (of {listed(names)}), or --input"
