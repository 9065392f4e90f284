"""Readers of reference data: folders of real pruned networks, and density tables. One file a kind.

A folder holds one npz file and, beside it, `layers.json` or `NAME_layers.json` with the layers' shapes; npz files that
hold activations alone are further inputs (photographs.py). Which reader fits is told by the kinds of entries in the npz
(`code:conv1` has the kind `code`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workloads.arrays.stored import open_archive
from workloads.errors import InputError
from workloads.readers import mediapipe_pose, resnet50_dlmc, squeezenet_dc, vgg16_hed
from workloads.readers.density_table import read_density_table
from workloads.readers.mediapipe_pose import read_mediapipe_pose
from workloads.readers.reference import find_archive, find_table
from workloads.readers.resnet50_dlmc import read_resnet50_dlmc
from workloads.readers.squeezenet_dc import read_squeezenet_dc
from workloads.readers.vgg16_hed import read_vgg16_hed
from workloads.workload import Workload

__all__ = [
    "read_density_table",
    "read_mediapipe_pose",
    "read_resnet50_dlmc",
    "read_squeezenet_dc",
    "read_vgg16_hed",
    "recognise",
]

_FOLDERS: tuple[tuple[frozenset[str], Callable[[Path], Workload]], ...] = (
    (squeezenet_dc.ENTRIES, read_squeezenet_dc),
    (mediapipe_pose.ENTRIES, read_mediapipe_pose),
    (vgg16_hed.ENTRIES, read_vgg16_hed),
    (resnet50_dlmc.ENTRIES, read_resnet50_dlmc),
)


def recognise(path: Path) -> Callable[[Path], Workload] | None:
    """The reader for a path, or None when it is no reference data. Raises `InputError` for a folder without any."""
    if path.suffix == ".csv" and not path.is_dir():
        return read_density_table
    # An npz file without a table of layers beside it is a trace or a matrix.
    if not path.is_dir() and (path.suffix != ".npz" or not path.exists() or find_table(path) is None):
        return None
    archive_path = find_archive(path)
    with open_archive(archive_path) as archive:
        kinds = {name.partition(":")[0] for name in archive.NameToInfo if ":" in name}
    for entries, reader in _FOLDERS:
        # The larger sets come first: a network with masks of both tensors has the entries of one with weight masks
        # alone.
        if entries <= kinds:
            return reader
    if path.is_dir():
        raise InputError(f"{path}: is a directory, must be a file or a folder of reference data")
    return None
