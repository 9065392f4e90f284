"""A TFLite model's tensors and operators, sparse weights included. Built on the flatbuffer schema package tflite."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.files import read_bytes, require_file
from workloads.importers.imported import less_zero_point, require, shares_by_input
from workloads.importers.sparse_entries import require_places
from workloads.limits import MAX_TENSOR_BYTES, require_size
from workloads.whole_numbers import starts

_SPARSE = 1  # DimensionType.SPARSE_CSR
# What reading a damaged flatbuffer raises: offsets lead anywhere.
DAMAGE = (struct.error, IndexError, ValueError, TypeError, AttributeError, ArithmeticError, KeyError, MemoryError)
_BODIES = {  # of control flow: its options and the fields that number the graphs
    "IF": ("IfOptions", ("ThenSubgraphIndex", "ElseSubgraphIndex")),
    "WHILE": ("WhileOptions", ("CondSubgraphIndex", "BodySubgraphIndex")),
    "CALL_ONCE": ("CallOnceOptions", ("InitSubgraphIndex",)),
    "CALL": ("CallOptions", ("Subgraph",)),
}
_THROUGH = ("DEQUANTIZE", "DENSIFY")  # what stands between stored and used weights


class TfliteGraph:
    """The main graph of a model file.

    operators  (number, name, operator) in order
    shapes     of the tensors by number; -1 stands for a size that is not fixed

    Raises `InputError` naming the file when it is missing or no TFLite model.
    """

    def __init__(self, path: Path) -> None:
        self.schema = require("tflite", "tflite", "TFLite files")
        self.path = path
        require_file(path)
        data = read_bytes(path, MAX_TENSOR_BYTES)
        # A flatbuffer's identifier follows its first offset of 4 bytes.
        if data[4:8] != b"TFL3":
            raise InputError(f"{path}: not a TFLite model, or truncated")
        self.model = self.schema.Model.GetRootAs(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.tensors = [self.graph.Tensors(i) for i in range(self.graph.TensorsLength())]
        self.shapes = [_shape(tensor) for tensor in self.tensors]
        codes = vars(self.schema.BuiltinOperator).items()
        self._names = {code: name for name, code in codes if isinstance(code, int)}
        self._types = {code: name for name, code in vars(self.schema.TensorType).items() if isinstance(code, int)}
        self.operators = self._operators_of(self.graph)
        self.readers: dict[int, list[tuple[str, Any]]] = {}
        for _, name, one in self.operators:
            # -1 is an optional input that is left out; nothing looks up its readers.
            for number in one.InputsAsNumpy() if one.InputsLength() else ():
                self.readers.setdefault(int(number), []).append((name, one))
        self.producers = {int(out): (name, one) for _, name, one in self.operators for out in one.OutputsAsNumpy()}

    def _operators_of(self, graph: Any) -> list[tuple[int, str, Any]]:
        operators: list[tuple[int, str, Any]] = []
        for number in range(graph.OperatorsLength()):
            operator = graph.Operators(number)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            # Codes up to 127 stand in the old field, of one byte; newer ones in the new field, beside a placeholder of
            # 127.
            name = self._names.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "CUSTOM")
            operators.append((number, name, operator))
        return operators

    def label(self, name: str, operator: Any) -> str:
        """How lists call an operator: one of the model's own by its own name."""
        own = self.model.OperatorCodes(operator.OpcodeIndex()).CustomCode() if name == "CUSTOM" else None
        return f"{name} {own.decode(errors='replace')}" if own else name

    def names_in_bodies(self, name: str, operator: Any) -> set[str]:
        """The operators in the graphs that control flow goes through, and in those inside."""
        names: set[str] = set()
        graphs = self._bodies(name, operator)
        passed: set[int] = set()
        while graphs:
            number = graphs.pop()
            if number not in passed:
                passed.add(number)
                held = self._operators_of(self.model.Subgraphs(number))
                names |= {one for _, one, _ in held}
                graphs += [body for _, one, inner in held for body in self._bodies(one, inner)]
        return names

    def _bodies(self, name: str, operator: Any) -> list[int]:
        if name not in _BODIES:
            return []
        kind, places = _BODIES[name]
        options = self.options(operator, kind)
        return [getattr(options, place)() for place in places]

    def options(self, operator: Any, kind: str) -> Any:
        """An operator's options as the schema class of that name."""
        chosen = getattr(self.schema, kind)()
        table = operator.BuiltinOptions()
        chosen.Init(table.Bytes, table.Pos)
        return chosen

    def tensor_name(self, number: int) -> str:
        """The tensor's name."""
        return (self.tensors[number].Name() or b"").decode(errors="replace")

    def type_name(self, number: int) -> str:
        """FLOAT32, INT8 and so on."""
        return self._types[self.tensors[number].Type()]

    def stored(self, number: int) -> int:
        """The tensor that holds a constant's data: itself, or what DENSIFY and DEQUANTIZE read; -1 where none does."""
        # A constant has data in its buffer; DENSIFY and DEQUANTIZE of a constant do not, but what they read may.
        while number >= 0 and not self.model.Buffers(self.tensors[number].Buffer()).DataLength():
            name, operator = self.producers.get(number, ("", None))
            if name not in _THROUGH or operator is None:
                return -1
            number = int(operator.Inputs(0))
        return number

    def zero_points(self, number: int) -> tuple[np.ndarray, int]:
        """Zero points of a tensor, (1,) or one for each place along an axis, and that axis; 0 where it is a float."""
        quantization = self.tensors[number].Quantization()
        if quantization is None or not quantization.ZeroPointLength():
            return np.zeros(1, np.int64), 0
        return quantization.ZeroPointAsNumpy(), quantization.QuantizedDimension()

    def real(self, number: int, array: np.ndarray) -> np.ndarray:
        """What a run gave for a tensor, integers less their zero point."""
        return array if array.dtype.kind == "f" else less_zero_point(array, *self.zero_points(number))

    def share(self, number: int, tensors: dict[int, np.ndarray]) -> float:
        """Share of non-zeros in a tensor of a run; 1.0 without a run."""
        return next(iter(self.shares(number, tensors, 1)), 1.0)

    def shares(self, number: int, tensors: dict[int, np.ndarray], inputs: int) -> tuple[float, ...]:
        """The same of each input; none without a run."""
        return shares_by_input(self.real(number, tensors[number]) != 0, inputs) if tensors else ()

    def constant(self, number: int) -> np.ndarray:
        """A constant in its shape: floats as they are, integers less their zero point. Raises `InputError`."""
        number = self.stored(number)
        try:
            # In its shape again: more zero points than the places along their axis widen a tensor of one place there.
            values = self.real(number, self._values(number)).reshape(self.shapes[number])
        except DAMAGE:
            raise InputError(f"{self.path}: tensor {number} is damaged or truncated") from None
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(f"{self.path}: tensor {number} holds a value that is not finite")
        return values

    def _values(self, number: int) -> np.ndarray:
        tensor = self.tensors[number]
        data = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
        if self.type_name(number) == "INT4":
            # Two values a byte, the low half first. Shifted up and, as a signed byte, down again, a half keeps its
            # sign: 0xF is -1.
            nibbles = np.stack([data << 4, data], axis=1).reshape(-1).view(np.int8) >> 4
            # An odd number of values leaves the last high half unused.
            flat = nibbles[: math.prod(self.shapes[number])]
        else:
            flat = data.view(np.dtype(self.type_name(number).lower()))
        sparsity = tensor.Sparsity()
        return flat.reshape(self.shapes[number]) if sparsity is None else densify(self.shapes[number], sparsity, flat)


def _shape(tensor: Any) -> tuple[int, ...]:
    sizes = tensor.ShapeAsNumpy() if tensor.ShapeLength() else []
    return tuple(int(size) for size in sizes)


def densify(shape: tuple[int, ...], sparsity: Any, values: np.ndarray) -> np.ndarray:
    """A sparse-encoded tensor as a dense one (TFLite's SparsityParameters, schema.fbs).

    Levels follow `traversal_order`: the tensor's axes and, after them, blocks of axes named by `block_map`. A dense
    level repeats all its places below each entry of the level before; a sparse one lists those that are kept.
    """
    # Every path from the first level down is one stored value: `places` holds where each open path stands along each
    # axis, `entries` where it stands in the arrays of the level.
    order = sparsity.TraversalOrderAsNumpy()
    block_axes = sparsity.BlockMapAsNumpy() if sparsity.BlockMapLength() else np.zeros(0, np.int64)
    entries = np.zeros(1, np.int64)  # where each open path stands in the arrays of the level
    places: dict[int, np.ndarray] = {}
    block_sizes: dict[int, int] = {}
    for level, axis in enumerate(map(int, order)):
        facts = sparsity.DimMetadata(level)
        if facts.Format() == _SPARSE:
            segments = _vector(facts.ArraySegments(), facts.ArraySegmentsType())
            indices = _vector(facts.ArrayIndices(), facts.ArrayIndicesType())
            if len(segments) != len(entries) + 1 or segments[0] or segments[-1] != len(indices):
                raise IndexError
            # Segments 0 2 3 say that entry 0 has the places indices[0:2] and entry 1 has indices[2:3]: counts 2 and 1,
            # parents 0 0 1.
            counts = segments[entries + 1] - segments[entries]
            parents = np.repeat(np.arange(len(entries)), counts)
            # Each child counts on from its parent's segment; without the children of the parents before, which `arange`
            # has passed.
            first = np.repeat(segments[entries] - starts(counts), counts)
            entries = first + np.arange(len(parents))
            place = indices[entries]
        else:
            size = facts.DenseSize()
            parents = np.repeat(np.arange(len(entries)), size)
            place = np.tile(np.arange(size), len(entries))
            # A dense level of 3 below the entries 0 and 1 has the entries 0 1 2 and 3 4 5.
            entries = entries[parents] * size + place
            if axis >= len(shape):
                block_sizes[axis] = size
        places = {one: held[parents] for one, held in places.items()} | {axis: place}
    for block, axis in enumerate(map(int, block_axes)):
        # Blocks of 4 along an axis: block 2 and place 3 inside it are position 2 * 4 + 3 = 11.
        inner = len(shape) + block
        places[axis] = places[axis] * block_sizes[inner] + places[inner]
    require_size("sparse weights", shape, values.dtype.itemsize)
    dense = np.zeros(shape, values.dtype)
    flat = np.ravel_multi_index(tuple(places[axis] for axis in range(len(shape))), shape)  # raises for one outside
    require_places("sparse weights", flat, dense.size)
    require_places("sparse weights", entries, len(values))
    dense.reshape(-1)[flat] = values[entries]
    return dense


def _vector(table: Any, kind: int) -> np.ndarray:
    """An index vector of the schema's union: int32 (1), uint16 (2) or uint8 (3)."""
    schema = require("tflite", "tflite", "TFLite files")
    chosen = (schema.Int32Vector, schema.Uint16Vector, schema.Uint8Vector)[kind - 1]()
    chosen.Init(table.Bytes, table.Pos)
    return np.asarray(chosen.ValuesAsNumpy(), np.int64) if chosen.ValuesLength() else np.zeros(0, np.int64)
