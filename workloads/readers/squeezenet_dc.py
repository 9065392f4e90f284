"""SqueezeNet v1.0 as Deep Compression published it: pruned, retrained, 8-bit codebooks; activations of a photograph.

Entries: `code:LAYER` uint8 (0 where pruned), `codebook:LAYER` float32 (256,), `x:BLOB` float16 (C, H, W).
Source: github.com/songhan/SqueezeNet-Deep-Compression (BSD-2-Clause).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workloads.arrays.stored import StoredTensor
from workloads.layer import Layer
from workloads.readers.photographs import Photographs
from workloads.readers.reference import TensorPair, read_folder
from workloads.source import Stream
from workloads.workload import Workload

ENTRIES = frozenset({"code", "codebook", "x"})
NETWORK = "squeezenet1.0"


@dataclass(frozen=True)
class CodebookTensor:
    """Weights as indices into a table of values; float32."""

    path: Path
    layer: str

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        del stream
        codes = StoredTensor(self.path, f"code:{self.layer}").array(shape)
        return StoredTensor(self.path, f"codebook:{self.layer}").array((256,))[codes]


def read_squeezenet_dc(path: str | Path) -> Workload:
    """All 26 convolutions, by value. `path` is the folder or its npz file."""
    title = "SqueezeNet 1.0, 227x227, pruned and retrained by Deep Compression, values"
    return read_folder(
        Path(path), "squeezenet-dc", title, "Han et al. (SqueezeNet-Deep-Compression)", _tensors, NETWORK
    )


def _tensors(archive: Path, row: Mapping[str, Any], layer: Layer) -> TensorPair:
    # Both expand layers of a fire module read one blob, which is stored once.
    image = StoredTensor(archive, f"x:{row['input']}")
    return CodebookTensor(archive, layer.name), Photographs((image,))
