"""Which operators of an ONNX graph are simulated, where their operands stand, and why the others are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import NO_MATRIX
from workloads.importers.moving_products import Notation
from workloads.importers.onnx.graph import OnnxGraph, label
from workloads.importers.onnx.inference import standard
from workloads.importers.onnx.naming import graphs_of
from workloads.layer import Pads
from workloads.names import LONGEST_NAME, plain_name

# Places of (activations, their zero point, weights, their zero point) among a node's inputs.
OPERANDS: dict[str, tuple[int, int | None, int, int | None]] = {
    "Conv": (0, None, 1, None),
    "Gemm": (0, None, 1, None),
    "MatMul": (0, None, 1, None),
    "ConvInteger": (0, 2, 1, 3),
    "MatMulInteger": (0, 2, 1, 3),
    "QLinearConv": (0, 2, 3, 5),
    "QLinearMatMul": (0, 2, 3, 5),
    "Einsum": (0, None, 1, None),
    "ConvTranspose": (0, None, 1, None),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (0, None, 1, None)),
}
RECURRENT = ("LSTM", "GRU", "RNN")
PRODUCTS = ("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul", "Einsum")
# Operators that act on each element of one tensor, so that what they give is what the layer's outputs become.
_ELEMENTWISE = frozenset(
    {"BatchNormalization", "Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Elu", "Selu"}
    | {"Tanh", "Softplus", "Mish", "Gelu", "QuantizeLinear", "DequantizeLinear", "Cast", "Identity", "Dropout"}
)
_LENGTHS, _FIRST_STATE = 4, 5  # places of `sequence_lens` and `initial_h` among the inputs of a recurrent node
_CONTROL = ("If", "Loop", "Scan")
_SCAN = "its body holds products, and is not entered"
_REASONS = {
    "DeformConv": "no machine here models a deformable convolution",
    "Attention": "its scores never leave the operator; export it as MatMul and Softmax",
}
EMPTY = "its input is empty in this run"
_COMPUTED = "its weights are computed, not constant"
_NO_PRODUCT = "its equation is no product of two matrices or of two stacks of them; export it as MatMul"


@dataclass(frozen=True)
class Operator:
    """A node to simulate: its operands' names (zero points None where there is none) and its attributes.

    around    zeros that a Pad operator puts around a convolution's activations, (before, after) for each axis
    notation  of an Einsum
    moving    whether it multiplies two activations: `weights` are one, too
    states    of a recurrent layer: its hidden states and, where they are not zero, its first ones
    """

    node: Any
    name: str
    activations: str
    activation_zero: str | None
    weights: str
    weight_zero: str | None
    attributes: dict[str, Any]
    around: Pads = ()
    notation: Notation | None = None
    moving: bool = False
    states: tuple[str, ...] = ()

    @property
    def tensors(self) -> list[str]:
        """What a run must give."""
        # A zero point of activations may be computed in the run, like the activations themselves.
        sides = [self.activations, self.activation_zero]
        sides += [self.weights, self.weight_zero] if self.moving else []
        return list(filter(None, [*sides, *self.states]))

    @property
    def product(self) -> bool:
        """Whether it is a matrix product, else a convolution."""
        return self.node.op_type in PRODUCTS

    def turned(self) -> Operator:
        """The product with its sides exchanged, each read the other way round: (A·B)^T = B^T·A^T."""
        turn = {
            "transA": not self.attributes.get("transB", 0),
            "transB": not self.attributes.get("transA", 0),
        }
        return replace(
            self,
            activations=self.weights,
            activation_zero=self.weight_zero,
            weights=self.activations,
            weight_zero=self.activation_zero,
            attributes=turn,
            notation=self.notation and self.notation.exchanged(),
        )


def find_operators(graph: OnnxGraph) -> tuple[list[Operator], list[tuple[str, str]]]:
    """What is simulated, and (operator, reason) of every other node that is not constant."""
    operators: list[Operator] = []
    seen = []
    for node, name in _named(graph):
        if all(graph.is_constant(one) for one in node.output):
            continue
        if not standard(node):
            seen.append((node.op_type, f"an operator of the domain '{node.domain}', which may hold products"))
            continue
        if node.op_type not in OPERANDS:
            seen.append((node.op_type, _reason(graph, node)))
            continue
        operator = _operands(graph, node, name)
        reason = _refusal(graph, operator)
        if reason:
            seen.append((node.op_type, reason))
        else:
            operators.append(operator)
    return operators, seen


def sequence_lengths(node: Any) -> str:
    """The tensor of how many steps each sequence of a recurrent node has; empty where all have all."""
    return node.input[_LENGTHS] if node.op_type in RECURRENT and len(node.input) > _LENGTHS else ""


def holds_products(node: Any) -> bool:
    """Whether the bodies of a node hold products, or operators that may."""
    return any(
        one.op_type in OPERANDS or one.op_type in _REASONS or not standard(one) or holds_products(one)
        for body in graphs_of(node).values()
        for one in body.node
    )


def _reason(graph: OnnxGraph, node: Any) -> str:
    """Why a node that is no product itself is refused, or empty."""
    if node.op_type not in _CONTROL:
        return _REASONS.get(node.op_type, "")
    return graph.closed.get(node.output[0], _SCAN) if holds_products(node) else ""


def _named(graph: OnnxGraph) -> Iterator[tuple[Any, str]]:
    """Nodes with a name each that no other has; made from the output where a node has none."""
    used: set[str] = set()
    for node in graph.nodes:
        plain = name = plain_name(node.name or next(filter(None, node.output), node.op_type), LONGEST_NAME - 10)
        # Names that repeat, as exporters make them, get a number from the second on; the ten characters held back are
        # for it.
        copies = 1
        while name in used:
            copies += 1
            name = f"{plain}_{copies}"
        used.add(name)
        yield node, name


def _operands(graph: OnnxGraph, node: Any, name: str) -> Operator:
    def at(place: int | None) -> str | None:
        return node.input[place] if place is not None and place < len(node.input) and node.input[place] else None

    activations, activation_zero, weights, weight_zero = (at(place) for place in OPERANDS[node.op_type])
    if activations is None or weights is None:
        raise InputError(f"{graph.path}: {label(node)} lacks an input")
    one = Operator(node, name, activations, activation_zero, weights, weight_zero, graph.attributes(node))
    if node.op_type in RECURRENT:
        return replace(one, states=_states(graph, node))
    if node.op_type in PRODUCTS:
        moving = not graph.is_constant(weights) and not graph.is_constant(activations)
        one = replace(one, moving=moving, notation=_notation(one))
    # A constant left side is the weights: A·x as a layer reads x^T·A^T.
    if node.op_type in PRODUCTS and not graph.is_constant(weights) and graph.is_constant(activations):
        return one.turned()
    if node.op_type != "Conv":
        return one
    source, around = _unpadded(graph, activations)
    return replace(one, activations=source, around=around)


def _states(graph: OnnxGraph, node: Any) -> tuple[str, ...]:
    """The hidden states of all steps, which get a name where the model asks for the last one alone, and the first."""
    if not node.output[0]:
        node.output[0] = f"{next(filter(None, node.output))}:steps"
        graph.producers[node.output[0]] = node
    first = node.input[_FIRST_STATE] if len(node.input) > _FIRST_STATE else ""
    return tuple(filter(None, (node.output[0], first)))


def _notation(one: Operator) -> Notation | None:
    """Of an Einsum of two tensors; None: it is none, or no product of two matrices."""
    if one.node.op_type != "Einsum" or len(one.node.input) != 2:
        return None
    return Notation.read(one.attributes.get("equation", b"").decode())


def _unpadded(graph: OnnxGraph, name: str) -> tuple[str, Pads]:
    """The tensor before a Pad operator that surrounds maps with zeros, and its padding; else the tensor itself."""
    node = graph.producers.get(name)
    if node is None or node.op_type != "Pad":
        return name, ()
    given = graph.attributes(node)
    if given.get("mode", b"constant") != b"constant" or not all(
        graph.is_constant(one) for one in node.input[1:] if one
    ):
        return name, ()
    # Pad reads the padding, the value that fills (0 where left out) and the axes that it pads.
    constants = [graph.constant(one) if one else None for one in node.input[1:]]
    pads, value, axes = (constants + [None] * 3)[:3]
    flat = given.get("pads", ()) if pads is None else pads.tolist()  # an attribute before operator set 11
    filled = given.get("value", 0.0) if value is None else value
    if axes is not None or len(flat) < 6 or min(flat) < 0 or np.any(np.asarray(filled) != 0):
        return name, ()
    # 8 numbers for 4 axes are all beginnings and then all ends. Those of batch and channels must be 0: a layer pads
    # maps only.
    pairs = tuple(zip(flat[: len(flat) // 2], flat[len(flat) // 2 :], strict=True))
    return (node.input[0], pairs[2:]) if pairs[:2] == ((0, 0), (0, 0)) else (name, ())


def _refusal(graph: OnnxGraph, one: Operator) -> str:
    """Why a product is left out, or empty."""
    if one.node.op_type in RECURRENT:
        return _recurrent_refusal(graph, one.node)
    constant = graph.is_constant(one.weights)
    if constant and (maker := graph.foreign_maker(one.weights)):
        return f"its weights come out of {maker}, which cannot be computed here"
    if one.node.op_type not in PRODUCTS:
        return "" if constant else _COMPUTED
    if one.node.op_type == "Einsum" and (one.notation is None or (constant and one.notation.batch)):
        return _NO_PRODUCT if one.notation is None else NO_MATRIX
    shape = graph.shape(one.weights)
    return "" if one.moving or one.notation or shape is None or len(shape) == 2 else NO_MATRIX


def _recurrent_refusal(graph: OnnxGraph, node: Any) -> str:
    if not all(graph.is_constant(name) for name in node.input[1:3]):
        return _COMPUTED
    own = sequence_lengths(node) and not graph.full & set(node.output)
    return "its sequences have lengths of their own (sequence_lens)" if own else ""


def stored_output(graph: OnnxGraph, node: Any) -> str:
    """The tensor that a layer's outputs become before several operators, or one of many inputs, read them."""
    name = node.output[0]
    # Follows ReLU and the like as long as one operator alone reads the tensor. A second reader, or the model's user,
    # needs the tensor as it is, so that it is what a machine would store.
    while name not in graph.outputs and len(graph.consumers[name]) == 1:
        (reader,) = graph.consumers[name]
        if reader.op_type not in _ELEMENTWISE or reader.input[0] != name:
            break
        name = reader.output[0]
    return name
