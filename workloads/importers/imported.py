"""What every importer takes and gives: `ImportOptions` in, `Imported` out; and how a missing library is reported."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from workloads.errors import InputError, listed
from workloads.graph import Graph
from workloads.layer import Layer
from workloads.source import Drawn, DrawnBatch, LayerSource, RepeatedImages, RepeatedProducts, Stream, TensorSource
from workloads.transposed import Form, Transposed, TransposedPart
from workloads.transposed_tensors import PartTensor, redrawn
from workloads.workload import Workload


@dataclass(frozen=True)
class ImportOptions:
    """What a user may say about a file besides its path.

    inputs           pictures, folders of them, or npz and npy files with a model's inputs; the activations are those
                     they give. Several samples of one (pictures of a folder, along an array's first axis) are inputs.
    samples          how many of the samples are run, from the first on; None: all
    mean, std        per channel, subtracted from and dividing a picture's values in [0, 1]
    layout           of a picture in the model's input: "NCHW", "NHWC", or empty: told from the input's shape
    sizes            dynamic sizes: by the name of a dimension, or a whole shape by the name of an input
    base             whose shapes, activations and order a file of weights alone takes
    transposed       how transposed convolutions become convolutions (`workloads.transposed`)
    fold_batch_norm  multiply the scale of a batch normalization into the weights before it, and count zeros then
    """

    inputs: tuple[Path, ...] = ()
    samples: int | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: str = ""
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    base: Workload | None = None
    fold_batch_norm: bool = False
    transposed: Form = "stretched"


@dataclass(frozen=True)
class Omitted:
    """Operators of a model that are not simulated: how many, and what is assumed for them.

    refused  they hold products, so that the model has more work than is simulated; `reason` says why
    """

    operator: str
    count: int
    reason: str
    refused: bool = False


@dataclass(frozen=True)
class Imported:
    """A workload and what the file held besides. `warnings` are single lines a user must know."""

    workload: Workload
    omitted: tuple[Omitted, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Made:
    """A tensor that a function makes whenever it is asked for, from the files of its workload and nothing else."""

    make: Callable[[], np.ndarray]

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        del shape, stream
        return self.make()


@dataclass(frozen=True)
class FoundLayer:
    """A layer of a model with its tensors; `activations` is None where no input was given.

    Where a model ran on several inputs, `layer.batch` counts the images of all of them, and so do the activations;
    those that are kept on disk are `Made`.

    output_density    share of non-zeros in what the layer's outputs become before they are stored, where known
    output_densities  the same of each input
    """

    layer: Layer
    weights: TensorSource
    activations: np.ndarray | Made | None = None
    output_density: float = 1.0
    relu_input: bool | None = None  # see `LayerSource`
    output_densities: tuple[float, ...] = ()
    unknown: TensorSource = Drawn(1.0)  # noqa: RUF009 (frozen) what stands for activations without an input
    stored: bool = True  # False: another product is added to its outputs before they are stored

    def by_image(self) -> np.ndarray:
        """The activations with their images along the first axis."""
        held = self.activations
        assert isinstance(held, np.ndarray)  # noqa: S101 (callers have looked)
        # Those of a product of two activations lie among the channels, image after image.
        return held[0] if self.layer.moving_weights else held


DENSE_INPUTS = "no input was given: activations are taken as dense"
# Why operators with products are refused.
NO_MATRIX = "its constant side is no matrix but a vector or a stack of matrices"
RECURRENT = "recurrent, and of a kind that is not taken apart into its products"
STEPS = "the steps of recurrent layers are positions here, as if all were known at once"


def workload_of(
    name: str,
    found: Iterable[FoundLayer],
    origin: str,
    omitted: Iterable[Omitted],
    drawn: tuple[Graph | None, tuple[str, ...]] = (None, ()),
    inputs: int = 1,
) -> Workload:
    """The workload of a model's layers, which ran on so many inputs; its title says what was left out.

    drawn  its graph, and notes about that
    """
    layers, omitted = list(found), list(omitted)
    if not layers:
        why = [f"{one.count} {one.operator} ({one.reason})" for one in omitted if one.refused]
        raise InputError(
            f"{origin}: holds no convolution, fully connected layer or product with constant weights"
            f"{'; ' if why else ''}{listed(why)}"
        )
    sources = tuple(_source(i, one, origin, inputs) for i, one in enumerate(layers))
    title = f"imported from {Path(origin).name}"
    # The title goes into reports, so that a speedup on dense activations is seen as one.
    if all(one.activations is None for one in layers):
        title += ", activations taken as dense"
    refused = [f"{one.count} {one.operator}" for one in omitted if one.refused]
    if refused:
        title += f", refused: {', '.join(refused)}"
    graph, notes = drawn
    return Workload(name, sources, title=title, origin=origin, notes=(*notes, *_taken_as_dense(layers)), graph=graph)


def _source(index: int, found: FoundLayer, origin: str, inputs: int) -> LayerSource:
    # Where the model ran, the layer has the images of all inputs.
    layer = found.layer if found.activations is None else found.layer.with_batch(found.layer.images // inputs)
    # Densities 0.2 and 0.3 of two inputs of three images are 0.2 0.2 0.2 0.3 0.3 0.3, image by image.
    densities = tuple(density for density in found.output_densities for _ in range(layer.images))
    return LayerSource(
        index, layer, *_tensors(found, inputs), found.output_density, origin, relu_input=found.relu_input,
        image_output_densities=densities if inputs > 1 else (),
    )  # fmt: skip


def _tensors(found: FoundLayer, inputs: int) -> tuple[TensorSource, TensorSource]:
    """Weights and activations."""
    held = found.activations
    if held is None:
        # A constant is the same for every input; without any run there is one.
        return found.weights, found.unknown if inputs == 1 else redrawn(found.unknown, DrawnBatch(1.0))
    made = held if isinstance(held, Made) else Made(lambda: held)
    # Activations are there for the images that the model ran on; batches of another size take them in turn.
    if found.layer.moving_weights:
        return RepeatedProducts.of(found.layer, found.weights, made)
    return found.weights, RepeatedImages(made, found.layer.batch)


def shares_by_input(nonzero: np.ndarray, inputs: int) -> tuple[float, ...]:
    """Share of True in each input's part of an array (inputs N, ...)."""
    return tuple(int(np.count_nonzero(part)) / part.size for part in np.split(nonzero, inputs))


def _taken_as_dense(layers: Iterable[FoundLayer]) -> tuple[str, ...]:
    dense = [one.layer.name for one in layers if one.layer.moving_weights and one.activations is None]
    return (f"both activations of {listed(dense)} are taken as dense: no input was given",) if dense else ()


_NO_PRODUCTS = "no products of weights: taken as done on the way, without cycles or transfers"


def omitted_operators(seen: Iterable[tuple[str, str]]) -> tuple[Omitted, ...]:
    """Operators with a reason to refuse each (empty: they hold no products), counted, in order of first appearance."""
    # A Counter keeps the order of first appearance.
    counts = Counter(seen)
    return tuple(
        Omitted(operator, count, f"refused: {reason}" if reason else _NO_PRODUCTS, bool(reason))
        for (operator, reason), count in counts.items()
    )


def require(module: str, extra: str, what: str) -> ModuleType:
    """A library that only one importer needs. Raises `InputError` that says what to install when it is missing."""
    try:
        return import_module(module)
    except ImportError:
        raise InputError(
            f"{what} need{'' if what.endswith('s') else 's'} the Python package '{module.partition('.')[0]}': "
            f"pip install 'prunesim[{extra}]'"
        ) from None


def numbers(array: np.ndarray) -> np.ndarray:
    """An array in a type that traces hold: narrow floats become float32."""
    # bfloat16 and the floats of 8 bits come as types that numpy itself does not know.
    return array if array.dtype.kind in "biuf" else array.astype(np.float32)


def less_zero_point(array: np.ndarray, zero_point: Any, axis: int = 0) -> np.ndarray:
    """Quantized integers less their zero point (one number, or one for each place along an axis).

    The type is the narrowest of int16 and int32 that holds every difference; 0 stands for the real number 0.
    """
    # Zero points of 64 output channels become (64, 1, 1, 1) along axis 0, so that each is taken off its own filter.
    points = np.asarray(zero_point).astype(np.int64)
    if points.size > 1:
        points = points.reshape([-1 if place == axis else 1 for place in range(array.ndim)])
    # Two values of 8 bits differ by at most 255, which needs 9 bits with a sign.
    # An int8 of -128 less a zero point of 127 is -255.
    wide = np.int16 if array.dtype.itemsize == 1 else np.int32
    # A zero point of 0 changes nothing, and the array keeps its narrow type.
    return (array.astype(wide) - points.astype(wide)) if points.any() else array


def transposed_layers(
    whole: Transposed,
    form: Form,
    weights: Callable[[], np.ndarray],
    activations: np.ndarray | None,
    output_density: float = 1.0,
) -> list[FoundLayer]:
    """The convolutions of a transposed one; `weights` makes (C, K/G, [T,] R, S), `activations` are its map."""

    def found(part: TransposedPart) -> FoundLayer:
        held = None if activations is None else part.activations(activations.reshape(_map_shape(whole)))
        own = Made(lambda: part.weights(weights().reshape(_kernel_shape(whole))))
        # Inserted zeros are there whatever the map holds.
        return FoundLayer(part.layer, own, held, output_density, unknown=PartTensor(Drawn(1.0), part, "activations"))

    return [found(part) for part in whole.parts(form)]


def parts_of(found: Sequence[FoundLayer]) -> list[TransposedPart]:
    """What the layers of a transposed convolution are of it."""
    return [one.unknown.part for one in found if isinstance(one.unknown, PartTensor)]


def _map_shape(whole: Transposed) -> tuple[int, ...]:
    return (whole.batch, whole.in_channels, *whole.input_size)


def _kernel_shape(whole: Transposed) -> tuple[int, ...]:
    return (whole.in_channels, whole.out_channels // whole.groups, *whole.kernel_size)


def product_layer(name: str, rows: tuple[int, ...], in_features: int, out_features: int) -> Layer:
    """The layer of a matrix product: inputs (*rows, in_features), weights (in_features, out_features).

    The first of several axes of rows is the batch; the others are positions of a 1x1 convolution over (1, positions),
    which all meet the same weights. With the batch alone it is a fully connected layer.
    """
    # Rows (8, 196) with 768 features are 8 images of 196 positions; rows (8,) are a batch of 8 for a fully connected
    # layer.
    batch = rows[0] if rows else 1
    positions = math.prod(rows[1:])
    if positions == 1:
        return Layer.dense(name, in_features=in_features, out_features=out_features, batch=batch)
    return Layer.conv(
        name, in_channels=in_features, out_channels=out_features, input_size=(1, positions), kernel_size=1, batch=batch
    )


def product_activations(layer: Layer, inputs: np.ndarray) -> np.ndarray:
    """Inputs (*rows, in_features) of a matrix product as its layer's activations (N, C, 1, positions)."""
    # (N, positions, C) becomes (N, C, positions), and then the map of one row that the layer has.
    rows = inputs.reshape(layer.batch, -1, layer.in_channels)
    return np.ascontiguousarray(rows.transpose(0, 2, 1)).reshape(layer.input_shape)
