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
from workloads.importers.sparse_entries import require_places
from workloads.limits import require_size

_SMALLEST_FLOAT_BYTES = 2
_SMALL = 1 << 14  # elements; larger initializers are weights, which no shape depends on
_TYPES = {  # of the attributes that are used, as onnx.AttributeProto names them
    **dict.fromkeys(("pads", "strides", "dilations", "axes", "perm", "output_padding", "output_shape"), "INTS"),
    **dict.fromkeys(("group", "transA", "transB", "axis", "layout"), "INT"),
    **dict.fromkeys(("auto_pad", "mode", "equation", "direction"), "STRING"),
    "activations": "STRINGS",
    **dict.fromkeys(("epsilon", "value"), "FLOAT"),
}


def first_line(error: BaseException) -> str:
    """The first line of an error that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


class OnnxGraph:
    """The graph of a model file.

    nodes      in order; every input is made by a node before it, an initializer or a graph input
    producers  the node that makes a tensor, by the tensor's name
    consumers  the nodes that read a tensor
    inputs     the model's inputs, initializers left out

    Raises `InputError` naming the file for one that is missing, no ONNX model, truncated, of an unknown opset, cyclic,
    or whose shapes contradict one another.
    """

    def __init__(self, path: Path, options: ImportOptions) -> None:
        self._onnx = require("onnx", "onnx", "ONNX files")
        self.path = path
        self.model = self._read()
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
        self._check_order()
        self._fix_sizes(options.sizes)
        self.inputs = tuple(
            InputSpec(value.name, self._dimensions(value), self._dtype(value))
            for value in graph.input
            if value.name not in self.initializers
        )
        self.outputs = {value.name for value in graph.output}
        self._shapes, self._learned = self._infer(), dict[str, tuple[int, ...]]()
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
        dynamic = {one.dim_param for value in inputs for one in value.type.tensor_type.shape.dim} - {""}
        for name in sizes:
            if name not in names | dynamic:
                raise InputError(f"--size {name}: {nearest(name, names | dynamic)}")
            if name not in names and len(sizes[name]) != 1:
                raise InputError(f"--size {name}: must be one whole number")
        for value in inputs:
            # A whole shape given for an input goes first, then a size given for a dimension's name, then 1 for the
            # first axis.
            dimensions = value.type.tensor_type.shape.dim
            whole = sizes.get(value.name, (0,) * len(dimensions))
            if len(whole) != len(dimensions):
                raise InputError(f"--size {value.name}: {len(whole)} sizes, the input has {len(dimensions)} axes")
            for axis, (dimension, given) in enumerate(zip(dimensions, whole, strict=True)):
                named = sizes.get(dimension.dim_param, (0,))[0]
                size = given or named or int(axis == 0)
                if dimension.dim_value <= 0 and size:
                    dimension.dim_value = size
                elif given and given != dimension.dim_value:
                    fixed = dimension.dim_value
                    raise InputError(f"--size {value.name}: axis {axis} is {given}, the model fixes it to {fixed}")

    @staticmethod
    def _dimensions(value: Any) -> tuple[int | None, ...]:
        return tuple(d.dim_value if d.dim_value > 0 else None for d in value.type.tensor_type.shape.dim)

    def _dtype(self, value: Any) -> np.dtype:
        try:
            return np.dtype(self._onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
        except KeyError:
            raise InputError(f"{self.path}: input '{value.name}' is no tensor of a type that ONNX knows") from None

    def _infer(self) -> dict[str, tuple[int | None, ...]]:
        """Shapes by tensor name, from a copy of the model in which weights are inputs: their values decide no shape."""
        onnx = self._onnx
        graph = self.model.graph
        # Older versions of the format demand that initializers are inputs too, which the skeleton's are not.
        skeleton = onnx.ModelProto(ir_version=max(self.model.ir_version, 4), opset_import=self.model.opset_import)
        skeleton.graph.name = "shapes"
        # Inference serializes its model, so that the copy goes without the weights; small initializers stay, as shapes
        # may be computed from them.
        skeleton.graph.input.extend(value for value in graph.input if value.name not in self.initializers)
        skeleton.graph.output.extend(graph.output)
        skeleton.graph.value_info.extend(graph.value_info)
        for tensor in graph.initializer:
            if int(np.prod(tensor.dims)) <= _SMALL and not tensor.external_data:
                skeleton.graph.initializer.append(tensor)
            else:
                value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
                skeleton.graph.input.append(value)
        for name, tensor in self.sparse.items():
            value = onnx.helper.make_tensor_value_info(name, tensor.values.data_type, tensor.dims)
            skeleton.graph.input.append(value)
        skeleton.graph.node.extend(self.nodes)
        try:
            inferred = onnx.shape_inference.infer_shapes(skeleton, strict_mode=True, data_prop=True).graph
        except Exception as error:  # noqa: BLE001 (onnx raises several unrelated types)
            raise InputError(f"{self.path}: shapes do not fit together: {_inference_reason(error)}") from None
        values = [*inferred.value_info, *inferred.output, *inferred.input]
        shapes = {value.name: self._dimensions(value) for value in values if value.type.tensor_type.HasField("shape")}
        # Shapes of initializers come last and win: they are what the file holds, not what was inferred.
        known = self.initializers | self.sparse
        return shapes | {name: tuple(tensor.dims) for name, tensor in known.items()}

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
            if not inner and all(name in found for name in node.input if name):
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
            return self._densified(self.sparse[name])
        return numbers(self._initializer(self.initializers[name]))

    def _computed(self, node: Any, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        what = f"{self.path}: {label(node)}"
        # A few bytes of a file can stand for an operator with a huge result; it is refused before it is computed.
        for one in node.output:
            require_size(what, self.shape(one) or (), _SMALLEST_FLOAT_BYTES)
        if node.op_type == "ConstantOfShape":  # the one operator that makes much of little
            require_size(what, [int(size) for size in values[node.input[0]].reshape(-1)], _SMALLEST_FLOAT_BYTES)
        reference = require("onnx.reference", "onnx", "ONNX files")
        opsets = {opset.domain: opset.version for opset in self.model.opset_import}
        try:
            made = reference.ReferenceEvaluator(node, opsets=opsets).run(None, values)
        except Exception as error:  # noqa: BLE001 (operators raise whatever their inputs lead them to)
            raise InputError(f"{what} cannot be computed: {first_line(error)}") from None
        return {one: numbers(np.asarray(value)) for one, value in zip(node.output, made, strict=True) if one}

    def external_files(self) -> tuple[Path, ...]:
        """Files beside the model that hold its weights."""
        held = list(self.model.graph.initializer)
        held += [a.t for node in self.nodes for a in node.attribute if a.HasField("t")]
        held += [part for tensor in self.model.graph.sparse_initializer for part in (tensor.values, tensor.indices)]
        names = (entry.value for tensor in held for entry in tensor.external_data if entry.key == "location")
        return tuple(self.path.parent / name for name in sorted(set(names)))

    def _densified(self, tensor: Any) -> np.ndarray:
        """A sparse initializer as an array: its indices count elements, or are places along each axis."""
        what = f"{self.path}: sparse weights '{tensor.values.name}'"
        values, indices = self._initializer(tensor.values), self._initializer(tensor.indices)
        require_size(what, tensor.dims, values.dtype.itemsize)
        dense = np.zeros(tuple(tensor.dims), values.dtype)
        try:
            # Places in the flattened tensor are one number each; places along each axis, (entries, axes), are turned
            # into such.
            flat = indices if indices.ndim == 1 else np.asarray(np.ravel_multi_index(tuple(indices.T), dense.shape))
            require_places(what, flat, dense.size)
            dense.reshape(-1)[flat] = values
        except InputError:
            raise
        except (IndexError, ValueError, TypeError) as error:
            raise InputError(f"{what}: {first_line(error)}") from None
        return numbers(dense)

    def _initializer(self, tensor: Any) -> np.ndarray:
        onnx = self._onnx
        if not onnx.external_data_helper.uses_external_data(tensor):
            try:
                return onnx.numpy_helper.to_array(tensor)
            except (ValueError, TypeError, KeyError) as error:
                raise InputError(f"{self.path}: weights '{tensor.name}': {first_line(error)}") from None
        facts = {entry.key: entry.value for entry in tensor.external_data}
        file = self.path.parent / facts.get("location", "")
        if not file.is_file():
            raise InputError(f"{self.path}: weights '{tensor.name}' lie in {file}, which is missing")
        # A copy takes the data: the model itself would keep every layer's weights in memory once they were asked for.
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        try:
            onnx.external_data_helper.load_external_data_for_tensor(copy, str(self.path.parent))
            return onnx.numpy_helper.to_array(copy)
        except Exception as error:  # noqa: BLE001 (onnx raises several unrelated types)
            raise InputError(f"{self.path}: weights '{tensor.name}' in {file}: {first_line(error)}") from None


def label(node: Any) -> str:
    """How messages call a node."""
    return f"{node.op_type} '{node.name or next(filter(None, node.output), '')}'"


def _inference_reason(error: BaseException) -> str:
    """What onnx's shape inference found, without the tag that it puts before it."""
    return first_line(error).removeprefix("[ShapeInferenceError] ").removeprefix("Inference error(s): ")
