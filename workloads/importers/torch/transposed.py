"""torch's ConvTranspose1d, 2d and 3d as ordinary convolutions (`workloads.transposed`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import FoundLayer, transposed_layers
from workloads.transposed import Form, Transposed

KINDS = ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")


def module_layers(
    name: str, module: Any, inputs: np.ndarray, weights: np.ndarray, out: tuple[int, ...], form: Form
) -> list[FoundLayer]:
    """The convolutions of a module's call; `out` is the size of its maps, which a caller may have chosen."""
    # torch lets the input lack its batch axis.
    inputs = inputs if inputs.ndim == weights.ndim else inputs[np.newaxis]
    row = weights.ndim == 3  # a row is put before the only axis
    axes = [(1, 1, 0, 1)] * row + list(
        zip(inputs.shape[2:], module.stride, module.padding, module.dilation, strict=True)
    )
    kernel = (1,) * row + weights.shape[2:]
    # What is there beyond the usual size is output padding, which `output_size` may have asked for.
    more = tuple(
        wanted - ((size - 1) * step - 2 * pad + spread * (taps - 1) + 1)
        for wanted, taps, (size, step, pad, spread) in zip((1,) * row + out, kernel, axes, strict=True)
    )
    sizes, strides, pads, dilations = zip(*axes, strict=True)
    try:
        whole = Transposed(
            name,
            module.in_channels,
            module.out_channels,
            sizes,
            kernel,
            strides,
            tuple((pad, pad) for pad in pads),
            more,
            dilations,
            module.groups,
            len(inputs),
        )
        return transposed_layers(whole, form, lambda: weights, inputs)
    except InputError as error:
        raise InputError(f"PyTorch {type(module).__name__}: {error}") from None
