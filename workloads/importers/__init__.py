"""Importers: a user's own network from the formats people have. One file a format.

`import_model` tells the format from the path; libraries are loaded only by the importer that needs them, and a missing
one is an `InputError` that says what to install.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from workloads.errors import InputError
from workloads.files import refuse_stream
from workloads.importers.imported import Imported, ImportOptions, Omitted
from workloads.importers.onnx import model as onnx_file
from workloads.importers.tables import matrices, scale_sim, tensor_folder, timeloop
from workloads.importers.tflite import model as tflite_file
from workloads.importers.torch import state_dict
from workloads.importers.torch.capture import capture

__all__ = ["SUFFIXES", "WEIGHTS_ALONE", "ImportOptions", "Imported", "Omitted", "capture", "import_model", "recognise"]

Importer = Callable[[Path, ImportOptions], Imported]

_BY_SUFFIX: dict[str, Importer] = {
    **dict.fromkeys(onnx_file.SUFFIXES, onnx_file.import_onnx),
    **dict.fromkeys(state_dict.SUFFIXES, state_dict.import_weights),
    **dict.fromkeys(tflite_file.SUFFIXES, tflite_file.import_tflite),
    **dict.fromkeys(timeloop.SUFFIXES, timeloop.import_problem),
    ".smtx": matrices.import_smtx,
    ".mtx": matrices.import_matrix_market,
}
SUFFIXES = tuple(_BY_SUFFIX)
WEIGHTS_ALONE = state_dict.SUFFIXES
# Files whose suffix other readers share, told by what they hold.
_BY_CONTENT: tuple[tuple[str, Callable[[Path], bool], Importer], ...] = (
    (".csv", scale_sim.is_topology, scale_sim.import_topology),
    (".npz", matrices.is_scipy, matrices.import_scipy),
    ("", tensor_folder.is_tensor_folder, tensor_folder.import_folder),
)


def recognise(path: Path) -> Importer | None:
    """The importer for a path, or None when it is none of their formats."""
    suffix = path.suffix.lower()
    for ending, holds, importer in _BY_CONTENT:
        if suffix == ending or (not ending and path.is_dir()):
            return importer if holds(path) else _BY_SUFFIX.get(suffix)
    return _BY_SUFFIX.get(suffix)


def import_model(path: str | Path, options: ImportOptions | None = None) -> Imported:
    """The network in a file. Raises `InputError` naming the file and what is wrong, in one line."""
    path = Path(path)
    refuse_stream(path)
    importer = recognise(path)
    if importer is None:
        if not path.exists():
            raise InputError(f"{path}: no such file")
        raise InputError(f"{path}: not a format that can be imported; see 'prunesim import --help'")
    options = options or ImportOptions()
    imported = importer(path, options)
    files = tuple(dict.fromkeys((path, *options.inputs, *imported.workload.files)))
    return replace(imported, workload=replace(imported.workload, files=files))
