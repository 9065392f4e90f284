"""Runs of a model on several inputs as one: layers that are the same in all of them, and activations kept on disk."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import FoundLayer, Made
from workloads.source import Stream

_STREAM = Stream(0, ())


class Runs:
    """The layers of one run after another. Of several runs one at a time is in memory.

    count  how many runs there are going to be
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._first: list[FoundLayer] = []
        self._shares: list[list[float]] = []
        self._sides: list[tuple[_Side, _Side]] = []

    def add(self, layers: Sequence[FoundLayer]) -> None:
        """A run's layers. Raises `InputError` where they are not those of the first."""
        number = len(self._shares)
        self._shares.append([_share(one) for one in layers])
        if self._count == 1:
            self._first = list(layers)
            return
        if number == 0:
            folder = _Folder()
            self._sides = [
                (_Side(folder, f"{i}_read", one.by_image().dtype), _Side(folder, f"{i}_weights", _weights(one).dtype))
                for i, one in enumerate(layers)
            ]
            self._first = [
                one if one.layer.moving_weights else replace(one, weights=_held(one), activations=None)
                for one in layers
            ]
        if [one.layer.name for one in layers] != [one.layer.name for one in self._first]:
            raise InputError(f"capture: input {number} runs through other layers than the first")
        for one, first, (read, weights) in zip(layers, self._first, self._sides, strict=True):
            _require_alike(number, one, first)
            read.add(one.by_image())
            if one.layer.moving_weights:
                weights.add(_weights(one))
        if number == 0:
            # Both sides of a product of two activations are on disk now.
            self._first = [replace(one, activations=None) for one in self._first]

    def joined(self) -> list[FoundLayer]:
        """Each layer with the images of all runs."""
        if self._count == 1:
            return self._first
        return [self._joined(one, *sides) for one, sides in zip(self._first, self._sides, strict=True)]

    def shares(self) -> list[list[float]]:
        """For each run, and in it for each layer, the share of non-zeros in what the layer reads."""
        return self._shares

    def _joined(self, first: FoundLayer, read: _Side, weights: _Side) -> FoundLayer:
        layer = first.layer.with_batch(first.layer.images * self._count)
        activations = Made(lambda: read.array(layer.input_shape))
        both = Made(lambda: weights.array(layer.weight_shape)) if layer.moving_weights else first.weights
        return replace(first, layer=layer, weights=both, activations=activations)


class _Folder:
    """A folder that is there for as long as anything refers to it."""

    def __init__(self) -> None:
        try:
            self.path = Path(tempfile.mkdtemp(prefix="prunesim-"))
        except OSError as error:
            raise InputError(f"capture: no temporary folder can be made: {error.strerror}") from None
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class _Side:
    """Arrays of one shape, of one run after another, in a file."""

    def __init__(self, folder: _Folder, name: str, dtype: np.dtype) -> None:
        self._folder, self._path, self._type = folder, folder.path / name, dtype

    def add(self, array: np.ndarray) -> None:
        """One more run's. Raises `InputError` where it is of another type, or cannot be written."""
        if array.dtype != self._type:
            raise InputError(f"capture: an input leads to values of type {array.dtype}, the first to {self._type}")
        try:
            with self._path.open("ab") as stream:
                stream.write(np.ascontiguousarray(array).data)
        except OSError as error:
            raise InputError(f"capture: activations cannot be kept in {self._folder.path}: {error.strerror}") from None

    def array(self, shape: tuple[int, ...]) -> np.ndarray:
        """All of them along the first axis, in a shape with as many values; pages are read when they are used."""
        # What is written to the array stays with it.
        return np.asarray(np.memmap(self._path, self._type, "c", shape=shape))


def _held(one: FoundLayer) -> Made:
    array = _weights(one)
    return Made(lambda: array)


def _weights(one: FoundLayer) -> np.ndarray:
    return one.weights.array(one.layer.weight_shape, _STREAM)


def _share(one: FoundLayer) -> float:
    held = one.by_image()
    return int(np.count_nonzero(held)) / held.size


def _require_alike(number: int, one: FoundLayer, first: FoundLayer) -> None:
    if one.layer != first.layer:
        raise InputError(
            f"capture: input {number} has shape {one.layer.input_shape} at layer '{one.layer.name}', the first "
            f"{first.layer.input_shape}"
        )
    if not one.layer.moving_weights and not np.array_equal(_weights(one), _weights(first), equal_nan=True):
        raise InputError(f"capture: input {number} meets other weights at layer '{one.layer.name}' than the first")
