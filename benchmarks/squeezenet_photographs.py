"""Further photographs for the reference data of SqueezeNet (Deep Compression): what its layers read on pictures.

    python -m benchmarks.squeezenet_photographs FOLDER TARGET PICTURE...

FOLDER holds the network with the activations of one photograph. TARGET becomes a folder with the same files and, for
each picture, NAME.npz with the masks of what every layer reads, so that `prunesim run TARGET --inputs all` simulates
them all. Needs onnx, onnxruntime and Pillow. A picture's middle square becomes 256 x 256 (bilinear), of which the
middle 227 x 227 are taken, in the order blue, green, red less the means 104, 117 and 123: of the stored photograph,
which is `chelsea` of scikit-image 0.26, this gives every map's zeros as they are stored.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from workloads.errors import InputError
from workloads.files import whole_file
from workloads.readers import read_squeezenet_dc
from workloads.readers.reference import find_archive

_POOLED = {"fire2": "pool1", "fire5": "pool4", "fire9": "pool8"}  # what reads a pooled map, and the map's name
_MEANS = np.array([104, 117, 123], np.float32)
_SQUARE, _SIDE = 256, 227


def build(folder: Path) -> onnx.ModelProto:
    """The network of a folder as an ONNX model whose outputs are the maps that layers read, and the logits."""
    workload, biases = read_squeezenet_dc(folder), np.load(find_archive(folder))
    nodes, weights, made = [], {}, ["data"]

    def conv(name: str, source: str) -> str:
        place = [layer.name for layer in workload.layers].index(name)
        layer = workload.layers[place]
        weights[f"w:{name}"] = workload.sources[place].weight_array(0)
        weights[f"b:{name}"] = biases[f"bias:{name}"]
        pads = [layer.padding[0][0], layer.padding[1][0], layer.padding[0][1], layer.padding[1][1]]
        inputs = [source, f"w:{name}", f"b:{name}"]
        nodes.append(helper.make_node("Conv", inputs, [f"{name}:sum"], strides=list(layer.stride), pads=pads))
        nodes.append(helper.make_node("Relu", [f"{name}:sum"], [name]))
        return name

    def pool(name: str, source: str) -> str:
        nodes.append(helper.make_node("MaxPool", [source], [name], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1))
        return name

    last = conv("conv1", "data")
    for fire in (f"fire{number}" for number in range(2, 10)):
        last = pool(_POOLED[fire], last) if fire in _POOLED else last
        squeezed = conv(f"{fire}/conv1x1_1", last)
        expanded = [conv(f"{fire}/{kernel}_2", squeezed) for kernel in ("conv1x1", "conv3x3")]
        nodes.append(helper.make_node("Concat", expanded, [f"{fire}/concat"], axis=1))
        made += [last, squeezed, f"{fire}/concat"]
        last = f"{fire}/concat"
    nodes.append(helper.make_node("GlobalAveragePool", [conv("conv_final", last)], ["logits"]))
    graph = helper.make_graph(
        nodes, "squeezenet",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, (1, 3, _SIDE, _SIDE))],
        [helper.make_empty_tensor_value_info(name) for name in dict.fromkeys([*made[1:], "logits"])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def pixels(picture: Path) -> np.ndarray:
    """What the network reads of a picture, float32 (1, 3, 227, 227)."""
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    square = image.crop((left, top, left + side, top + side)).resize((_SQUARE, _SQUARE), Image.Resampling.BILINEAR)
    edge = (_SQUARE - _SIDE) // 2
    values = np.asarray(square, np.float32)[edge : edge + _SIDE, edge : edge + _SIDE, ::-1] - _MEANS
    return np.ascontiguousarray(values.transpose(2, 0, 1))[np.newaxis]


def maps(session: onnxruntime.InferenceSession, data: np.ndarray) -> dict[str, np.ndarray]:
    """Every map by name, float16 as the reference data keeps them, which makes the least values zero."""
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, {"data": data}), strict=True))
    return {name: array[0].astype(np.float16) for name, array in {"data": data, **found}.items()}


def main() -> int:
    """Write the target folder; the exit code."""
    if len(sys.argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    folder, target, *pictures = map(Path, sys.argv[1:])
    session = onnxruntime.InferenceSession(build(folder).SerializeToString(), providers=["CPUExecutionProvider"])
    shutil.copytree(folder, target)
    read = {row["input"] for row in json.loads((folder / "layers.json").read_text(encoding="utf-8"))}
    for picture in pictures:
        found = maps(session, pixels(picture))
        with whole_file(target / f"{picture.stem}.npz") as stream:
            np.savez_compressed(stream, **{f"xmask:{name}": np.packbits(found[name] != 0) for name in sorted(read)})
        print(f"{picture.name}: class {int(found['logits'].ravel().argmax())}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(str(error))
