"""TFLite models built in the tests with the schema's own builder functions."""

from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import tflite

TYPES = {
    np.dtype(np.float32): tflite.TensorType.FLOAT32, np.dtype(np.float16): tflite.TensorType.FLOAT16,
    np.dtype(np.int8): tflite.TensorType.INT8, np.dtype(np.uint8): tflite.TensorType.UINT8,
    np.dtype(np.int32): tflite.TensorType.INT32,
}  # fmt: skip
INT4 = tflite.TensorType.INT4


@dataclass
class Tensor:
    shape: tuple
    dtype: type = np.float32
    data: np.ndarray | None = None
    zero_points: tuple = ()
    axis: int = 0
    type_code: int | None = None  # where numpy has no such type: data are the bytes as they are stored
    sparsity: tuple | None = None  # (traversal order, block map, levels), see `encode`
    variable: bool = False  # kept between runs


@dataclass
class Operator:
    code: str
    inputs: list
    outputs: list
    kind: str = ""
    options: dict = field(default_factory=dict)
    custom: str = ""  # the name of an operator of the model's own


def constant(array, **facts):
    return Tensor(array.shape, array.dtype, array, **facts)


def encode(dense, traversal, sparse, block_map=(), block_sizes=()):
    """(values, sparsity) of an array by walking it level by level; `sparse`: which levels list their places."""
    split, axes = [], []
    for axis, size in enumerate(dense.shape):
        parts = [block_sizes[i] for i, one in enumerate(block_map) if one == axis]
        split += [size // int(np.prod(parts)), *parts]
        axes += [axis] + [dense.ndim + i for i, one in enumerate(block_map) if one == axis]
    levels = dense.reshape(split).transpose([axes.index(axis) for axis in traversal])
    segments, indices, values = [[0] for _ in traversal], [[] for _ in traversal], []

    def walk(level, part):
        if level == len(traversal):
            values.append(part)
            return
        for place in range(len(part)):
            if not sparse[level] or np.any(part[place]):
                indices[level].append(place)
                walk(level + 1, part[place])
        segments[level].append(len(indices[level]))

    walk(0, levels)
    facts = [(levels.shape[i], segments[i] if sparse[i] else None, indices[i]) for i in range(len(traversal))]
    return np.array(values, dense.dtype), (traversal, block_map, facts)


class _Writer:
    def __init__(self):
        self.b = flatbuffers.Builder(1 << 16)

    def ints(self, values, dtype=np.int32):
        return self.b.CreateNumpyVector(np.asarray(values, dtype))

    def tables(self, start, offsets):
        start(self.b, len(offsets))
        for offset in reversed(offsets):
            self.b.PrependUOffsetTRelative(offset)
        return self.b.EndVector()

    def table(self, kind, **fields):
        getattr(tflite, f"{kind}Start")(self.b)
        for name, value in fields.items():
            getattr(tflite, f"{kind}Add{name}")(self.b, value)
        return getattr(tflite, f"{kind}End")(self.b)

    def level(self, size, segments, indices):
        if segments is None:
            return self.table("DimensionMetadata", Format=0, DenseSize=size)
        held = self.ints(segments), self.ints(indices, np.uint8)
        parts = self.table("Int32Vector", Values=held[0]), self.table("Uint8Vector", Values=held[1])
        return self.table(
            "DimensionMetadata",
            Format=1,
            ArraySegmentsType=1,
            ArraySegments=parts[0],
            ArrayIndicesType=3,
            ArrayIndices=parts[1],
        )

    def tensor(self, number, tensor):
        name, shape = self.b.CreateString(f"t{number}"), self.ints(tensor.shape)
        fields = {"IsVariable": tensor.variable}
        if tensor.zero_points:
            points = self.ints(tensor.zero_points, np.int64)
            scales = self.ints(np.ones(len(tensor.zero_points)), np.float32)
            fields["Quantization"] = self.table(
                "QuantizationParameters", Scale=scales, ZeroPoint=points, QuantizedDimension=tensor.axis
            )
        if tensor.sparsity:
            traversal, block_map, facts = tensor.sparsity
            levels = self.tables(tflite.SparsityParametersStartDimMetadataVector, [self.level(*one) for one in facts])
            order, blocks = self.ints(traversal), self.ints(block_map)
            fields["Sparsity"] = self.table(
                "SparsityParameters", TraversalOrder=order, BlockMap=blocks, DimMetadata=levels
            )
        buffer = number + 1 if tensor.data is not None else 0
        code = TYPES[np.dtype(tensor.dtype)] if tensor.type_code is None else tensor.type_code
        return self.table("Tensor", Name=name, Shape=shape, Type=code, Buffer=buffer, **fields)

    def operator(self, number, operator):
        fields = {}
        if operator.kind:
            fields["BuiltinOptions"] = self.table(operator.kind, **operator.options)
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, operator.kind)
        inputs, outputs = self.ints(operator.inputs), self.ints(operator.outputs)
        return self.table("Operator", OpcodeIndex=number, Inputs=inputs, Outputs=outputs, **fields)


def save(path, tensors, operators, inputs=(0,), outputs=None, bodies=()):
    """A model file; `bodies`: (tensors, operators) of the graphs that control flow goes through, from number 1 on."""
    w = _Writer()
    ends = tuple(inputs), [len(tensors) - 1] if outputs is None else outputs
    all_tensors, all_operators, graphs = [], [], []
    for own, inside, (first, last) in [(tensors, operators, ends), *((*body, ((0,), [0])) for body in bodies)]:
        # Buffers and operator codes count through all graphs.
        tables = [w.tensor(i + len(all_tensors), t) for i, t in enumerate(own)]
        graph_tensors = w.tables(tflite.SubGraphStartTensorsVector, tables)
        tables = [w.operator(i + len(all_operators), o) for i, o in enumerate(inside)]
        graph_operators = w.tables(tflite.SubGraphStartOperatorsVector, tables)
        vectors = w.ints(first), w.ints(last)
        graphs.append(
            w.table("SubGraph", Tensors=graph_tensors, Operators=graph_operators, Inputs=vectors[0], Outputs=vectors[1])
        )
        all_tensors += own
        all_operators += inside
    codes = []
    for operator in all_operators:
        code = getattr(tflite.BuiltinOperator, operator.code)
        own = {"CustomCode": w.b.CreateString(operator.custom)} if operator.custom else {}
        codes.append(w.table("OperatorCode", DeprecatedBuiltinCode=min(code, 127), BuiltinCode=code, Version=1, **own))
    buffers = [w.table("Buffer")]
    for tensor in all_tensors:
        data = w.ints(np.frombuffer(tensor.data.tobytes(), np.uint8), np.uint8) if tensor.data is not None else None
        buffers.append(w.table("Buffer", **({} if data is None else {"Data": data})))
    parts = {
        "OperatorCodes": w.tables(tflite.ModelStartOperatorCodesVector, codes),
        "Subgraphs": w.tables(tflite.ModelStartSubgraphsVector, graphs),
        "Buffers": w.tables(tflite.ModelStartBuffersVector, buffers),
    }
    w.b.Finish(w.table("Model", Version=3, **parts), file_identifier=b"TFL3")
    path.write_bytes(bytes(w.b.Output()))
    return path


def conv_options(stride=(1, 1), dilation=(1, 1), padding=0, **more):
    return {
        "Padding": padding,
        "StrideH": stride[0],
        "StrideW": stride[1],
        "DilationHFactor": dilation[0],
        "DilationWFactor": dilation[1],
        **more,
    }
