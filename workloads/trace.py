"""`LayerTrace`: a layer with its weights and its input activations, by value or as masks of the non-zeros."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from workloads.errors import InputError
from workloads.layer import Layer

_PACKED = 1 << 20  # elements packed at a time, whole bytes


def _frozen(array: np.ndarray) -> np.ndarray:
    # The view is read-only; an array that the caller keeps stays writable for the caller.
    # Kernels of machines are compiled for arrays in this order; one that is so already is not copied.
    array = np.ascontiguousarray(array)
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """What a machine sees of one layer.

    weights      (K, C/G, [T,] R, S); a bool array is a mask, any other type holds values
    activations  (N, C, [D,] H, W), before zero padding; likewise
    output_density   share of the outputs that will be non-zero once stored, in [0, 1]; machines that store outputs
                 compressed size their traffic by it. 1.0 where nothing is known.
    input_in_dram    True: the input is the network's own (the image), which every machine has to load. False, as for a
                 layer amid a network: the layer before made it, so that it lies where the machine keeps activations,
                 which is on the chip when its memory for them has room.
    codebook_values  how many values the layer's non-zero weights share, where it was quantized and only a mask of them
                 is known. None: nothing is said.

    Raises `InputError` when a shape does not match the layer, a value is not finite or a number lies out of its range.
    """

    layer: Layer
    weights: np.ndarray
    activations: np.ndarray
    output_density: float = 1.0
    input_in_dram: bool = False
    source: str = field(default="", compare=False)
    codebook_values: int | None = None

    def __post_init__(self) -> None:
        for name, array, shape in (
            ("weights", self.weights, self.layer.weight_shape),
            ("activations", self.activations, self.layer.input_shape),
        ):
            if array.shape != shape:
                raise InputError(f"layer '{self.layer.name}': {name} have shape {array.shape}, must be {shape}")
            # A NaN is not equal to zero and would pass as a non-zero weight.
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise InputError(f"layer '{self.layer.name}': {name} hold a value that is not finite")
            if array.dtype.kind not in "biuf":
                raise InputError(
                    f"layer '{self.layer.name}': {name} have type {array.dtype}, must be numbers or a mask"
                )
            object.__setattr__(self, name, _frozen(array))
        # Asked this way round, so that NaN is refused as well.
        if not 0.0 <= self.output_density <= 1.0:
            raise InputError(
                f"layer '{self.layer.name}': output_density = {self.output_density}, must lie between 0 and 1"
            )
        if self.codebook_values is not None and self.codebook_values < 1:
            raise InputError(f"layer '{self.layer.name}': codebook_values = {self.codebook_values}, must be at least 1")

    @property
    def moving_weights(self) -> bool:
        """Whether the weights are activations, too (`Layer.moving_images`)."""
        return self.layer.moving_weights

    @cached_property
    def weight_mask(self) -> np.ndarray:
        """Bool (K, C/G, [T,] R, S): where weights are not zero. No copy when the trace holds masks."""
        return self.weights if self.weights.dtype == np.bool_ else _frozen(self.weights != 0)

    @cached_property
    def activation_mask(self) -> np.ndarray:
        """Bool (N, C, [D,] H, W): where input activations are not zero. No copy when the trace holds masks."""
        return self.activations if self.activations.dtype == np.bool_ else _frozen(self.activations != 0)

    @cached_property
    def weight_nonzeros(self) -> int:
        """Non-zero weights."""
        return int(np.count_nonzero(self.weights))

    @cached_property
    def activation_nonzeros(self) -> int:
        """Non-zero input activations of the whole batch."""
        return int(np.count_nonzero(self.activations))

    @property
    def weight_density(self) -> float:
        """Non-zero weights / weights."""
        return self.weight_nonzeros / self.layer.weight_count

    @property
    def activation_density(self) -> float:
        """Non-zero input activations / input activations (padding does not count)."""
        return self.activation_nonzeros / self.layer.input_count

    @cached_property
    def digest(self) -> str:
        """SHA-256 of geometry, masks, output density, codebook size and where the input lies, not of names."""
        layer = self.layer
        digest = hashlib.sha256(
            repr(
                (
                    layer.in_channels,
                    layer.out_channels,
                    layer.input_size,
                    layer.kernel_size,
                    layer.stride,
                    layer.padding,
                    layer.dilation,
                    layer.groups,
                    layer.batch,
                    self.output_density,
                    self.input_in_dram,
                    self.codebook_values,
                    # Only where it says something, so that other layers keep the digests that they had.
                    *(["moving_weights"] if self.moving_weights else []),
                )
            ).encode()
        )
        # Eight elements a byte. Shapes stand in the digest before, so that the fill of the last byte can confuse
        # nothing.
        for mask in (self.weight_mask, self.activation_mask):
            flat = mask.reshape(-1)
            for start in range(0, flat.size, _PACKED):
                digest.update(np.packbits(flat[start : start + _PACKED]).data)
        return digest.hexdigest()
