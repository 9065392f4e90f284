"""Graphs of the shipped networks as text, beside their tables: `NETWORK.graph`.

A line a node, in an order in which they can run:

    NAME [KIND [KEY=VALUE ...]] [< INPUT ...]

A name alone is a layer of the network's table, or `input`, the network's own. Without `<` a node reads the one of the
line before. Keys are those of `Operator` (values per axis joined by `x`): kernel, stride, padding, ceil=yes, scale,
shape. Lines that begin with # are remarks.

ReLU, normalisation and dropout move nothing and are left out: the table's column relu_input says who reads zeros.

Example, a block of ResNet:

    pool1 pool kernel=3 stride=2 padding=1
    conv1
    conv2
    add add < conv2 pool1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from workloads.errors import InputError
from workloads.graph import Graph
from workloads.layer import Layer
from workloads.operators import Operator
from workloads.wiring import Wired, assemble, name_of

_KEYS = {"kernel": "kernel_size"}  # short for a field of `Operator`


def parse_graph(text: str, layers: Sequence[Layer]) -> Graph:
    """The graph that a text describes, of these layers. Raises `InputError` naming the line's node."""
    by_name = {layer.name: layer for layer in layers}
    parts = list[Wired]()
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            parts.append(_part(line, by_name, parts))
    return assemble(parts)


def _part(line: str, layers: dict[str, Layer], before: Sequence[Wired]) -> Wired:
    described, _, read = line.partition("<")
    name, *options = described.split()
    if name == "input" and not options:
        return Wired(Operator(name, "input"))
    inputs = tuple(read.split()) or (name_of(before[-1].part),)
    if options:
        return Wired(_operator(name, options), inputs)
    if name not in layers:
        raise InputError(f"node '{name}': is no layer of the network, and has no kind")
    return Wired(layers[name], inputs)


def _operator(name: str, options: Sequence[str]) -> Operator:
    kind, *pairs = options
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        settings[_KEYS.get(key, key)] = True if value == "yes" else _sizes(key, value)
    return replace(Operator(name, "other"), kind=kind, **settings)


def _sizes(key: str, text: str) -> int | tuple[int, ...]:
    sizes = tuple(int(part) for part in text.split("x"))
    # A shape of one number is a shape; a kernel of one number stands for every axis.
    return sizes[0] if len(sizes) == 1 and key != "shape" else sizes
