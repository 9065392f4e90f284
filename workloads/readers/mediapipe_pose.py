"""BlazePose's detector as MediaPipe ships it: 38 pointwise convolutions pruned to 25 %; activations of a photograph.

Entries: `w:LAYER` float16; the input named in the table is `x:ID` int8 (C, H, W) or `xmask:ID` packed bits.
Source: mediapipe 0.10.14, pose_detection.tflite (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workloads.arrays.stored import StoredTensor
from workloads.layer import Layer
from workloads.readers.photographs import Photographs
from workloads.readers.reference import TensorPair, read_folder
from workloads.workload import Workload

ENTRIES = frozenset({"w", "x", "xmask"})
NETWORK = "blazepose"
TITLE = "BlazePose pose detector, 224x224, a product network pruned for real"
ORIGIN = "MediaPipe 0.10.14, pose_detection.tflite, The MediaPipe Authors, Apache-2.0; activations of one photograph"


def read_mediapipe_pose(path: str | Path) -> Workload:
    """All 73 convolutions, by value where values are stored. `path` is the folder or its npz file."""
    return read_folder(Path(path), "blazepose", TITLE, ORIGIN, _tensors, NETWORK)


def _tensors(archive: Path, row: Mapping[str, Any], layer: Layer) -> TensorPair:
    # The table names the tensor that a layer reads; layers that read one tensor share its entry.
    image = StoredTensor(archive, row["input"], packed=row["input"].startswith("xmask:"))
    return StoredTensor(archive, f"w:{layer.name}"), Photographs((image,))
