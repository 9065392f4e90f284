"""Products of a PyTorch model as layers, from the tensors that its operators read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import (
    FoundLayer,
    Made,
    product_activations,
    product_layer,
    transposed_layers,
)
from workloads.importers.moving_products import MovingProduct
from workloads.layer import Layer, Pads
from workloads.transposed import Form, Transposed

Maker = Callable[[str], list[FoundLayer]]


@dataclass(frozen=True)
class Product:
    """A product that an operator is about to make.

    make       makes its layers under a name
    operator   what the graph has it as: "layer", "transposed" or "product" (see `Step`)
    axes       that its kernels move along; 0 of a matrix product
    sides      the tensors that are no constants, activations first
    added      what the operator adds to the product, if anything
    arguments  of a matrix product: whether the activations stand on the right, and are read turned
    call       the arrays of a convolution or of a product with a constant matrix, which a module says more about
    take       takes what the operator has made, where its layers depend on that
    """

    make: Maker
    operator: str
    axes: int
    sides: tuple[Any, ...]
    added: tuple[Any, ...] = ()
    arguments: tuple[Any, ...] = ()
    call: ConvolutionCall | MatrixCall | None = None
    take: Callable[[Any], None] | None = None


@dataclass(frozen=True, eq=False)
class MatrixCall:
    """A product of activations (M, K) with a constant matrix (K, N)."""

    inputs: np.ndarray
    weights: np.ndarray
    # Functions have joined all axes before the last one: rows of all images are positions of one.
    rows: tuple[int, ...] = ()

    def layers(self, name: str) -> list[FoundLayer]:
        """The layer under a name."""
        rows = self.rows or (1, len(self.inputs))
        layer = product_layer(name, rows, *self.weights.shape)
        made = np.ascontiguousarray(self.weights.T).reshape(layer.weight_shape)
        inputs = self.inputs.reshape(*rows, self.inputs.shape[-1])
        return [FoundLayer(layer, Made(lambda: made), product_activations(layer, inputs))]


def moving_layers(name: str, left: np.ndarray, right: np.ndarray, images: int) -> list[FoundLayer]:
    """The layer of a product of two activations, ([B,] M, K) by ([B,] K, N); `images` is the model's batch."""
    try:
        return [MovingProduct.of(name, left.shape, right.shape, images).found(left[np.newaxis], right[np.newaxis])]
    except InputError as error:
        raise InputError(f"PyTorch product {error}") from None


@dataclass(frozen=True, eq=False)
class ConvolutionCall:
    """A convolution of a batch (N, C, [[D,] H,] W).

    weights  (K, C/G, [[T,] R,] S), of a transposed convolution (C, K/G, [[T,] R,] S)
    more     outputs that each axis of a transposed convolution has behind the usual ones
    form     None: it is not transposed
    """

    inputs: np.ndarray
    weights: np.ndarray
    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    groups: int
    more: tuple[int, ...] = ()
    form: Form | None = None

    def within(self, pads: Pads) -> ConvolutionCall:
        """The same with zeros taken off again that were put behind each axis, where `pads` says how many there were.

        torch pads a kernel of even length on one side before it convolves.
        """
        behind = [after - before for before, after in pads]
        if not any(behind) or tuple((before, before) for before, _ in pads) != self.pads:
            return self
        kept = tuple(slice(0, size - more) for size, more in zip(self.inputs.shape[2:], behind, strict=True))
        bare = self.inputs[(..., *kept)]
        whole = bare.shape[2:] == tuple(part.stop for part in kept)
        # Only zeros lie outside the map: as many non-zeros are left as there were.
        if not whole or np.count_nonzero(bare) != np.count_nonzero(self.inputs):
            return self
        return replace(self, inputs=bare, pads=pads)

    def layers(self, name: str) -> list[FoundLayer]:
        """The layers under a name; a 1-D convolution is a 2-D one over a single row."""
        row = self.weights.ndim == 3
        one, none = (1,) * row, (0,) * row
        sizes, kernel = one + self.inputs.shape[2:], one + self.weights.shape[2:]
        stride, dilation, pads = one + self.stride, one + self.dilation, ((0, 0),) * row + self.pads
        channels, batch = self.inputs.shape[1], len(self.inputs)
        try:
            if self.form is not None:
                filters = self.weights.shape[1] * self.groups
                more = none + self.more
                whole = Transposed(
                    name, channels, filters, sizes, kernel, stride, pads, more, dilation, self.groups, batch
                )
                return transposed_layers(whole, self.form, lambda: self.weights, self.inputs)
            layer = Layer(
                name=name,
                in_channels=channels,
                out_channels=len(self.weights),
                input_size=sizes,
                kernel_size=kernel,
                stride=stride,
                padding=pads,
                dilation=dilation,
                groups=self.groups,
                batch=batch,
            )
        except InputError as error:
            raise InputError(f"PyTorch convolution: {error}") from None
        weights = self.weights.reshape(layer.weight_shape)
        return [FoundLayer(layer, Made(lambda: weights), self.inputs.reshape(layer.input_shape))]

    @property
    def work(self) -> int:
        """0 where nothing is multiplied."""
        return math.prod(self.inputs.shape) * math.prod(self.weights.shape)
