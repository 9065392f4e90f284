"""torch's convolutions and fully connected layers, whose modules say what an operator does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workloads.importers.torch.dispatch import rows_of
from workloads.importers.torch.products import ConvolutionCall, MatrixCall, Product
from workloads.layer import Pads


def is_layer(torch: Any, module: Any) -> bool:
    """Whether a module is a convolution, transposed or not, or a fully connected layer, quantized ones too."""
    # Quantized modules are of a class of their own, which torch will drop.
    quantized = any(one.__name__ == "WeightedQuantizedModule" for one in type(module).__mro__)
    return quantized or isinstance(module, (torch.nn.modules.conv._ConvNd, torch.nn.Linear))  # noqa: SLF001 (no public base)


def as_called(product: Product, given: Any, made: Any) -> Product | None:
    """The only product of a layer's call as the module's: with the axes of its input and its padding.

    given, made  the tensors that the module read and gave
    None where the module does more around the product than those say.
    """
    call = product.call
    if isinstance(call, MatrixCall):
        rows = None if any(product.arguments) else rows_of(call, tuple(given.shape))
        if rows is None or made.numel() != len(call.inputs) * call.weights.shape[1]:
            return None
        joined = replace(call, rows=rows)
        return replace(product, make=joined.layers, operator="layer", call=joined)
    if isinstance(call, ConvolutionCall):
        # torch lets an input lack its batch axis, and pads it unevenly before the operator.
        images = len(given) if given.ndim == product.axes + 2 else 1
        fits = (images, given.shape[-product.axes - 1]) == call.inputs.shape[:2] and made.ndim == given.ndim
        return replace(product, make=call.layers, call=call) if fits else None
    return None


def same_padding(module: Any) -> Pads | None:
    """(before, after) of each axis where a convolution pads to keep its input's size; None: it pads otherwise."""
    if getattr(module, "padding", None) != "same" or module.padding_mode != "zeros":
        return None
    # torch keeps (left, right, top, bottom), which gives (top, bottom), (left, right): the last axis comes first.
    flat = module._reversed_padding_repeated_twice  # noqa: SLF001 (the only place where 'same' is resolved)
    return tuple((flat[i], flat[i + 1]) for i in range(len(flat) - 2, -2, -2))
