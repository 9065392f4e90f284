"""Build workloads/data/blazepose.npz, the network that ships with the package.

Usage: python benchmarks/build_blazepose.py FOLDER

FOLDER holds pose_detection_astronaut.npz and its layers.json: the weights of MediaPipe's pose_detection.tflite and the
input of every convolution on one photograph. Only the masks of the non-zeros are kept. An input without any zero (the
image, linear bottlenecks and their sums) is marked as one that no ReLU wrote.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from workloads.arrays.trace_file import save_traces
from workloads.catalog import SHIPPED
from workloads.readers import read_mediapipe_pose
from workloads.source import Stream, TensorSource, images_held


@dataclass(frozen=True)
class Mask:
    """The non-zeros of another tensor."""

    tensor: TensorSource

    @property
    def images_held(self) -> int | None:
        """See `ImageSource`."""
        return images_held(self.tensor)

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        return self.tensor.array(shape, stream) != 0


def build(folder: Path, target: Path) -> None:
    """Write the trace file of the masks."""
    values = read_mediapipe_pose(folder)
    masks = tuple(
        replace(
            source,
            weights=Mask(source.weights),
            activations=Mask(source.activations),
            relu_input=source.trace(0).activation_density < 1,
        )
        for source in values.sources
    )
    save_traces(target, replace(values, sources=masks))


if __name__ == "__main__":
    build(Path(sys.argv[1]), SHIPPED["blazepose"])
