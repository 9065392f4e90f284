"""ONNX models built in the tests: single operators, and whole networks from their architecture's definition."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from dataflows.registry import create
from workloads.importers import ImportOptions, import_model

OPSET = 17
RANDOM = np.random.default_rng(7)


def whole(*shape, kind=np.float32, density=0.5):
    """Whole numbers, half of them zero: sums are exact in every type."""
    values = RANDOM.integers(-5, 6, shape) * (RANDOM.random(shape) < density)
    return values.astype(kind)


def node(operator, inputs, output, name="", **attributes):
    """An operator; names of its tensors apart by blanks."""
    return helper.make_node(operator, inputs.split(), output.split(), name=name, **attributes)


def weight(*shape):
    """Weights without a zero."""
    return RANDOM.standard_normal(shape).astype(np.float32)


def sizes(*values):
    """What a shape or a list of axes is given as."""
    return np.array(values, np.int64)


def imported(path, feed, **options):
    """The import of a model with activations of a feed."""
    np.savez(path.with_suffix(".feed.npz"), **feed)
    return import_model(path, ImportOptions(inputs=(path.with_suffix(".feed.npz"),), **options))


def outputs_of(path, feed, *, every=False):
    """What onnxruntime computes: the first output, or all."""
    outputs = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"]).run(None, feed)
    return outputs if every else outputs[0]


def computed(workload, index=0, machine="ideal"):
    """What a machine computes for a layer of whole numbers."""
    trace = workload.trace(index)
    return create(machine).execute(trace.layer, trace.weights.astype(np.int64), trace.activations.astype(np.int64))


def save(path: Path, nodes, inputs, weights, outputs=("y",), opset=OPSET, **options) -> Path:
    """A model file; inputs {name: shape or (type, shape)}, weights {name: array}."""
    values = [
        helper.make_tensor_value_info(
            name,
            *(
                given
                if isinstance(given[0], int) and isinstance(given[1], tuple | list)
                else (TensorProto.FLOAT, given)
            ),
        )
        for name, given in inputs.items()
    ]
    graph = helper.make_graph(
        nodes, "g", values,
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path, **options)
    return path


class Builder:
    """Nodes one after the other; every method returns the name of the tensor it makes."""

    def __init__(self, seed=0):
        self.nodes, self.weights, self.random = [], {}, np.random.default_rng(seed)

    def add(self, operator, *inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(operator, list(inputs), [name], name=f"{operator}{len(self.nodes)}", **attributes)
        )
        return name

    def weight(self, *shape):
        name = f"w{len(self.weights)}"
        scale = np.float32(np.sqrt(2 / np.prod(shape[1:])))
        self.weights[name] = self.random.standard_normal(shape, np.float32) * scale
        return name

    def conv(self, x, channels, filters, kernel, stride=1, pad=0, groups=1, relu=True):
        w = self.weight(filters, channels // groups, kernel, kernel)
        y = self.add("Conv", x, w, strides=[stride] * 2, pads=[pad] * 4, group=groups)
        return self.add("Relu", y) if relu else y

    def pool(self, x, kernel, stride, pad=0, *, ceil=0):
        return self.add("MaxPool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, ceil_mode=ceil)

    def classifier(self, x, features, classes=1000):
        flat = self.add("Flatten", self.add("GlobalAveragePool", x))
        return self.add("Gemm", flat, self.weight(classes, features), transB=1)

    def save(self, path, output, size=224):
        return save(path, self.nodes, {"x": ("N", 3, size, size)}, self.weights, [output])


def resnet(path, blocks, *, bottleneck):
    """He et al., CVPR 2016, Table 1; the stride of a bottleneck lies in its 3x3 convolution (v1.5)."""
    b = Builder()
    x = b.pool(b.conv("x", 3, 64, 7, 2, 3), 3, 2, 1)
    channels = 64
    for stage, count in enumerate(blocks):
        width = 64 << stage
        out = width * 4 if bottleneck else width
        for block in range(count):
            stride = 2 if stage and not block else 1
            if bottleneck:
                y = b.conv(b.conv(x, channels, width, 1), width, width, 3, stride, 1)
                y = b.conv(y, width, out, 1, relu=False)
            else:
                y = b.conv(b.conv(x, channels, width, 3, stride, 1), width, width, 3, 1, 1, relu=False)
            short = b.conv(x, channels, out, 1, stride, relu=False) if channels != out or stride > 1 else x
            x, channels = b.add("Relu", b.add("Add", y, short)), out
    return b.save(path, b.classifier(x, channels))


def mobilenet_v2(path):
    """Sandler et al., CVPR 2018, Table 2."""
    b = Builder()
    x, channels = b.conv("x", 3, 32, 3, 2, 1), 32
    rows = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, out, count, stride in rows:
        for block in range(count):
            hidden = channels * expansion
            y = b.conv(x, channels, hidden, 1) if expansion > 1 else x
            y = b.conv(y, hidden, hidden, 3, 1 if block else stride, 1, groups=hidden)
            y = b.conv(y, hidden, out, 1, relu=False)
            x, channels = (b.add("Add", x, y) if block else y), out
    return b.save(path, b.classifier(b.conv(x, channels, 1280, 1), 1280))


def squeezenet(path):
    """SqueezeNet 1.0 (Iandola et al., 2016, Table 1), pooling rounded up as in Caffe."""
    b = Builder()
    x, channels = b.pool(b.conv("x", 3, 96, 7, 2), 3, 2, ceil=1), 96
    for place, (squeeze, expand) in enumerate(
        [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]
    ):
        s = b.conv(x, channels, squeeze, 1)
        x = b.add("Concat", b.conv(s, squeeze, expand, 1), b.conv(s, squeeze, expand, 3, 1, 1), axis=1)
        channels = 2 * expand
        if place in (2, 6):
            x = b.pool(x, 3, 2, ceil=1)
    return b.save(path, b.add("GlobalAveragePool", b.conv(x, channels, 1000, 1)))


NETWORKS = {
    "resnet18": lambda path: resnet(path, (2, 2, 2, 2), bottleneck=False),
    "resnet50": lambda path: resnet(path, (3, 4, 6, 3), bottleneck=True),
    "mobilenet-v2": mobilenet_v2,
    "squeezenet1.0": squeezenet,
}


def counted_macs(path) -> int:
    """Products of a model by ONNX's own shape inference: outputs times the weights that make each."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    shapes = {
        v.name: [d.dim_value or 1 for d in v.type.tensor_type.shape.dim] for v in [*graph.value_info, *graph.output]
    }
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            total += int(np.prod(shapes[node.output[0]])) * int(
                np.prod(weights[node.input[1]][:-1] if node.op_type == "MatMul" else weights[node.input[1]][1:])
            )
    return total
