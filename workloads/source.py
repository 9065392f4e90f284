"""Where a layer's tensors come from: drawn from a seed, or held in a file or an array.

A `TensorSource` gives an array when it is asked and keeps nothing, so that a workload needs memory for one layer at a
time. Random streams depend on (seed, index of the layer in its network, tensor, step) alone: names never matter, and
layers added at the end change nothing before them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Protocol, Self, runtime_checkable

import numpy as np

from workloads.errors import InputError
from workloads.layer import Layer
from workloads.limits import naming_shortage, require_size
from workloads.masks.synthetic import UNIFORM, Pattern
from workloads.trace import LayerTrace

SECOND_HALF = 1 << 20  # added to a layer's index for its second factor, so that no other layer's draws change


@dataclass(frozen=True, slots=True)
class Stream:
    """The address of a stream of random numbers; of activations also where in their images the batch begins.

    first_image  which of the images that the activations hold comes first: in batches of 4, input 2 begins with image 8
    """

    seed: int
    key: tuple[int, ...]
    first_image: int = 0

    def child(self, step: int) -> Self:
        """The stream of one step (an image of a batch, a pruning) under this address."""
        return replace(self, key=(*self.key, step))

    def rng(self) -> np.random.Generator:
        """A fresh generator that starts at the beginning of the stream."""
        # The key is mixed into the seed as a whole, so that neighbouring addresses give unrelated streams.
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=self.key))


class TensorSource(Protocol):
    """Something that gives a tensor: bool for a mask, any other type for values."""

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """The tensor in that shape."""
        ...


@runtime_checkable
class PickedImages(TensorSource, Protocol):
    """Stored images of which some can be had without the memory of all."""

    def picked(self, shape: tuple[int, ...], places: np.ndarray) -> np.ndarray:
        """The images at those places of a tensor (images, C, [D,] H, W) of that shape."""
        ...


@runtime_checkable
class ImageSource(TensorSource, Protocol):
    """Activations of several images, of which `Stream.first_image` names the first one that is asked for."""

    @property
    def images_held(self) -> int | None:
        """How many different images there are; None: as many as asked for."""
        ...


def images_held(activations: TensorSource) -> int | None:
    """How many different images activations hold: one, where their source knows of no others; None: any number."""
    return activations.images_held if isinstance(activations, ImageSource) else 1


@dataclass(frozen=True)
class Drawn:
    """A mask with round(density x elements) non-zeros, drawn by a pattern."""

    density: float = 1.0
    pattern: Pattern = UNIFORM

    def __post_init__(self) -> None:
        # Asked this way round, so that NaN is refused as well.
        if not 0.0 <= self.density <= 1.0:
            raise InputError(f"density = {self.density}: must lie between 0 and 1")

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        # As an exact count, not as a chance for each element: densities of layers are then what was asked for.
        size = int(np.prod(shape, dtype=np.int64))
        return self.pattern.draw(stream.child(0).rng(), shape, round(self.density * size))


@dataclass(frozen=True)
class DrawnBatch:
    """Activations (N, C, [D,] H, W): a fresh draw for every image, each with the exact count of non-zeros."""

    density: float = 1.0
    pattern: Pattern = UNIFORM

    @property
    def images_held(self) -> int | None:
        """See `ImageSource`."""
        return None

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        batch = np.empty(shape, np.bool_)
        # Each image has a stream of its own, so that the first ones stay what they were when the batch grows.
        for image, mask in enumerate(batch, stream.first_image):
            mask[...] = Drawn(self.density, self.pattern).array(shape[1:], stream.child(image))
        return batch


@dataclass(frozen=True)
class RepeatedImages:
    """Activations known for some images only: batches take them in turn, and over again after the last one."""

    images: TensorSource
    stored: int = 1

    @property
    def images_held(self) -> int:
        """See `ImageSource`."""
        return self.stored

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`; `images` is asked for (stored, C, [D,] H, W)."""
        whole = (self.stored, *shape[1:])
        # 5 of 2 stored images are 0 1 0 1 0. Of 4, the input 1 of batches of 3 is 3 0 1.
        places = (stream.first_image + np.arange(shape[0])) % self.stored
        if np.array_equal(places, np.arange(self.stored)):
            return self.images.array(whole, stream)
        images = self.images
        return images.picked(whole, places) if isinstance(images, PickedImages) else images.array(whole, stream)[places]


@dataclass(frozen=True)
class OneImage:
    """Activations (1, C, [D,] H, W) of an image that is stored without a batch axis."""

    image: TensorSource

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        return self.image.array(shape[1:], stream)[np.newaxis]


@dataclass(frozen=True)
class RepeatedProducts:
    """One side of a product of two activations, known for some images only: more images repeat them in turn.

    tensor  gives the side for the images that are known, which lie one after the other along an axis
    stored  how many those are
    axis    0 of weights (images·heads·columns, depth, 1, 1), 1 of activations (1, images·heads·depth, 1, rows)
    places  along the axis that an image takes
    """

    tensor: TensorSource
    stored: int
    axis: int
    places: int

    @classmethod
    def of(cls, layer: Layer, weights: TensorSource, activations: TensorSource) -> tuple[Self, Self]:
        """Both sides of a layer, which are known for as many images as the layer has."""
        images = layer.moving_images
        return (
            cls(weights, images, 0, layer.out_channels // images),
            cls(activations, images, 1, layer.in_channels // images),
        )

    @property
    def images_held(self) -> int:
        """See `ImageSource`."""
        return self.stored

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        axis, images = self.axis, shape[self.axis] // self.places
        known = self.tensor.array(
            (*shape[:axis], self.stored * self.places, *shape[axis + 1 :]), replace(stream, first_image=0)
        )
        # As in `RepeatedImages`: of 4 stored images, the input 1 of batches of 3 is 3 0 1.
        places = (stream.first_image + np.arange(images)) % self.stored
        if np.array_equal(places, np.arange(self.stored)):
            return known
        apart = known.reshape(*shape[:axis], self.stored, self.places, *shape[axis + 1 :])
        return apart.take(places, axis).reshape(shape)


@dataclass(frozen=True)
class LayerSource:
    """A layer and where its tensors come from.

    index          its place in the whole network
    origin         for readers alone: layers from equal content are equal, wherever they come from
    input_in_dram  see `LayerTrace`; None: where it is the network's first layer. An excerpt of a network says False.
    relu_input     whether a ReLU wrote the input, so that it holds zeros; None: see `reads_relu`. Of a product of two
                   activations it speaks of both sides
    codebook_values  see `LayerTrace`
    image_output_densities  `output_density` of each stored image, where they differ; empty: it is that of all images
    """

    index: int
    layer: Layer
    weights: TensorSource
    activations: TensorSource
    output_density: float = 1.0
    origin: str = field(default="", compare=False)
    input_in_dram: bool | None = None
    relu_input: bool | None = None
    codebook_values: int | None = None
    image_output_densities: tuple[float, ...] = ()

    @property
    def inputs(self) -> int | None:
        """How many different inputs the activations hold; None: as many as asked for, since they are drawn."""
        # Both sides of a product of two activations hold images; those that are drawn hold any number of them.
        sides = [self.activations, *([self.weights] if self.moving_weights else [])]
        known = [images_held(side) for side in sides if not (self.moving_weights and isinstance(side, Drawn))]
        held = min((images for images in known if images is not None), default=None)
        # 5 images in batches of 2 are two inputs: a third one would begin again. One image is an input of any batch.
        return None if held is None else max(held // self.layer.images, 1)

    @property
    def moving_weights(self) -> bool:
        """Whether the weights are activations, too (`Layer.moving_images`)."""
        return self.layer.moving_weights

    @property
    def place(self) -> int:
        """Of the layer in the network; both factors of a layer have the place of that layer."""
        return self.index % SECOND_HALF

    @property
    def reads_relu(self) -> bool:
        """Whether a ReLU wrote the input; where nothing is said, of every layer but the one that reads the image."""
        if self.relu_input is not None:
            return self.relu_input
        # What attention multiplies comes from linear layers and from softmax, which make no zeros.
        if self.moving_weights:
            return False
        return self.index > 0 or self.input_in_dram is False

    def weight_array(self, seed: int, first_image: int = 0) -> np.ndarray:
        """The layer's weights (K, C/G, [T,] R, S), made now; those of the batch from that image on if they move."""
        return self.weights.array(self.layer.weight_shape, self.weight_stream(seed, first_image))

    def weight_stream(self, seed: int, first_image: int = 0) -> Stream:
        """The stream that the layer's weights are drawn from; images matter to weights that move alone."""
        # Layer 3's weights have the key (3, 0) and its activations (3, 1); the draw of image 2 among those has (3, 1,
        # 2, 0). If its weights move, those of the input that begins with image 2 have (3, 0, 2).
        whole = Stream(seed, (self.index, 0))
        if not (self.moving_weights and first_image):
            return whole
        return replace(whole.child(first_image), first_image=first_image)

    def image_densities(self, first_image: int, images: int) -> list[float]:
        """Density of the stored outputs of so many images; empty where nothing tells them apart."""
        known = self.image_output_densities
        return [known[place % len(known)] for place in range(first_image, first_image + images)] if known else []

    def trace(self, seed: int, input: int = 0) -> LayerTrace:  # noqa: A002 (the field's word, and a report's)
        """The layer's trace on one of its inputs, made now.

        Input i of batches of N takes the images i N to i N + N - 1, so that constant weights and input 0 never change.
        """
        return self.trace_from(seed, input * self.layer.images)

    def trace_from(self, seed: int, first_image: int) -> LayerTrace:
        """The layer's trace on the batch that begins with that image, made now."""
        # Refused by size before anything is made. Outputs are counted too, since machines hold arrays of their size.
        shapes = {"weights": self.layer.weight_shape, "activations": self.layer.input_shape}
        for name, shape in (shapes | {"outputs": self.layer.output_shape}).items():
            require_size(f"layer '{self.layer.name}': {math.prod(shape)} {name}", shape)
        counts = " and ".join(f"{math.prod(shape)} {name}" for name, shape in shapes.items())
        with naming_shortage(f"layer '{self.layer.name}' with {counts}"):
            weights = self.weight_array(seed, first_image)
            stream = Stream(seed, (self.index, 1), first_image)
            activations = self.activations.array(self.layer.input_shape, stream)
            # The place in the whole network counts: of layers that were selected, the first one need not be the
            # network's.
            in_dram = self.index == 0 if self.input_in_dram is None else self.input_in_dram
            known = self.image_densities(first_image, self.layer.images)
            output_density = fmean(known) if known else self.output_density
            return LayerTrace(
                self.layer, weights, activations, output_density, in_dram, self.origin, self.codebook_values
            )


def output_densities(
    layers: Sequence[Layer], inputs: Sequence[float], known: Sequence[float | None]
) -> tuple[float, ...]:
    """Density of each layer's stored outputs.

    The known value; else the input density of the next layer where that layer has as many input channels as this one
    has output channels, so that it plainly follows; else 1.0.
    """
    densities = []
    for i, layer in enumerate(layers):
        value = known[i]
        if value is None:
            # A list of layers has no graph: equal numbers of channels are the sign that the next layer reads this one.
            follows = i + 1 < len(layers) and layers[i + 1].in_channels == layer.out_channels
            # 64 outputs before a layer of 64 inputs of density 0.4 are stored with 0.4; before one of 128, a join, with
            # 1.0.
            value = inputs[i + 1] if follows else 1.0
        densities.append(value)
    return tuple(densities)
