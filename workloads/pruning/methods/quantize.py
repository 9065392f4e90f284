"""Quantization: weights (and activations) of few bits, on a uniform grid or from a codebook.

Codebooks by k-means as in Deep Compression (Han et al., ICLR 2016, section 3): one for each layer, centroids start
evenly between the smallest and the largest weight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from workloads.distinct_values import distinct_values
from workloads.errors import InputError
from workloads.layer import Layer
from workloads.options import choice, whole
from workloads.pruning.base import Facts, Pruning
from workloads.source import LayerSource, Stream, TensorSource, images_held

_ROUNDS = 500  # of k-means; it ends earlier once no boundary moves
_CODEBOOK_BITS = 12  # of an index into a codebook; published ones have 4 to 8


def to_grid(values: np.ndarray, bits: int) -> np.ndarray:
    """Values on the grid of whole multiples of max |value| / (2^(bits-1) - 1); a non-zero stays one (at least a step).

    Returns float32 (float64 for float64) of the same shape.
    """
    real = values.astype(np.float64 if values.dtype == np.float64 else np.float32)
    top = np.abs(real).max(initial=0.0)
    if top == 0:
        return real
    # 4 bits: 7 steps on each side of zero, 15 values with it.
    step = top / ((1 << (bits - 1)) - 1)
    codes = np.rint(real / step)
    # 3 bits and a largest value of 0.9: the step is 0.3, and 0.1 would round to 0. It becomes 0.3: quantization prunes
    # nothing.
    codes = np.where((codes == 0) & (real != 0), np.sign(real), codes)
    return (codes * step).astype(real.dtype)


def codebook(nonzeros: np.ndarray, bits: int) -> np.ndarray:
    """Sorted centroids, at most 2^bits, of k-means over values (n,) without zeros; float64.

    Lloyd's rounds over the sorted values: a cluster is a run of them, its mean a difference of sums. A centroid without
    values is dropped.
    """
    # With one dimension the nearest centroid splits the sorted values into runs, so that no distances are needed.
    ordered = np.sort(nonzeros)
    # Of float64, since a cluster's sum is a difference of two long sums, which float32 would not resolve.
    sums = np.concatenate([[0.0], np.cumsum(ordered, dtype=np.float64)])
    centres = np.linspace(ordered[0], ordered[-1], 1 << bits)
    bounds = np.empty(0, np.int64)
    # Example, 1 bit: values 1 2 9 10 begin with the centres 1 and 10, part at 5.5, and have the means 1.5 and 9.5;
    # these part at 5.5 again, which ends it.
    for _ in range(_ROUNDS):
        # Of sorted values a cluster ends halfway to the next centroid, so that a binary search finds every end.
        cuts = np.searchsorted(ordered, ((centres[1:] + centres[:-1]) / 2).astype(ordered.dtype))
        # Equal edges enclose no value; with them goes the centroid that has none.
        edges = np.unique(np.concatenate([[0], cuts, [ordered.size]]))
        # The same clusters have the same means: nothing can change any more.
        if np.array_equal(edges, bounds):
            break
        bounds = edges
        centres = (sums[edges[1:]] - sums[edges[:-1]]) / np.diff(edges)
    return centres


def to_codebook(values: np.ndarray, bits: int) -> np.ndarray:
    """Values replaced by the nearest centroid of their codebook; zeros stay zeros, non-zeros non-zeros."""
    real = values.astype(np.float64 if values.dtype == np.float64 else np.float32)
    nonzero = real != 0
    if not nonzero.any():
        return real
    centres = codebook(real[nonzero], bits)
    # A cluster of -1 and 1 has the mean 0, which would prune its weights: the smallest normal float32 stands in.
    centres[centres == 0] = np.finfo(np.float32).tiny
    result = real.copy()
    bounds = ((centres[1:] + centres[:-1]) / 2).astype(real.dtype)
    # `searchsorted` among the halfway points is the number of the nearest centroid.
    result[nonzero] = centres[np.searchsorted(bounds, real[nonzero])]
    return result


@dataclass(frozen=True)
class Quantize(Pruning):
    """Weights take at most 2^bits values a layer; none is pruned, and none becomes zero.

    method=uniform: whole multiples of one step, 2^bits - 1 values symmetric about zero. method=codebook: k-means.
    Where only a mask is known, its weights are drawn from a normal distribution by the seed and quantized alike, so
    that machines that add equal weights' activations first find distinct values.
    activation_bits quantizes activations whose values are known, uniformly; 0 leaves them. Masks stay masks there.
    """

    name: ClassVar[str] = "quantize"
    title: ClassVar[str] = "gives weights few values, on a grid or from a codebook; removes none"
    examples: ClassVar[tuple[str, ...]] = ("bits=4", "bits=4,method=codebook")
    literature: ClassVar[str] = (
        "codebooks of 8 bits in convolutions and 5 in fully connected layers (Han et al., ICLR 2016), "
        "4 bits in EIE (ISCA 2016)"
    )

    bits: int = whole("bits of a weight", 1, 16, 8)
    method: str = choice("where the values lie", "uniform", "codebook")
    activation_bits: int = whole("bits of an activation, 0: as they are", 0, 16, 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method == "uniform" and self.bits == 1:
            raise InputError(f"{self.subject}: bits = 1: method = uniform needs at least 2")
        if self.method == "codebook" and self.bits > _CODEBOOK_BITS:
            raise InputError(f"{self.subject}: bits = {self.bits}: method = codebook takes at most {_CODEBOOK_BITS}")
        if self.activation_bits == 1:
            raise InputError(f"{self.subject}: activation_bits = 1: must be 0 or at least 2")

    @property
    def value_bits(self) -> int:
        """See `Pruning`."""
        return self.bits

    @property
    def codebook_bits(self) -> int:
        """Bits of a layer's codebook, its values having 16 bits (assumption); 0 on a uniform grid."""
        # 16 bits for each of 2^bits values: 4 bits make 256 bits, 32 bytes.
        return 16 << self.bits if self.method == "codebook" else 0

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        del layer, rng
        return weights != 0

    def pruned(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The weights with their new values, float32 (float64 for float64)."""
        del layer
        if weights.dtype == np.bool_:
            drawn = rng.standard_normal(weights.shape, np.float32)
            # A draw of exactly 0 is rare, but it would lose a weight that the mask has.
            drawn[drawn == 0] = 1
            weights = drawn * weights
        return to_grid(weights, self.bits) if self.method == "uniform" else to_codebook(weights, self.bits)

    def apply(self, sources: tuple[LayerSource, ...]) -> tuple[LayerSource, ...]:
        """See `Pruning`; the new values take the place of a codebook that the layers had."""
        # A count of values that the layer was told to have no longer holds.
        sources = tuple(replace(source, codebook_values=None) for source in super().apply(sources))
        if not self.activation_bits:
            return sources
        return tuple(
            replace(source, activations=QuantizedActivations(source.activations, self.activation_bits))
            for source in sources
        )

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """Distinct non-zero values of the layer and of its filters on average."""
        del layer
        values = np.unique(weights)
        return {
            "bits": self.bits,
            "codebook_bits": self.codebook_bits,
            "values": int(np.count_nonzero(values)),
            "mean_values_in_a_filter": float(distinct_values(weights).mean()),
        }


@dataclass(frozen=True)
class QuantizedActivations:
    """Activations on a uniform grid; a mask stays a mask."""

    activations: TensorSource
    bits: int

    @property
    def images_held(self) -> int | None:
        """See `ImageSource`."""
        return images_held(self.activations)

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        activations = self.activations.array(shape, stream)
        return activations if activations.dtype == np.bool_ else to_grid(activations, self.bits)
