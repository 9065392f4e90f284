"""Files of weights alone, .safetensors and PyTorch's .pt and .pth: a network's shapes come from elsewhere.

Weights are found by their layers' names, punctuation aside; the rest in order among those of the same shape. Masks of
`torch.nn.utils.prune` (weight_orig, weight_mask) are applied.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import Imported, ImportOptions, Made, numbers, require
from workloads.layer import Layer
from workloads.workload import load_workload

SUFFIXES = (".safetensors", ".pt", ".pth")

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


def import_weights(path: Path, options: ImportOptions) -> Imported:
    """The layers of `options.network` with the weights of a file; activations stay those of the network.

    Raises `InputError` naming the file, or the layer that has no weights in it.
    """
    if not options.network:
        raise InputError(f"{path}: holds weights alone: say whose with --network NAME, or run NAME@{path.name}")
    base = load_workload(options.network)
    tensors = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    found, guessed = _match(path, base.layers, tensors)
    origin = f"{path}; shapes of {base.name}"
    sources = tuple(
        replace(source, weights=_source(one, source.layer), origin=origin)
        for source, one in zip(base.sources, found, strict=True)
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
        fitting = next((one for one in free if one.fits(layer)), None)
        if fitting is None:
            shape = "x".join(map(str, layer.weight_shape))
            raise InputError(f"{path}: holds no further weights of shape {shape} for layer '{layer.name}'")
        chosen[layer.name] = fitting
        free.remove(fitting)
    return [chosen[layer.name] for layer in layers], len(layers) - by_name


def _letters(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _safetensors(path: Path) -> list[_Weights]:
    library = require("safetensors", "torch", "safetensors files")
    if not path.is_file():
        raise InputError(f"{path}: {'is a directory, must be a file' if path.is_dir() else 'no such file'}")

    def read(key: str) -> np.ndarray:
        with library.safe_open(path, framework="numpy") as file:
            return file.get_tensor(key)

    try:
        with library.safe_open(path, framework="numpy") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except Exception as error:  # noqa: BLE001 (its errors come from Rust and share no base but Exception)
        raise InputError(f"{path}: not a safetensors file, or truncated: {error}") from None
    keys = sorted(shapes, key=lambda key: [(not part.isdecimal(), part.zfill(12)) for part in _PARTS(key)])
    return _weights({key: shapes[key] for key in keys}, read)


def _pickled(path: Path) -> list[_Weights]:
    torch = require("torch", "torch", "PyTorch files")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # noqa: BLE001 (torch.load raises whatever its file leads it to)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a PyTorch state dict that can be loaded safely: {reason}") from None
    while isinstance(held, dict) and not any(hasattr(value, "shape") for value in held.values()):
        inner = next((held[key] for key in ("state_dict", "model", "model_state_dict", "net") if key in held), None)
        if inner is None:
            break
        held = inner
    tensors = {key: value for key, value in held.items() if hasattr(value, "shape")} if isinstance(held, dict) else {}
    if not tensors:
        raise InputError(f"{path}: holds no state dict")

    def read(key: str) -> np.ndarray:
        tensor: Any = tensors[key]
        return (tensor.float() if tensor.is_floating_point() else tensor).numpy()

    return _weights({key: tuple(tensor.shape) for key, tensor in tensors.items()}, read)


def _weights(shapes: dict[str, tuple[int, ...]], read: Callable[[str], np.ndarray]) -> list[_Weights]:
    """Tensors of two axes and more, each under its module's name, masks applied."""
    found = []
    for key, shape in shapes.items():
        if len(shape) < 2 or key.endswith("_mask"):
            continue
        mask = f"{key.removesuffix('_orig')}_mask"
        name = key.removesuffix("_orig").removesuffix(".weight").removeprefix("module.")
        found.append(_Weights(name, shape, _reader(read, key, mask if mask in shapes else "")))
    return found


def _reader(read: Callable[[str], np.ndarray], key: str, mask: str) -> Callable[[], np.ndarray]:
    def make() -> np.ndarray:
        return read(key) * read(mask) if mask else read(key)

    return make
