"""An ONNX model's graph: read and checked, its constants by name, its tensors' shapes. Built on the onnx package."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workloads.errors import InputError, nearest
from workloads.files import require_file
from workloads.importers.feeds import InputSpec
from workloads.importers.imported import ImportOptions, numbers, require
from workloads.importers.onnx.computing import computed
from workloads.importers.onnx.inference import inferred_shapes, sizes_of, standard, tensor_type
from workloads.importers.onnx.naming import names_in
from workloads.importers.onnx.tensors import array_of, densified, external_files
from workloads.limits import require_size

_SMALLEST_FLOAT_BYTES = 2
_DRAWN = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli")
_TYPES = {  # of the attributes that are used, as onnx.AttributeProto names them
    **dict.fromkeys(("pads", "strides", "dilations", "axes", "perm", "output_padding", "output_shape"), "INTS"),
    **dict.fromkeys(("group", "transA", "transB", "axis", "layout"), "INT"),
    **dict.fromkeys(("auto_pad", "mode", "equation", "direction"), "STRING"),
    "activations": "STRINGS",
    **dict.fromkeys(("epsilon", "value"), "FLOAT"),
}


class OnnxGraph:
    """The graph of a model file.

    nodes      in order; every input is made by a node before it, an initializer or a graph input
    producers  the node that makes a tensor, by the tensor's name
    consumers  the nodes that read a tensor
    inputs     the model's inputs, initializers left out
    fault      how the shapes that follow from the file contradict one another; empty where they do not, or a run has
               told them
    unsettled  why shapes that the file does not tell are not known from a run either
    taken      how often names of tensors and of operators stand in it, in bodies as well
    full       recurrent nodes (by their first output) whose sequences all have as many steps as there are
    closed     control flow whose body is not entered (by its first output), and why

    `model` is what the file holds, where it has been read and its bodies entered already.

    Raises `InputError` naming the file for one that is missing, no ONNX model, truncated, of an unknown opset or
    cyclic.
    """

    def __init__(self, path: Path, options: ImportOptions, model: Any = None) -> None:
        self._onnx = require("onnx", "onnx", "ONNX files")
        self.path = path
        self.model = self._read() if model is None else model
        self._check_opsets()
        graph = self.model.graph
        # Initializers may be listed among the inputs as well, as older files do; they are constants all the same.
        self.initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.sparse = {tensor.values.name: tensor for tensor in graph.sparse_initializer}
        self.nodes = list(graph.node)
        self.producers = {name: node for node in self.nodes for name in node.output if name}
        self.consumers: dict[str, list[Any]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.consumers[name].append(node)
        self.taken = names_in(graph)
        self._check_order()
        self._fix_sizes(options.sizes)
        self.inputs = tuple(
            InputSpec(value.name, self._dimensions(value), self._dtype(value), value.type.HasField("sequence_type"))
            for value in graph.input
            if value.name not in self.initializers
        )
        self.outputs = {value.name for value in graph.output}
        self._shapes, self.fault = inferred_shapes(self.model)
        self._learned = dict[str, tuple[int, ...]]()
        self.unsettled = "give --size for the model's dynamic sizes, or --input"
        self.closed, self.full = dict[str, str](), set[str]()
        self._constant = self._find_constants()

    def attributes(self, node: Any) -> dict[str, Any]:
        """A node's attributes by name, as Python values. Raises `InputError` for one of another type than is used."""
        held = {one.name: one for one in node.attribute}
        for name, one in held.items():
            found = one.AttributeType.Name(one.type)
            if found != _TYPES.get(name, found):
                raise InputError(f"{self.path}: {label(node)}: attribute '{name}' is {found}, must be {_TYPES[name]}")
        return {name: self._onnx.helper.get_attribute_value(one) for name, one in held.items()}

    def _read(self) -> Any:
        require_file(self.path)
        try:
            model = self._onnx.load(self.path, load_external_data=False)
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file") from None
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}") from None
        except Exception:  # noqa: BLE001 (the protobuf package behind onnx raises errors of its own)
            raise InputError(f"{self.path}: not an ONNX model, or truncated") from None
        if not model.graph.node:
            raise InputError(f"{self.path}: not an ONNX model, or truncated: it has no operators")
        return self._onnx.inliner.inline_local_functions(model) if model.functions else model

    def _check_opsets(self) -> None:
        newest = self._onnx.defs.onnx_opset_version()
        for opset in self.model.opset_import:
            if opset.domain in ("", "ai.onnx") and not 1 <= opset.version <= newest:
                raise InputError(
                    f"{self.path}: operator set {opset.version}; onnx {self._onnx.__version__} knows 1 to {newest}"
                )

    def _check_order(self) -> None:
        """Every node makes something, after what it reads: ONNX demands it, and a cycle cannot fulfil it."""
        # An empty name stands for an optional input that is left out.
        made = {"", *self.initializers, *self.sparse, *(value.name for value in self.model.graph.input)}
        for node in self.nodes:
            # The protobuf package gives what is no UTF-8 as bytes.
            if not all(isinstance(name, str) for name in (node.name, node.op_type, *node.input, *node.output)):
                raise InputError(f"{self.path}: not an ONNX model, or damaged: a name in it is no UTF-8")
            if not any(node.output):
                raise InputError(f"{self.path}: {node.op_type} '{node.name}' makes no tensor")
            for name in node.input:
                if name not in made:
                    later = name in self.producers
                    reason = "the graph has a cycle or is out of order" if later else "nothing makes it"
                    raise InputError(f"{self.path}: {label(node)} reads '{name}' before it is made: {reason}")
            made.update(node.output)

    def _fix_sizes(self, sizes: Mapping[str, tuple[int, ...]]) -> None:
        """Give dynamic dimensions the user's sizes; a dynamic first one that is not named becomes 1, the batch."""
        inputs = [value for value in self.model.graph.input if value.name not in self.initializers]
        names = {value.name for value in inputs}
        dynamic = {one.dim_param for value in inputs for one in tensor_type(value).shape.dim} - {""}
        for name in sizes:
            if name not in names | dynamic:
                raise InputError(f"--size {name}: {nearest(name, names | dynamic)}")
            if name not in names and len(sizes[name]) != 1:
                raise InputError(f"--size {name}: must be one whole number")
        # A batch is one image wherever its name stands: a state of (2, batch, 128) has one as well.
        first = [one.dim_param for value in inputs for one in tensor_type(value).shape.dim[:1]]
        batches = dict.fromkeys(filter(None, first), (1,))
        for value in inputs:
            self._fix_input(value, sizes, batches | dict(sizes))

    def _fix_input(self, value: Any, sizes: Mapping[str, tuple[int, ...]], named: Mapping[str, Any]) -> None:
        # A whole shape given for an input goes first, then a size given for a dimension's name, then 1 for the first
        # axis.
        dimensions = tensor_type(value).shape.dim
        whole = sizes.get(value.name, (0,) * len(dimensions))
        if len(whole) != len(dimensions):
            raise InputError(f"--size {value.name}: {len(whole)} sizes, the input has {len(dimensions)} axes")
        for axis, (dimension, given) in enumerate(zip(dimensions, whole, strict=True)):
            size = given or named.get(dimension.dim_param, (0,))[0] or int(axis == 0)
            if dimension.dim_value <= 0 and size:
                dimension.dim_value = size
            elif given and given != dimension.dim_value:
                fixed = dimension.dim_value
                raise InputError(f"--size {value.name}: axis {axis} is {given}, the model fixes it to {fixed}")

    def _dimensions(self, value: Any) -> tuple[int | None, ...]:
        # A sequence comes as one array of all its tensors, which stand along an axis before theirs.
        return ((None,) if value.type.HasField("sequence_type") else ()) + sizes_of(value)

    def _dtype(self, value: Any) -> np.dtype:
        try:
            return np.dtype(self._onnx.helper.tensor_dtype_to_np_dtype(tensor_type(value).elem_type))
        except KeyError:
            raise InputError(f"{self.path}: input '{value.name}' is no tensor of a type that ONNX knows") from None

    @property
    def unknown(self) -> list[str]:
        """Tensors of the graph that the file tells no shape of; all where what it tells contradicts itself."""
        made = [name for node in self.nodes for name in node.output if name]
        return made if self.fault else [name for name in made if self.shape_in_file(name) is None]

    def settle(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Note shapes that a run of the batch of the file gave, and that the file leaves open."""
        self._shapes, self.fault = self._shapes | dict(shapes), ""

    def shape(self, name: str) -> tuple[int, ...] | None:
        """A tensor's shape in the run, else in the file; None where it is not wholly known."""
        return self._learned.get(name) or self.shape_in_file(name)

    def shape_in_file(self, name: str) -> tuple[int, ...] | None:
        """A tensor's shape for the batch that the file or `--size` says, whatever has run."""
        sizes = self._shapes.get(name)
        return None if sizes is None or None in sizes else tuple(size for size in sizes if size is not None)

    @property
    def images(self) -> int:
        """The model's batch: what the first axis of its first input counts; 1 where that is open."""
        sizes = self.inputs[0].shape if self.inputs else ()
        return (sizes[0] or 1) if sizes else 1

    def learn_shape(self, name: str, shape: tuple[int, ...]) -> None:
        """Note the shape that a tensor had in a run, in which several inputs make a batch."""
        self._learned[name] = shape

    def is_constant(self, name: str) -> bool:
        """Whether a tensor depends on no input of the model."""
        return name in self._constant

    def _find_constants(self) -> set[str]:
        """Tensors by name that depend on no input; nodes stand in order, so one pass finds them."""
        found = {*self.initializers, *self.sparse}
        for node in self.nodes:
            inner = any(a.type in (5, 10) for a in node.attribute)  # holds graphs: If, Loop
            if not inner and node.op_type not in _DRAWN and all(name in found for name in node.input if name):
                found.update(filter(None, node.output))
        return found

    def constant(self, name: str) -> np.ndarray:
        """The value of a constant tensor, made now: an initializer, external data, or operators over such.

        Raises `InputError` naming the file when external data is missing or short, and the operator that cannot be
        computed.
        """
        values: dict[str, np.ndarray] = {}
        for node in self._makers(name):
            for one in filter(None, node.input):
                if one not in values:
                    values[one] = self._given(one)
            values.update(self._computed(node, {one: values[one] for one in node.input if one}))
        return values[name] if name in values else self._given(name)

    def _makers(self, name: str) -> list[Any]:
        """The nodes that a tensor is computed by, each once, in order."""
        # Backwards from the tensor over all that its makers read, and then in the graph's order, so that each finds its
        # inputs.
        needed, names = set(), [name]
        while names:
            node = self.producers.get(names.pop())
            if node is not None and id(node) not in needed:
                needed.add(id(node))
                names += node.input
        return [node for node in self.nodes if id(node) in needed]

    def _given(self, name: str) -> np.ndarray:
        if name in self.sparse:
            return densified(self.path, self.sparse[name])
        return numbers(array_of(self.path, self.initializers[name]))

    def external_files(self) -> tuple[Path, ...]:
        """Files beside the model that hold its weights."""
        return external_files(self.path, self.model, self.nodes)

    def _computed(self, node: Any, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        # A few bytes of a file can stand for an operator with a huge result; it is refused before it is computed.
        what = f"{self.path}: {label(node)}"
        for one in node.output:
            require_size(what, self.shape(one) or (), _SMALLEST_FLOAT_BYTES)
        if node.op_type == "ConstantOfShape":  # the one operator that makes much of little
            require_size(what, [int(size) for size in values[node.input[0]].reshape(-1)], _SMALLEST_FLOAT_BYTES)
        return computed(what, self.model, node, values)

    def foreign_maker(self, name: str) -> str:
        """What keeps a constant from being computed: an operator of another domain that the runtime lacks; or empty."""
        for node in self._makers(name):
            if not standard(node):
                try:
                    self.constant(node.output[0])
                except InputError:
                    return f"'{node.op_type}' of the domain '{node.domain}'"
        return ""


def label(node: Any) -> str:
    """How messages call a node."""
    return f"{node.op_type} '{node.name or next(filter(None, node.output), '')}'"
