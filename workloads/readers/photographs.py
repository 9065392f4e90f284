"""Activations of several photographs, each in a file of its own.

An npz file of a folder of reference data that holds activations alone holds those of a further photograph: entries
`x:NAME` (values) or `xmask:NAME` (packed bits) under the names that the network's own file has for its photograph. Each
is an input, the network's own first and the others in the order of their files' names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from workloads.arrays.stored import StoredTensor, open_archive
from workloads.layer import Layer
from workloads.source import LayerSource, Stream, output_densities


def find_photographs(path: Path) -> tuple[Path, ...]:
    """The npz files of a folder that hold activations alone; none where the path names the network's file itself."""
    return tuple(one.absolute() for one in sorted(path.glob("*.npz")) if is_photograph(one)) if path.is_dir() else ()


def _names(archive: Path) -> set[str]:
    with open_archive(archive) as opened:
        return {name.removesuffix(".npy") for name in opened.NameToInfo}


def is_photograph(archive: Path) -> bool:
    """Whether an npz file holds activations alone."""
    names = _names(archive)
    return bool(names) and {name.partition(":")[0] for name in names} <= {"x", "xmask"}


@dataclass(frozen=True)
class Photographs:
    """Activations of images (C, [D,] H, W), each in an entry of its own, of which only those asked for are read."""

    images: tuple[StoredTensor, ...]

    @property
    def images_held(self) -> int:
        """See `ImageSource`."""
        return len(self.images)

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`. Where some images are values and others masks, a batch of both has values of 1."""
        places = range(stream.first_image, stream.first_image + shape[0])
        return np.stack([self.images[place % len(self.images)].array(shape[1:], stream) for place in places])

    def densities(self, layer: Layer) -> list[float]:
        """Share of non-zeros in each image; all of them are read."""
        shape = layer.input_shape[1:]
        return [int(np.count_nonzero(image.array(shape))) / math.prod(shape) for image in self.images]

    def beside(self, files: Iterable[Path]) -> Self:
        """These images and one of each file under the same name. Raises `InputError` for a file that has none."""
        name = self.images[0].entry.partition(":")[2]
        others = []
        for file in files:
            packed = f"x:{name}" not in _names(file)
            others.append(StoredTensor(file, f"{'xmask' if packed else 'x'}:{name}", packed=packed))
        return replace(self, images=(*self.images, *others))


def with_photographs(sources: tuple[LayerSource, ...], files: tuple[Path, ...]) -> tuple[LayerSource, ...]:
    """The layers whose activations are photographs with those of further files, and what each of them stores."""
    held = [one.activations.beside(files) if isinstance(one.activations, Photographs) else None for one in sources]
    layers = [one.layer for one in sources]
    # An input that is drawn, or dense, is the same for every photograph.
    read = [
        [1.0] * (len(files) + 1) if images is None else images.densities(layer)
        for images, layer in zip(held, layers, strict=True)
    ]
    stored = zip(*(output_densities(layers, one, [None] * len(layers)) for one in zip(*read, strict=True)), strict=True)
    return tuple(
        source if images is None else replace(source, activations=images, image_output_densities=densities)
        for source, images, densities in zip(sources, held, stored, strict=True)
    )
