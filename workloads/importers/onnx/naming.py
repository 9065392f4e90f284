"""Names in an ONNX graph and in the bodies of its operators: which are taken, and giving tensors new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Kind = Literal["tensor", "operator"]  # what has a name
Names = dict[Kind, Counter[str]]


def graphs_of(node: Any) -> dict[str, Any]:
    """The bodies of an operator by the names of their attributes."""
    return {attribute.name: attribute.g for attribute in node.attribute if attribute.HasField("g")}


def names_in(graph: Any) -> Names:
    """How often each name stands in a graph and in the bodies inside."""
    return {
        "tensor": Counter(name for part in _all(graph) for name in _tensors(part)),
        "operator": Counter(node.name for part in _all(graph) for node in part.node),
    }


def free(names: Names, node: Any) -> None:
    """Take away what the bodies of a node hold, which vanishes."""
    for body in graphs_of(node).values():
        for kind, held in names_in(body).items():
            names[kind].subtract(held)


def keep(names: Names, node: Any) -> None:
    """Add what the bodies of a node hold."""
    for body in graphs_of(node).values():
        for kind, held in names_in(body).items():
            names[kind].update(held)


def mark(node: Any, suffix: str) -> None:
    """Add a suffix to the names of all operators inside a node."""
    for body in graphs_of(node).values():
        for inner in body.node:
            inner.name = f"{inner.name}{suffix}" if inner.name else ""
            mark(inner, suffix)


def unique(names: Names, name: str, kind: Kind) -> str:
    """The name, with a number where it is taken; it is taken from now on."""
    plain, copies = name, 1
    while names[kind][name] > 0:
        copies += 1
        name = f"{plain}~{copies}"
    names[kind][name] = 1
    return name


def rename(node: Any, names: Mapping[str, str]) -> None:
    """Give tensors that a node reads or makes their new names, in the bodies that it holds as well."""
    node.input[:] = [names.get(one, one) for one in node.input]
    node.output[:] = [names.get(one, one) for one in node.output]
    for body in graphs_of(node).values():
        for inner in body.node:
            rename(inner, names)
        for end in body.output:
            end.name = names.get(end.name, end.name)


def _all(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for body in graphs_of(node).values():
            yield from _all(body)


def _tensors(graph: Any) -> Iterator[str]:
    yield from (value.name for value in (*graph.input, *graph.output, *graph.initializer))
    yield from (tensor.values.name for tensor in graph.sparse_initializer)
    for node in graph.node:
        yield from (*node.input, *node.output)
