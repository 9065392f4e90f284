"""Bodies of If, Loop and Scan with products, put in place of their operator: the branch that runs, each turn of a loop.

Which branch runs and how often a loop turns is told by a run of the model on the given input, else on a made one; a
constant condition tells it alone. Bodies without products stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.feeds import Feed
from workloads.importers.imported import ImportOptions, require
from workloads.importers.onnx.capture import runs_of
from workloads.importers.onnx.graph import OnnxGraph, label
from workloads.importers.onnx.inference import DOMAINS
from workloads.importers.onnx.naming import Kind, free, graphs_of, keep, mark, rename, unique
from workloads.importers.onnx.operators import holds_products
from workloads.importers.onnx.scans import Scan
from workloads.importers.onnx.settling import LIMIT_SECONDS, ONES, made_feed

_MOST_NODES = 100_000  # that all turns of a loop may have
_AXES_AS_INPUT = 13  # the operator set from which Unsqueeze reads its axes
_SCANS_WITHOUT_BATCHES = 9  # the operator set from which Scan has neither a batch nor lengths of its own


def enter_bodies(graph: OnnxGraph, feeds: Iterable[Feed] | None) -> tuple[OnnxGraph, tuple[str, ...]]:
    """The graph with bodies in place, and a line for the user where a made input decided. Raises `InputError`.

    What cannot be entered is in the graph's `closed`, with the reason.
    """
    closed: dict[str, str] = {}
    decided: list[str] = []
    # Each round enters the bodies of one depth.
    while nodes := [node for node in graph.nodes if node.output[0] not in closed and _open(graph, node)]:
        try:
            turns = {node.output[0]: turn for node, turn in _turns(graph, nodes, feeds)}
        except _NoRunError as error:
            closed |= dict.fromkeys((node.output[0] for node in nodes), str(error))
            break
        if feeds is None:
            decided += [label(node) for node in nodes if _told(graph, node) is None]
        bodies = {name: _Body(graph, node, turns[name]) for node in nodes for name in node.output[:1]}
        for name, body in bodies.items():
            if reason := body.obstacle():
                closed[name] = reason
        _put(graph, {name: body for name, body in bodies.items() if name not in closed})
        graph = OnnxGraph(graph.path, ImportOptions(), graph.model)
    graph.closed = closed
    notes = [f"{decided[0]} and {len(decided) - 1} more" if len(decided) > 1 else decided[0]] if decided else []
    return graph, tuple(f"what {one} does on {ONES} is what is taken" for one in notes)


class _NoRunError(Exception):
    """The model does not run, so that nothing tells which way it takes."""


def _open(graph: OnnxGraph, node: Any) -> bool:
    """Whether a node has bodies with products that can be entered; one that is not as ONNX has it is left alone."""
    bodies = graphs_of(node)
    if node.domain not in DOMAINS or not node.output[0] or not holds_products(node):
        return False
    if node.op_type == "If":
        return set(bodies) == {"then_branch", "else_branch"} and len(node.input) == 1
    if set(bodies) != {"body"}:
        return False
    if node.op_type == "Scan":
        return _opset(graph) >= _SCANS_WITHOUT_BATCHES and Scan.of(node).fits()
    if node.op_type != "Loop":
        return False
    body, states = bodies["body"], len(node.input) - 2
    # The turn and the condition come before the states, and of the outputs the condition alone.
    return states >= 0 and len(body.input) == states + 2 and len(body.output) > states


def _opset(graph: OnnxGraph) -> int:
    return max(one.version for one in graph.model.opset_import if one.domain in ("", "ai.onnx"))


def _told(graph: OnnxGraph, node: Any) -> int | None:
    """What `_turns` gives where it needs no run: of a constant condition, and of an input of known size that is cut."""
    if node.op_type == "If" and graph.is_constant(node.input[0]):
        return int(graph.constant(node.input[0]).reshape(-1)[0])
    if node.op_type == "Scan":
        scan = Scan.of(node)
        shape, axis = graph.shape(node.input[scan.states]), scan.input_axes[0]
        if shape is not None and -len(shape) <= axis < len(shape):
            return shape[axis]
    return None


def _turns(graph: OnnxGraph, nodes: Sequence[Any], feeds: Iterable[Feed] | None) -> Iterator[tuple[Any, int]]:
    """For each If whether its condition holds, for each Loop and Scan how often it turns.

    Raises `_NoRunError`, and `InputError` where samples differ.
    """
    asked: list[tuple[Any, str]] = []
    for node in nodes:
        if (turns := _told(graph, node)) is not None:
            yield node, turns
        else:
            asked.append((node, _telling(graph, node)))
    if not asked:
        return
    try:
        limit = LIMIT_SECONDS if feeds is None else None
        names = [name for _, name in asked]
        runs = runs_of(graph, names, [made_feed(graph)] if feeds is None else feeds, limit)
        seen = [[_turn(node, value) for (node, _), value in zip(asked, values, strict=True)] for _, values in runs]
    except InputError as error:
        raise _NoRunError(str(error).removeprefix(f"{graph.path}: ")) from None
    finally:
        for node, _ in asked:
            if node.op_type == "Loop":
                _uncounted(node)
    for (node, _), turns in zip(asked, zip(*seen, strict=True), strict=True):
        if len(set(turns)) > 1:
            ways = "takes both branches" if node.op_type == "If" else f"turns {min(turns)} to {max(turns)} times"
            raise InputError(f"{graph.path}: {label(node)} {ways} over the samples: give samples one at a time")
        yield node, turns[0]


def _telling(graph: OnnxGraph, node: Any) -> str:
    """The tensor that tells `_turn`."""
    if node.op_type == "Scan":
        return str(node.input[Scan.of(node).states])
    return str(node.input[0]) if node.op_type == "If" else _counted(graph, node)


def _turn(node: Any, value: Any) -> int:
    if node.op_type == "Scan":
        return np.asarray(value).shape[Scan.of(node).input_axes[0]]
    # A loop's count has an element for each turn.
    return int(np.asarray(value).reshape(-1)[0]) if node.op_type == "If" else len(value)


def _counted(graph: OnnxGraph, node: Any) -> str:
    """Have a Loop give the numbers of its turns as well, whose count is how often it turns."""
    onnx, body = require("onnx", "onnx", "ONNX files"), graphs_of(node)["body"]
    inner, outer = (unique(graph.taken, f"{node.output[0]}:{part}", "tensor") for part in ("turn", "turns"))
    body.node.append(onnx.helper.make_node("Identity", [body.input[0].name], [inner]))
    body.output.append(onnx.helper.make_tensor_value_info(inner, onnx.TensorProto.INT64, []))
    # Outputs that are left out at the end are counted as well, as those of all turns come last.
    node.output.extend([""] * (len(body.output) - 2 - len(node.output)) + [outer])
    return outer


def _uncounted(node: Any) -> None:
    body = graphs_of(node)["body"]
    del body.node[-1], body.output[-1], node.output[-1]


def _put(graph: OnnxGraph, bodies: Mapping[str, _Body]) -> None:
    """Put bodies in place of their operators."""
    nodes = []
    for node in graph.nodes:
        body = bodies.get(node.output[0])
        nodes += [node] if body is None else body.nodes()
    # Copies, since emptying the list takes the nodes with it.
    kept = [_copy(node) for node in nodes]
    held = graph.model.graph
    del held.node[:]
    held.node.extend(kept)


def _renamed_values(values: Iterable[Any], names: Mapping[str, str]) -> list[str]:
    plain = [str(value.name) for value in values]
    return [names.get(name, name) for name in plain]


def _copy(node: Any) -> Any:
    copy = type(node)()
    copy.CopyFrom(node)
    return copy


@dataclass
class _Body:
    """What an If, a Loop or a Scan does, as nodes of the graph that it stands in.

    turns  of an If: whether its condition holds; of a Loop and a Scan: how often it turns
    """

    graph: OnnxGraph
    node: Any
    turns: int

    def obstacle(self) -> str:
        """Why it cannot be put in place, or empty."""
        if self.node.op_type == "If":
            return ""
        if not self.turns:
            return "its body does not run"
        count = self.turns * len(graphs_of(self.node)["body"].node)
        return f"its {self.turns} turns have more than {_MOST_NODES:,} operators" if count > _MOST_NODES else ""

    def nodes(self) -> list[Any]:
        """The nodes, in order; initializers of the body go to the graph."""
        free(self.graph.taken, self.node)
        return {"If": self._branch, "Loop": self._loop, "Scan": self._scan}[self.node.op_type]()

    def _branch(self) -> list[Any]:
        branch = graphs_of(self.node)["then_branch" if self.turns else "else_branch"]
        names = self._initializers(branch)
        made = self._renamed(branch, names, "", "")
        ends = _renamed_values(branch.output, names)
        return made + [self._same(end, name) for end, name in zip(ends, self.node.output, strict=False) if name]

    def _loop(self) -> list[Any]:
        """The body's inputs are the turn, the condition, the states; its outputs the condition, the states and rows."""
        body, onnx = graphs_of(self.node)["body"], require("onnx", "onnx", "ONNX files")
        states = [str(name) for name in self.node.input[2:]]

        def given(turn: int, states: list[str], _: list[Any]) -> list[str]:
            return [self._held(f"turn{turn}", onnx, turn), self._held(f"runs{turn}", onnx, np.bool_(True)), *states]

        return self._turned(given, states, list(body.output)[1:], [(0, False)] * (len(body.output) - 1 - len(states)))

    def _scan(self) -> list[Any]:
        """A body's inputs are the states and a slice of each input that is cut; its outputs the states, and slices."""
        body, onnx, scan = graphs_of(self.node)["body"], require("onnx", "onnx", "ONNX files"), Scan.of(self.node)
        cut = list(zip(self.node.input[scan.states :], scan.input_axes, scan.input_back, strict=True))

        def given(turn: int, states: list[str], made: list[Any]) -> list[str]:
            slices = [self._unique(f"{name}/{turn}/slice") for name, _, _ in cut]
            for (name, axis, back), one in zip(cut, slices, strict=True):
                place = self._held(f"slice{turn}", onnx, self.turns - 1 - turn if back else turn)
                operator = self._unique(f"{one}:cut", "operator")
                made.append(onnx.helper.make_node("Gather", [name, place], [one], name=operator, axis=axis))
            return [*states, *slices]

        states = [str(name) for name in self.node.input[: scan.states]]
        laid = [(axis, bool(back)) for axis, back in zip(scan.output_axes, scan.output_back, strict=True)]
        return self._turned(given, states, list(body.output), laid)

    def _turned(
        self,
        given: Callable[[int, list[str], list[Any]], list[str]],
        states: list[str],
        outputs: Sequence[Any],
        laid: Sequence[tuple[int, bool]],
    ) -> list[Any]:
        """The nodes of all turns, each of which reads the states of the one before.

        given    the names of a body's inputs, from the turn and its states; it may add nodes to those made so far
        outputs  of the body: the states, then what each turn adds to an output
        laid     for each of the latter the axis that turns make, and whether the last turn comes first
        """
        body, onnx = graphs_of(self.node)["body"], require("onnx", "onnx", "ONNX files")
        shared, made = self._initializers(body), list[Any]()
        rows: list[list[str]] = [[] for _ in laid]
        for turn in range(self.turns):
            inputs = given(turn, states, made)
            names = {one.name: name for one, name in zip(body.input, inputs, strict=False)} | shared
            made += self._renamed(body, names, f"/{turn}", f".{turn}")
            ends = _renamed_values(outputs, names)
            states = ends[: len(states)]
            for row, end, (axis, _) in zip(rows, ends[len(states) :], laid, strict=True):
                row.append(self._unique(f"{end}/{turn}/row"))
                made.append(self._row(onnx, end, row[-1], axis))
        last = [self._same(state, name) for state, name in zip(states, self.node.output, strict=False) if name]
        joined = [
            onnx.helper.make_node(
                "Concat", row[:: -1 if back else 1], [name], name=self._unique(f"{name}:rows", "operator"), axis=axis
            )
            for row, (axis, back), name in zip(rows, laid, self.node.output[len(states) :], strict=False)
            if name
        ]
        return made + last + joined

    def _renamed(self, body: Any, names: dict[str, str], part: str, suffix: str) -> list[Any]:
        """Copies of a body's nodes whose tensors have names of their own, which are added to `names`."""
        made = []
        for node in body.node:
            names.update({one: self._unique(f"{one}{part}") for one in node.output if one})
            copy = _copy(node)
            # Names of operators are apart from those of tensors, and a runtime wants each once.
            copy.name = self._unique(
                f"{node.name or next(filter(None, node.output), node.op_type)}{suffix}", "operator"
            )
            rename(copy, names)
            mark(copy, suffix)
            keep(self.graph.taken, copy)
            made.append(copy)
        return made

    def _initializers(self, body: Any) -> dict[str, str]:
        names: dict[str, str] = {}
        for held, own in (
            (body.initializer, self.graph.model.graph.initializer),
            (body.sparse_initializer, self.graph.model.graph.sparse_initializer),
        ):
            for tensor in held:
                own.append(tensor)
                named = own[-1] if hasattr(own[-1], "name") else own[-1].values
                plain, named.name = str(named.name), self._unique(named.name)
                names[plain] = str(named.name)
        return names

    def _held(self, name: str, onnx: Any, value: Any) -> str:
        """A number as an initializer."""
        name = self._unique(f"{self.node.output[0]}:{name}")
        self.graph.model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def _row(self, onnx: Any, source: str, name: str, axis: int) -> Any:
        """What a turn gives, as one row of all turns'."""
        operator = self._unique(f"{source}:row", "operator")
        if _opset(self.graph) < _AXES_AS_INPUT:
            return onnx.helper.make_node("Unsqueeze", [source], [name], name=operator, axes=[axis])
        return onnx.helper.make_node("Unsqueeze", [source, self._held("axis", onnx, [axis])], [name], name=operator)

    def _same(self, source: str, name: str) -> Any:
        onnx = require("onnx", "onnx", "ONNX files")
        return onnx.helper.make_node("Identity", [source], [name], name=self._unique(f"{name}:given", "operator"))

    def _unique(self, name: str, kind: Kind = "tensor") -> str:
        return unique(self.graph.taken, name, kind)
