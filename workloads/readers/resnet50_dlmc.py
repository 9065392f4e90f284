"""ResNet-50 weight masks of the Deep Learning Matrix Collection (Gale et al., SC 2020); its activations are drawn.

Entries: `wmask:LAYER`, packed bits. The collection holds no activations. The last layer's mask is not stored, only its
count of non-zeros; it is drawn uniformly with that count.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workloads.arrays.stored import StoredTensor
from workloads.layer import Layer
from workloads.masks.synthetic import Clustered, Pattern
from workloads.network import load_network
from workloads.readers.reference import TensorPair, find_archive, read_folder, whole_number
from workloads.source import Drawn, DrawnBatch, TensorSource
from workloads.workload import Workload

ENTRIES = frozenset({"wmask"})
NETWORK = "resnet50"
_ASSUMED = "resnet50@str-90.23"  # every density set of ResNet-50 assumes the same activations


def read_resnet50_dlmc(
    path: str | Path, densities: Mapping[str, float] | None = None, pattern: Pattern | None = None
) -> Workload:
    """53 convolutions with real weight masks and drawn activations, and fc, drawn. `path`: the folder or its npz file.

    densities  of the activations by layer name; default: those that the density sets of resnet50 assume
    pattern    of the activations; default `Clustered()`
    """
    if densities is None:
        assumed = load_network(_ASSUMED)
        densities = {a.name: d.activations for a, d in zip(assumed.layers, assumed.densities, strict=True)}
    known, drawn = densities, Clustered() if pattern is None else pattern

    def tensors(archive: Path, row: Mapping[str, Any], layer: Layer) -> TensorPair:
        if layer.fully_connected:
            # Non-zeros over weights, times the weights again and rounded, is the stored count exactly.
            weights: TensorSource = Drawn(whole_number(row, "w_nnz") / layer.weight_count)
        else:
            weights = StoredTensor(archive, f"wmask:{layer.name}", packed=True)
        return weights, DrawnBatch(known.get(layer.name, 1.0), drawn)

    method = find_archive(Path(path)).stem.removeprefix("resnet50_")
    title = f"ResNet-50 v1.5, real weight masks of DLMC ({method}), drawn activations"
    return read_folder(Path(path), f"resnet50-dlmc-{method}", title, "Gale et al., SC 2020 (DLMC)", tensors, NETWORK)
