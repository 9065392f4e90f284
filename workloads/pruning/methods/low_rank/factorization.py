"""The two factors of a convolution: their layers, their weights by truncated SVD, and the energy of a rank."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.layer import Layer
from workloads.source import LayerSource, Stream

SCHEMES = ("spatial", "channel")
PARTS = ("vertical", "horizontal", "reduce", "restore")  # last parts of the names of factors


def factor_layers(layer: Layer, scheme: str, rank: int) -> tuple[Layer, Layer]:
    """The layers that replace a layer.

    spatial   kernel (kh, 1) with the vertical stride, padding and dilation, then (1, kw) with the horizontal ones. An
              output of the pair meets the same inputs as an output of the layer.
    channel   the layer with `rank` filters, then 1x1 kernels.
    """
    axes, out = layer.axes, layer.out_channels
    pointwise = replace(
        layer,
        in_channels=rank,
        input_size=layer.output_size,
        kernel_size=(1,) * axes,
        stride=(1,) * axes,
        padding=((0, 0),) * axes,
        dilation=(1,) * axes,
    )
    if scheme == "channel":
        return (
            replace(layer, name=f"{layer.name}.reduce", out_channels=rank),
            replace(pointwise, name=f"{layer.name}.restore"),
        )
    # The first factor runs along the rows (axis 0) with the layer's own vertical geometry, the second along the
    # columns.
    columns = dict(zip(("kernel_size", "stride", "padding", "dilation"), _one_axis(layer, 1), strict=True))
    rows = dict(zip(columns, _one_axis(layer, 0), strict=True))
    # Example: 64 to 64 channels, 3x3, stride 2, on a map of 14 x 14, at rank 48: kernels 3x1 with stride (2, 1) make 48
    # maps of 7 x 14, kernels 1x3 with stride (1, 2) then 64 maps of 7 x 7.
    vertical = replace(layer, name=f"{layer.name}.vertical", out_channels=rank, **rows)
    horizontal = replace(
        pointwise, name=f"{layer.name}.horizontal", out_channels=out, input_size=vertical.output_size, **columns
    )
    return vertical, horizontal


def _one_axis(layer: Layer, axis: int) -> tuple[tuple[Any, ...], ...]:
    """Kernel, stride, padding and dilation of a 2-D layer along one axis, nothing along the other."""
    both = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    # Kernel 1, stride 1, no padding, dilation 1: an axis with these is passed through as it is.
    neutral = (1, 1, (0, 0), 1)
    return tuple(
        tuple(values[axis] if place == axis else idle for place in range(2))
        for values, idle in zip(both, neutral, strict=True)
    )


def truncated_svd(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Left (m, rank) and right (rank, n) whose product is the best approximation; singular values halved between them.

    From the eigenvectors of the smaller Gram matrix, several times as fast as a general routine. What that costs in
    precision concerns singular values below 1e-8 of the largest, beyond the precision of float32 weights.
    """
    # The factors of a transposed matrix are the transposed factors, in the other order.
    if matrix.shape[0] < matrix.shape[1]:
        right, left = truncated_svd(matrix.T, rank)
        return left.T, right.T
    # `eigh` gives eigenvalues that rise; reversed, the first columns belong to the largest singular values.
    vectors = np.linalg.eigh(_gram(matrix))[1][:, ::-1][:, :rank]
    images = matrix @ vectors  # columns are the left vectors times their singular values
    values = np.linalg.norm(images, axis=0)
    # An image is a left vector times its singular value s; over sqrt(s) it is the left vector times sqrt(s). A singular
    # value of 0 has the image 0, which is divided by 1.
    root = np.sqrt(values)
    left = images / np.where(root > 0, root, 1)
    return left, root[:, np.newaxis] * vectors.T


def _gram(matrix: np.ndarray) -> np.ndarray:
    """Of the shorter side."""
    return matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T


@dataclass(frozen=True)
class Factorization:
    """A layer's weights as a matrix, and the factors of its truncated SVD.

    spatial   (C·kh, N·kw): row and column position of a kernel stand on different sides
    channel   (C·X, N)
    The factors of the last seed are kept, so that one decomposition serves both layers.
    """

    source: LayerSource
    scheme: str
    rank: int = 1
    _found: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def full_rank(self) -> int:
        """Rank at which the factors equal the weights."""
        filters, channels, *kernel = self.source.layer.weight_shape
        if self.scheme == "spatial":
            return min(channels * kernel[0], filters * kernel[1])
        return min(channels * int(np.prod(kernel)), filters)

    def matrix(self, weights: np.ndarray) -> np.ndarray:
        """The weights (N, C, [T,] R, S) as that matrix."""
        filters, channels, *kernel = weights.shape
        if self.scheme == "spatial":
            # (N, C, R, S) as (C, R, N, S): row (c, r), column (n, s). A rank is then one vertical filter and a
            # horizontal kernel for each output channel.
            return weights.transpose(1, 2, 0, 3).reshape(channels * kernel[0], filters * kernel[1])
        return weights.reshape(filters, -1).T

    @property
    def first(self) -> Factor:
        """Weights of the first layer."""
        return Factor(self, 0)

    @property
    def second(self) -> Factor:
        """Weights of the second layer."""
        return Factor(self, 1)

    def factors(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights of both layers: values where the layer's are, else dense masks."""
        if seed not in self._found:
            # One seed at a time is asked for, by both factors in turn.
            self._found.clear()
            self._found[seed] = self._factors(self.source.weight_array(seed))
        return self._found[seed]

    def _factors(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shapes = [layer.weight_shape for layer in factor_layers(self.source.layer, self.scheme, self.rank)]
        if weights.dtype == np.bool_:
            return np.ones(shapes[0], np.bool_), np.ones(shapes[1], np.bool_)
        left, right = truncated_svd(self.matrix(weights).astype(np.float64), self.rank)
        # The decomposition runs in float64; factors take the precision that the weights have.
        kept = np.float64 if weights.dtype == np.float64 else np.float32
        # Left is (C·kh, R), or (C·X, R) over channels: transposed it holds one filter a rank, as the first layer's
        # weights do.
        first, second = left.T.astype(kept).reshape(shapes[0]), right.astype(kept)
        if self.scheme == "spatial":
            filters, _, _, width = shapes[1]
            # Right (R, N·kw) as (R, N, 1, kw), and then filters before channels, the ranks being the second layer's
            # channels.
            return first, second.reshape(self.rank, filters, 1, width).swapaxes(0, 1)
        return first, second.T.reshape(shapes[1])

    def rank_for_energy(self, subject: str, energy: float) -> int:
        """The smallest rank that keeps this share of the sum of squares. Raises `InputError` for a mask."""
        weights = self.source.weight_array(0)  # values do not depend on a seed
        if weights.dtype == np.bool_:
            raise InputError(
                f"{subject}: energy = {energy}: layer '{self.source.layer.name}' is known as a mask only; give ratio"
            )
        # Eigenvalues of the Gram matrix are squares of singular values; rounding may leave some that should be 0 below
        # it.
        total = np.cumsum(np.maximum(np.linalg.eigvalsh(_gram(self.matrix(weights).astype(np.float64)))[::-1], 0))
        # The tolerance keeps energy = 1 from counting ranks that hold rounding errors alone; it is far below any share
        # asked for.
        reached = total >= energy * total[-1] * (1 - 1e-12)
        return int(np.argmax(reached)) + 1


@dataclass(frozen=True)
class Factor:
    """Weights of one of the two layers; `place` 0 or 1."""

    factorization: Factorization
    place: int

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        return self.factorization.factors(stream.seed)[self.place].reshape(shape)
