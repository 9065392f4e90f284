"""torch's convolutions and fully connected layers as layers, from the tensors of a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import FoundLayer, Made, product_activations, product_layer
from workloads.layer import Layer, Pads

_CONVOLUTIONS = ("Conv1d", "Conv2d", "Conv3d")
_PAD_MODES: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@dataclass(frozen=True)
class Call:
    """A module's call: its name, its input and its weights as they were then."""

    name: str
    module: Any
    inputs: np.ndarray
    weights: np.ndarray


def is_layer(torch: Any, module: Any) -> bool:
    """Whether a module is a convolution or a fully connected layer."""
    kinds = tuple(getattr(torch.nn, kind) for kind in (*_CONVOLUTIONS, "Linear"))
    transposed = isinstance(module, torch.nn.modules.conv._ConvTransposeNd)  # noqa: SLF001 (torch has no public base)
    return isinstance(module, kinds) and not transposed


def module_layer(call: Call) -> FoundLayer:
    """The layer of a call. Raises `InputError` for one that no layer is."""
    weights = call.weights
    inputs = _batched(call.inputs, weights)
    if weights.ndim == 2:
        layer = product_layer(call.name, inputs.shape[:-1], call.module.in_features, call.module.out_features)
        return FoundLayer(layer, _held(weights.reshape(layer.weight_shape)), product_activations(layer, inputs))
    pads = _pads(call.module)
    # Reflected or repeated values are no zeros: they are put into the activations, and the layer pads nothing itself.
    if call.module.padding_mode != "zeros":
        inputs = np.pad(inputs, ((0, 0), (0, 0), *pads), mode=_PAD_MODES[call.module.padding_mode])
        pads = ((0, 0),) * len(pads)
    layer = _conv(call, inputs.shape, pads)
    return FoundLayer(layer, _held(weights.reshape(layer.weight_shape)), inputs.reshape(layer.input_shape))


def _batched(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Inputs with the batch axis that torch lets a single image of a convolution, or row of features, lack."""
    image = inputs.ndim == 1 if weights.ndim == 2 else inputs.ndim < weights.ndim
    return inputs[np.newaxis] if image else inputs


def _held(weights: np.ndarray) -> Made:
    return Made(lambda: weights)


def _pads(module: Any) -> Pads:
    """(before, after) of each axis; torch keeps them last axis first."""
    flat = module._reversed_padding_repeated_twice  # noqa: SLF001 (the only place where 'same' is resolved)
    # (left, right, top, bottom) gives (top, bottom), (left, right): pairs from the last to the first.
    return tuple((flat[i], flat[i + 1]) for i in range(len(flat) - 2, -2, -2))


def _conv(call: Call, shape: tuple[int, ...], pads: Pads) -> Layer:
    module = call.module
    row = len(shape) == 3  # a 1-D convolution is a 2-D one over a single row
    try:
        return Layer(
            name=call.name,
            in_channels=module.in_channels,
            out_channels=module.out_channels,
            input_size=(1,) * row + shape[2:],
            kernel_size=(1,) * row + tuple(module.kernel_size),
            stride=(1,) * row + tuple(module.stride),
            padding=((0, 0),) * row + pads,
            dilation=(1,) * row + tuple(module.dilation),
            groups=module.groups,
            batch=shape[0],
        )
    except InputError as error:
        raise InputError(f"PyTorch {type(module).__name__}: {error}") from None
