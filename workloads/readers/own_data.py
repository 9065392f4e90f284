"""A user's own network: one npz file with tensors or masks, and a table of its layers (docs/own-data.md).

Weights of layer NAME: `w:NAME` (values), `wmask:NAME` (packed bits) or `code:NAME` with `codebook:NAME`; without any, a
count `w_nnz` in its row, and they are drawn. Its input: `x:INPUT` (values) or `xmask:INPUT` (packed bits) of one image,
where the row may name INPUT, else it is NAME; without any, a count `x_nnz`, and it is drawn, else it is dense.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from workloads.arrays.stored import StoredTensor, entry_shape, open_archive
from workloads.errors import InputError, listed
from workloads.layer import Layer
from workloads.readers.photographs import Photographs
from workloads.readers.reference import TensorPair, find_archive, read_folder, whole_number
from workloads.source import Drawn, DrawnBatch, Stream, TensorSource
from workloads.workload import Workload

TENSORS = frozenset({"w", "wmask", "code", "x", "xmask"})  # kinds of entries


@dataclass(frozen=True)
class CodedTensor:
    """Weights as indices into a table of any length; in the table's type."""

    path: Path
    layer: str
    values: int

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`. Raises `InputError` for an index beyond the table."""
        del stream
        codes = StoredTensor(self.path, f"code:{self.layer}").array(shape)
        if codes.dtype.kind not in "iu" or codes.min(initial=0) < 0 or codes.max(initial=0) >= self.values:
            raise InputError(f"{self.path}: entry 'code:{self.layer}' must hold numbers from 0 to {self.values - 1}")
        return StoredTensor(self.path, f"codebook:{self.layer}").array((self.values,))[codes]


@dataclass
class _Reading:
    """An npz file with the names of its entries, and the layers whose tensors it does not hold."""

    archive: Path
    entries: Collection[str]
    drawn_weights: list[str] = field(default_factory=list[str])
    drawn: list[str] = field(default_factory=list[str])
    dense: list[str] = field(default_factory=list[str])

    def tensors(self, archive: Path, row: Mapping[str, Any], layer: Layer) -> TensorPair:
        """The sources of a layer's weights and activations. Raises `InputError` naming what is missing."""
        del archive
        return self._weights(row, layer), self._activations(row, layer)

    def _weights(self, row: Mapping[str, Any], layer: Layer) -> TensorSource:
        name = str(row["name"])
        if f"code:{name}" in self.entries:
            with open_archive(self.archive) as opened:
                (values,) = entry_shape(self.archive, opened, f"codebook:{name}")[:1]
            return CodedTensor(self.archive, name, values)
        for kind in ("w", "wmask"):
            if f"{kind}:{name}" in self.entries:
                return StoredTensor(self.archive, f"{kind}:{name}", packed=kind == "wmask")
        if "w_nnz" not in row:
            raise InputError(
                f"{self.archive}: layer '{name}': no entry 'w:{name}', 'wmask:{name}' or 'code:{name}', "
                "and no 'w_nnz' in its row"
            )
        self.drawn_weights.append(name)
        # Non-zeros over weights, times the weights again and rounded, is the stored count exactly.
        return Drawn(whole_number(row, "w_nnz") / layer.weight_count)

    def _activations(self, row: Mapping[str, Any], layer: Layer) -> TensorSource:
        # The row may give the entry's whole name.
        name = str(row.get("input", row["name"])).removeprefix("xmask:").removeprefix("x:")
        for kind in ("x", "xmask"):
            if f"{kind}:{name}" in self.entries:
                return Photographs((StoredTensor(self.archive, f"{kind}:{name}", packed=kind == "xmask"),))
        if "x_nnz" in row:
            self.drawn.append(layer.name)
            return DrawnBatch(whole_number(row, "x_nnz") / layer.input_count)
        if "input" in row:
            raise InputError(
                f"{self.archive}: layer '{layer.name}': no entry 'x:{name}' or 'xmask:{name}', the input in its row"
            )
        self.dense.append(layer.name)
        return DrawnBatch(1.0)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the file does not hold, a line each."""
        counted = "are drawn, with the counts of the table: the file does not hold them"
        lines = (
            (self.drawn_weights, f"weights of {{}} {counted}"),
            (self.drawn, f"activations of {{}} {counted}"),
            (self.dense, "activations of {} are taken as dense: neither the file nor its table has them"),
        )
        return tuple(line.format(listed(names)) for names, line in lines if names)


def read_own_data(path: str | Path) -> Workload:
    """The layers of the table. `path` is the folder or its npz file. Raises `InputError` naming what is missing."""
    archive = find_archive(Path(path)).absolute()
    with open_archive(archive) as opened:
        reading = _Reading(archive, {name.removesuffix(".npy") for name in opened.NameToInfo})
    workload = read_folder(Path(path), archive.stem, f"data of {archive.name}", str(archive), reading.tensors, "")
    return replace(workload, notes=reading.notes)
