"""Readers of reference data: folders of pruned networks, and density tables. One file a kind.

A folder holds one npz file and, beside it, `layers.json` or `NAME_layers.json` with the layers' shapes; npz files that
hold activations alone are further inputs (photographs.py). own_data.py reads any of them by what it says. Those of
named projects, told by the kinds of entries in the npz (`code:conv1` has the kind `code`) and by their layers, have
readers that know their titles and what they lack.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workloads.arrays.stored import open_archive
from workloads.readers import mediapipe_pose, resnet50_dlmc, squeezenet_dc, vgg16_hed
from workloads.readers.density_table import read_density_table
from workloads.readers.mediapipe_pose import read_mediapipe_pose
from workloads.readers.own_data import TENSORS, read_own_data
from workloads.readers.reference import Table, find_archive, find_table
from workloads.readers.resnet50_dlmc import read_resnet50_dlmc
from workloads.readers.squeezenet_dc import read_squeezenet_dc
from workloads.readers.vgg16_hed import read_vgg16_hed
from workloads.workload import Workload

__all__ = [
    "read_density_table",
    "read_mediapipe_pose",
    "read_own_data",
    "read_resnet50_dlmc",
    "read_squeezenet_dc",
    "read_vgg16_hed",
    "recognise",
]

# The kinds of entries of named projects, their readers, and the network whose layers they have.
_PROJECTS: tuple[tuple[frozenset[str], Callable[[Path], Workload], str], ...] = (
    (squeezenet_dc.ENTRIES, read_squeezenet_dc, squeezenet_dc.NETWORK),
    (mediapipe_pose.ENTRIES, read_mediapipe_pose, mediapipe_pose.NETWORK),
    (vgg16_hed.ENTRIES, read_vgg16_hed, vgg16_hed.NETWORK),
    (resnet50_dlmc.ENTRIES, read_resnet50_dlmc, resnet50_dlmc.NETWORK),
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
    if not path.is_dir() and not kinds & TENSORS:
        return None
    table = Table.beside(archive_path)
    for entries, reader, network in _PROJECTS:
        # The larger sets come first: a network with masks of both tensors has the entries of one with weight masks
        # alone. Its layers tell a project's network from any other in the same form.
        if entries <= kinds and table.is_of(network):
            return reader
    return read_own_data
