"""A small model of a user's own in every kind of file that the command accepts; other seeds give other content.

All content is of the same size for all seeds where the format allows it, so that a change is not told by the size.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import helper
from safetensors.numpy import save_file
from scipy import sparse

from tests.simulator.studies.studies import NETWORK
from tests.workloads.importers.onnx import onnx_models
from tests.workloads.importers.tflite import tflite_models
from workloads.arrays.trace_file import save_traces
from workloads.catalog import load_workload


def _sparse(seed: int, *shape: int) -> np.ndarray:
    """Half zeros, as many as for any other seed, so that texts and files keep their sizes."""
    random = np.random.default_rng(seed)
    flat = np.zeros(int(np.prod(shape)), np.float32)
    flat[random.permutation(flat.size)[: flat.size // 2]] = random.integers(1, 9, flat.size // 2)
    return flat.reshape(shape)


def network_file(folder: Path, seed: int) -> str:
    path = folder / "small.toml"
    path.write_text(NETWORK.replace("weight_density = 0.4", f"weight_density = 0.{4000 + seed}"))
    return str(path)


def network_with_tensors(folder: Path, seed: int) -> str:
    np.save(folder / "w.npy", _sparse(seed, 16, 8, 3, 3))
    np.savez(folder / "x.npz", x=_sparse(seed + 1000, 8, 12, 12))
    files = 'weight_file = "w.npy"\nactivation_file = "x.npz"\nactivation_entry = "x"'
    path = folder / "tensors.toml"
    path.write_text(NETWORK.replace("weight_density = 0.4\nactivation_density = 0.5", files))
    return str(path)


def trace_file(folder: Path, seed: int) -> str:

    (folder / "drawn").mkdir(exist_ok=True)
    drawn = load_workload(network_file(folder / "drawn", 0), seed=seed)
    save_traces(folder / "trace.npz", replace(drawn, origin=""))  # its origin is a path, and would be in the file
    return str(folder / "trace.npz")


def scipy_file(folder: Path, seed: int) -> str:

    sparse.save_npz(folder / "matrix.npz", sparse.csr_matrix(_sparse(seed, 24, 32)), compressed=False)
    return str(folder / "matrix.npz")


def matrix_market(folder: Path, seed: int) -> str:
    dense = _sparse(seed, 24, 32)
    lines = [f"{row + 1} {column + 1} {int(dense[row, column])}" for row, column in np.argwhere(dense)]
    head = f"%%MatrixMarket matrix coordinate integer general\n24 32 {len(lines)}\n"
    (folder / "matrix.mtx").write_text(head + "\n".join(lines) + "\n")
    return str(folder / "matrix.mtx")


def smtx(folder: Path, seed: int) -> str:
    mask = _sparse(seed, 24, 32) != 0
    offsets = [0, *np.cumsum(mask.sum(axis=1))]
    lines = ["24, 32, " + str(mask.sum()), " ".join(map(str, offsets)), " ".join(map(str, np.nonzero(mask)[1]))]
    (folder / "matrix.smtx").write_text("\n".join(lines) + "\n")
    return str(folder / "matrix.smtx")


def onnx_model(folder: Path, seed: int) -> str:

    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")]
    return str(onnx_models.save(folder / "model.onnx", nodes, {"x": (1, 4, 8, 8)}, {"w": _sparse(seed, 8, 4, 3, 3)}))


def onnx_external(folder: Path, seed: int) -> str:

    (folder / "held.data").unlink(missing_ok=True)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")]
    weights = {"w": _sparse(seed, 8, 4, 3, 3)}
    external = {"save_as_external_data": True, "size_threshold": 0, "location": "held.data"}
    return str(onnx_models.save(folder / "external.onnx", nodes, {"x": (1, 4, 8, 8)}, weights, **external))


def tflite_model(folder: Path, seed: int) -> str:

    weights = _sparse(seed, 8, 3, 3, 6)
    tensors = [tflite_models.Tensor((1, 9, 8, 6)), tflite_models.constant(weights), tflite_models.Tensor((1, 1, 1, 8))]
    operator = tflite_models.Operator("CONV_2D", [0, 1], [2], "Conv2DOptions", tflite_models.conv_options())
    return str(tflite_models.save(folder / "model.tflite", tensors, [operator], outputs=[2]))


def weights_in_network(folder: Path, seed: int, network_seed: int = 0) -> str:

    (folder / f"weights{network_seed > 0}").mkdir(exist_ok=True)
    path = folder / f"weights{network_seed > 0}" / "weights.safetensors"
    save_file({"first.weight": _sparse(seed, 16, 8, 3, 3), "second.weight": _sparse(seed, 8, 16, 1, 1)}, path)
    return f"{network_file(path.parent, network_seed)}@{path}"


def network_under_weights(folder: Path, seed: int) -> str:
    """The same, but what changes is the network file: its activations, since the weights are not its own."""
    text = weights_in_network(folder, 0, 1)
    path = Path(text.partition("@")[0])
    path.write_text(NETWORK.replace("activation_density = 0.5", f"activation_density = 0.{5000 + seed}"))
    return text


def tensor_folder(folder: Path, seed: int) -> str:
    path = folder / "tensors"
    path.mkdir(exist_ok=True)
    np.save(path / "wgt-conv.npy", _sparse(seed, 8, 4, 3, 3))
    np.save(path / "act-conv.npy", _sparse(7, 1, 4, 8, 8))
    return str(path)


def topology(folder: Path, seed: int) -> str:
    head = (
        "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides, Sparsity,\n"
    )
    (folder / "topology.csv").write_text(f"{head}conv,8,8,3,3,4,{seed + 10},1,0.5,\n")
    return str(folder / "topology.csv")


def density_table(folder: Path, seed: int) -> str:
    head = "name,C,H,W,K,R,S,stride,pad,w_density,x_density\n"
    (folder / "densities.csv").write_text(f"{head}conv,8,8,8,16,3,3,1,1,0.{4000 + seed},0.5\n")
    return str(folder / "densities.csv")


def timeloop(folder: Path, seed: int) -> str:
    sizes = f"{{R: 3, S: 3, P: 7, Q: 5, C: 4, K: {seed + 10}, densities: {{Weights: 0.5}}}}"
    (folder / "problem.yaml").write_text(f"problem:\n  shape: cnn-layer\n  instance: {sizes}\n")
    return str(folder / "problem.yaml")


def reference_folder(folder: Path, seed: int) -> str:
    path = folder / "reference"
    path.mkdir(exist_ok=True)
    row = {"name": "conv", "C": 4, "H": 8, "W": 8, "K": 8, "R": 3, "S": 3, "stride": 1, "pad": 1, "input": "x:0"}
    (path / "layers.json").write_text(json.dumps([row]))
    np.savez(
        path / "pose.npz",
        **{
            "w:conv": _sparse(seed, 8, 4, 3, 3).astype(np.float16),
            "x:0": _sparse(5, 4, 8, 8).astype(np.int8),
            "xmask:1": np.zeros(8, np.uint8),
        },
    )
    return str(path)


KINDS: dict[str, Callable[[Path, int], str]] = {
    kind.__name__: kind
    for kind in (
        network_file, network_with_tensors, trace_file, scipy_file, matrix_market, smtx, onnx_model, onnx_external,
        tflite_model, weights_in_network, network_under_weights, tensor_folder, topology, density_table, timeloop,
        reference_folder,
    )
}  # fmt: skip
BUILT_IN = ("blazepose", "alexnet", "vgg16@scnn")


def patterns(folder: Path, seed: int) -> str:
    """A chain of prunings with a file of patterns."""
    masks = ["010111000", "010110010", "000111010", "010011010", "110110000", "011011000"]
    chosen = np.random.default_rng(seed).permutation(len(masks))[:3]
    (folder / "patterns.txt").write_text("".join(f"{masks[place]}\n" for place in chosen))
    return f"unstructured:density=0.8+pattern:set={folder / 'patterns.txt'},connectivity=0.9"
