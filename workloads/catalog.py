"""Find a workload by name: the built-in networks, the shipped traces, and the path of any file that can be read."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from workloads import importers
from workloads.errors import InputError, nearest
from workloads.files import refuse_stream
from workloads.network import load_network, network_display, network_names
from workloads.workload import Workload

_DATA = Path(__file__).parent / "data"
# Networks that ship with the package: their licences lie beside them.
SHIPPED = {name: _DATA / f"{name}.npz" for name in ("blazepose", "blazeface-sparse", "blazeface", "blazehand")}
_DISPLAYED = {
    "blazepose": "BlazePose",
    "blazeface-sparse": "BlazeFace, pruned",
    "blazeface": "BlazeFace",
    "blazehand": "BlazeHand",
}


def load_workload(text: str = "blazepose", seed: int = 0, batch: int | None = None) -> Workload:
    """The workload that a user named: a built-in network, NETWORK@SET, or the path of a file.

    Paths: a trace file or reference data (.npz), a network file (.toml), a density table (.csv), a folder of reference
    data, or what `workloads.importers` knows (.onnx, .tflite and others). NETWORK@WEIGHTS.safetensors (or .pt, .pth)
    takes shapes from one and weights from the other. Raises `InputError` with the nearest known name, or naming the
    file and what is wrong with it.
    """
    workload = replace(_resolve(text), seed=seed)
    return workload if batch is None else workload.with_batch(batch)


def is_known(text: str) -> bool:
    """Whether it is the name of a workload, and not the path of a file."""
    return text in SHIPPED or text in network_names()


def display_name(name: str) -> str:
    """A workload's short name in pictures, such as VGG-16 of vgg16; what is not built in has its own alone."""
    if name in SHIPPED:
        return _DISPLAYED[name]
    return network_display(name) if name in network_names() else name


def _resolve(text: str) -> Workload:
    if text in SHIPPED:
        return _load_traces(SHIPPED[text])
    if text in network_names():
        return Workload.of_network(load_network(text))
    # Only the last @ parts the two: a network's own name may hold one, as in NETWORK@SET@FILE.safetensors.
    network, _, weights = text.rpartition("@")
    if network and weights.endswith(importers.suffixes(weights_alone=True)):
        return importers.import_model(weights, importers.ImportOptions(base=load_workload(network))).workload
    path = Path(text)
    # What looks like a path is read as one, so that a missing file is reported as missing and not as an unknown name.
    if (
        path.suffix in (".npz", ".toml", ".csv")
        or os.path.exists(path)  # noqa: PTH110 (False for a name too long)
        or path.suffix in importers.suffixes()
    ):
        return _from_path(path)
    known = (*SHIPPED, *network_names())
    raise InputError(f"unknown workload '{text}': {nearest(text, known)} (or the path of a file)")


def _from_path(path: Path) -> Workload:
    refuse_stream(path)
    # Importers look first: they know a topology or a scipy matrix from a density table or a trace of the same suffix.
    importer = importers.recognise(path)
    if importer is not None:
        return importer.imported(path).workload
    # Each reader is imported where it is needed: the one of network files needs pydantic, no other does.
    if path.suffix == ".toml" and not path.is_dir():
        from workloads.network_files.file import load_network_file  # noqa: PLC0415

        return load_network_file(path)
    from workloads import readers  # noqa: PLC0415

    reader = readers.recognise(path)
    return _load_traces(path) if reader is None else reader(path)


def _load_traces(path: Path) -> Workload:
    from workloads.arrays.trace_file import load_traces  # noqa: PLC0415

    return load_traces(path)


@dataclass(frozen=True)
class WorkloadEntry:
    """A line of `prunesim list workloads`."""

    name: str
    description: str
    layers: int
    dense_macs: int


def available_workloads() -> tuple[WorkloadEntry, ...]:
    """Every workload that can be named, the default first."""
    shipped = [_resolve(name) for name in SHIPPED]
    built_in = [Workload.of_network(load_network(name)) for name in network_names()]
    return tuple(
        WorkloadEntry(w.name, w.title, len(w.layers), sum(layer.dense_macs for layer in w.layers))
        for w in (*shipped, *built_in)
    )
