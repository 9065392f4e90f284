"""Files of weights alone, .safetensors and PyTorch's .pt and .pth: a network's shapes come from elsewhere.

Weights are found by their layers' names, punctuation aside; the rest in order among those of the same shape. Masks of
`torch.nn.utils.prune` (weight_orig, weight_mask) are applied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.files import require_file
from workloads.importers.imported import Imported, ImportOptions, Made, numbers, require
from workloads.importers.importer import importer
from workloads.layer import Layer
from workloads.limits import require_size

_PARTS = re.compile(r"\d+|\D+").findall


@dataclass(frozen=True)
class _Weights:
    """A tensor of the file: its name without `.weight`, its shape, and how to read it."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]

    def fits(self, layer: Layer) -> bool:
        """Whether it is of the layer's shape; axes of length 1 may be left out or added at the end."""
        return _bare(self.shape) == _bare(layer.weight_shape)


@importer("weights alone (with --network)", ".safetensors", ".pt", ".pth", weights_alone=True)
def import_weights(path: Path, options: ImportOptions) -> Imported:
    """The layers of `options.base` with the weights of a file; activations stay those of the network.

    Raises `InputError` naming the file, or the layer that has no weights in it.
    """
    base = options.base
    if base is None:
        raise InputError(f"{path}: holds weights alone: say whose with --network NAME, or run NAME@{path.name}")
    tensors = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    constant = tuple(layer for layer in base.layers if not layer.moving_weights)
    found, guessed = _match(path, constant, tensors)
    chosen = dict(zip((layer.name for layer in constant), found, strict=True))
    origin = f"{path}; shapes of {base.name}"
    sources = tuple(
        # A product of two activations has no weights in a file.
        replace(source, weights=_source(chosen[source.layer.name], source.layer), origin=origin, codebook_values=None)
        if not source.moving_weights
        else source
        for source in base.sources
    )
    workload = replace(base, name=path.stem, sources=sources, title=f"weights of {path.name} in {base.name}")
    warnings = [f"activations are those of '{base.name}'"]
    if guessed:
        warnings.append(f"{guessed} of {len(found)} layers were found by shape and order, not by name")
    return Imported(replace(workload, origin=origin), warnings=tuple(warnings))


def _source(one: _Weights, layer: Layer) -> Made:
    return Made(lambda: numbers(one.read()).reshape(layer.weight_shape))


def _match(path: Path, layers: tuple[Layer, ...], tensors: list[_Weights]) -> tuple[list[_Weights], int]:
    """The tensor of each layer, and how many were found by shape alone."""
    # By name first for all layers, so that no tensor is taken by shape from the layer that bears its name.
    free = list(tensors)
    chosen: dict[str, _Weights] = {}
    for layer in layers:
        names = (_letters(layer.name), _letters(layer.name) + "0")  # the first module of a Sequential of that name
        named = next((one for one in free if _letters(one.name) in names and one.fits(layer)), None)
        if named is not None:
            chosen[layer.name] = named
            free.remove(named)
    by_name = len(chosen)
    for layer in layers:
        if layer.name in chosen:
            continue
        # In the file's order: of layers of one shape the first takes the first tensor that is left.
        fitting = next((one for one in free if one.fits(layer)), None)
        if fitting is None:
            shape = "x".join(map(str, layer.weight_shape))
            raise InputError(f"{path}: holds no further weights of shape {shape} for layer '{layer.name}'")
        chosen[layer.name] = fitting
        free.remove(fitting)
    return [chosen[layer.name] for layer in layers], len(layers) - by_name


def _letters(name: str) -> str:
    # "layer1.0.conv1" and "layer1_0_conv1" are one name.
    return "".join(character for character in name.lower() if character.isalnum())


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    # A fully connected layer's (K, C) and a pointwise convolution's (K, C, 1, 1) hold the same weights.
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _safetensors(path: Path) -> list[_Weights]:
    library = require("safetensors", "torch", "safetensors files")
    require_file(path)

    def read(key: str) -> np.ndarray:
        with _naming(path, key), library.safe_open(path, framework="numpy") as file:
            if file.get_slice(key).get_dtype() not in _NARROW:
                return file.get_tensor(key)
        return _read_narrow(path, key)

    try:
        with library.safe_open(path, framework="numpy") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except Exception as error:  # noqa: BLE001 (its errors come from Rust and share no base but Exception)
        raise InputError(f"{path}: not a safetensors file, or truncated: {error}") from None
    # safetensors gives keys in an order of its own; here numbers count as numbers, so that layer 10 follows layer 9.
    keys = sorted(shapes, key=lambda key: [(not part.isdecimal(), part.zfill(12)) for part in _PARTS(key)])
    return _weights({key: shapes[key] for key in keys}, read)


def _pickled(path: Path) -> list[_Weights]:
    torch = require("torch", "torch", "PyTorch files")
    require_file(path)
    try:
        # A pickle may run anything when it is loaded; this way torch makes tensors and plain containers alone.
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 (torch.load raises whatever its file leads it to)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a PyTorch state dict that can be loaded safely: {reason}") from None
    # Checkpoints put the weights beside an optimizer's state, under one of a few usual names.
    while isinstance(held, dict) and not any(hasattr(value, "shape") for value in held.values()):
        inner = next((held[key] for key in ("state_dict", "model", "model_state_dict", "net") if key in held), None)
        if inner is None:
            break
        held = inner
    tensors = {key: value for key, value in held.items() if hasattr(value, "shape")} if isinstance(held, dict) else {}
    if not tensors:
        raise InputError(f"{path}: holds no state dict")

    def read(key: str) -> np.ndarray:
        with _naming(path, key):
            return _torch_array(tensors[key])

    return _weights({key: tuple(tensor.shape) for key, tensor in tensors.items()}, read)


@contextmanager
def _naming(path: Path, key: str) -> Generator[None]:
    try:
        yield
    except (MemoryError, InputError):
        raise
    except Exception as error:  # noqa: BLE001 (errors from Rust and from torch share no base but Exception)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: tensor '{key}' cannot be read: {reason}") from None


# Types of safetensors that numpy lacks: bits after the sign for exponent and fraction, the exponent's bias, and whether
# the largest exponent holds numbers (E4M3 keeps one pattern, all ones, for NaN) in place of infinities.
_NARROW = {"BF16": (8, 7, 127, False), "F8_E5M2": (5, 2, 15, False), "F8_E4M3": (4, 3, 7, True)}


def _read_narrow(path: Path, key: str) -> np.ndarray:
    """A tensor of a narrow float type as float32, which holds each of its values exactly.

    Source: safetensors' format: eight bytes of length, a header in JSON, then data at `data_offsets`.
    """
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        facts = json.loads(stream.read(length))[key]
        start, end = facts["data_offsets"]
        require_size(f"{path}: tensor '{key}'", facts["shape"], 4)
        stream.seek(8 + length + start)
        data = stream.read(end - start)
    bits = np.frombuffer(data, np.uint16 if facts["dtype"] == "BF16" else np.uint8)
    return widened(bits, *_NARROW[facts["dtype"]]).reshape(facts["shape"])


def widened(bits: np.ndarray, exponent: int, fraction: int, bias: int, finite: bool) -> np.ndarray:
    """Patterns of a float format as float32; `finite`: a largest exponent holds numbers, and all ones NaN."""
    # Every pattern of the type is computed once, at most 65,536 of them; the tensor then looks its values up.
    codes = np.arange(1 << (1 + exponent + fraction), dtype=np.int64)
    sign = np.where(codes >> (exponent + fraction), -1.0, 1.0)
    power, part = codes >> fraction & (1 << exponent) - 1, codes & (1 << fraction) - 1
    # A number is (2^f + part) * 2^(power - bias - f); with power 0 it is subnormal: no leading 1, and the exponent of
    # power 1. BF16's 0x3F80 has power 127 and part 0: 128 * 2^(127 - 127 - 7) = 1.
    value = np.ldexp(part + np.where(power > 0, 1 << fraction, 0), np.maximum(power, 1) - bias - fraction)
    top = power == (1 << exponent) - 1
    special = np.where(part == (1 << fraction) - 1, np.nan, value) if finite else np.where(part, np.nan, np.inf)
    return (sign * np.where(top, special, value)).astype(np.float32)[bits]


def _torch_array(tensor: Any) -> np.ndarray:
    """A torch tensor as an array; sparse and quantized ones as what they stand for."""
    if tensor.is_meta:
        raise ValueError("it is on the device 'meta': it has a shape, but no values")
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if str(tensor.layout) != "torch.strided":
        tensor = tensor.to_dense()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _weights(shapes: dict[str, tuple[int, ...]], read: Callable[[str], np.ndarray]) -> list[_Weights]:
    """Tensors of two axes and more, each under its module's name, masks applied."""
    found = []
    for key, shape in shapes.items():
        # Biases and the vectors of normalizations have one axis; what layers multiply by has two or more.
        if len(shape) < 2 or key.endswith("_mask"):
            continue
        # Pruned modules hold "weight_orig" and "weight_mask" in place of "weight".
        mask = f"{key.removesuffix('_orig')}_mask"
        # DataParallel puts "module." before every name.
        name = key.removesuffix("_orig").removesuffix(".weight").removeprefix("module.")
        found.append(_Weights(name, shape, _reader(read, key, mask if mask in shapes else "")))
    return found


def _reader(read: Callable[[str], np.ndarray], key: str, mask: str) -> Callable[[], np.ndarray]:
    def make() -> np.ndarray:
        return read(key) * read(mask) if mask else read(key)

    return make
