"""Arrays in npy and npz files, read when asked for, never more than their shape allows, never by pickle.

An npz file is a zip archive of npy entries. Shape and type stand in an entry's first bytes and are checked before its
data is read, so that a wrong or hostile file can neither run code nor fill the memory. Every fault is an `InputError`
naming file and entry.
"""

from __future__ import annotations

import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from workloads.arrays.archive import Archive
from workloads.errors import InputError
from workloads.files import require_file, unreadable
from workloads.limits import require_size
from workloads.source import Stream
from workloads.whole_numbers import ceil_div

_LABEL_BYTES = 256  # of a short text; a longer entry under its name is something else
# What zipfile and numpy raise when bytes are not what they should be; MemoryError when a header claims far too much.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    MemoryError,
    TypeError,
    OverflowError,
    SyntaxError,
    tokenize.TokenError,  # of a header, which is Python
)


@contextmanager
def open_archive(path: Path) -> Generator[zipfile.ZipFile]:
    """A zip archive for reading. Raises `InputError` naming the file when it cannot be opened."""
    with _open(path) as stream:
        try:
            archive = Archive(stream)
        except _DAMAGE:
            raise InputError(f"{path}: not an npz file, or truncated") from None
        with archive:
            yield archive


@contextmanager
def _open(path: Path) -> Generator[IO[bytes]]:
    require_file(path)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from None
    with stream:
        yield stream


@contextmanager
def _open_entry(path: Path, archive: zipfile.ZipFile, entry: str) -> Generator[IO[bytes]]:
    # A dictionary, where `namelist` would be searched from its start for every entry of a long archive.
    if f"{entry}.npy" not in archive.NameToInfo:
        raise InputError(f"{path}: entry '{entry}' is missing")
    with _naming_damage(f"{path}: entry '{entry}'"), archive.open(f"{entry}.npy") as stream:
        yield stream


@contextmanager
def _naming_damage(label: str) -> Generator[None]:
    try:
        yield
    except InputError:
        raise
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{label} is damaged: {reason:.200}") from None


def _type(label: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type; leaves the stream at the data."""
    # Checked before a byte of data is read: pickles would run code, and a claimed shape could ask for any amount of
    # memory.
    shape, fortran_order, dtype = _header(stream)
    if dtype.hasobject:
        raise InputError(f"{label} holds pickled objects, which are never loaded")
    if dtype.kind not in "biuf":
        raise InputError(f"{label} has type {dtype}, must be numbers or a mask")
    require_size(label, shape, dtype.itemsize)
    return shape, fortran_order, dtype


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(stream)  # type: ignore[arg-type]
    # Version 3.0 differs from 2.0 in the encoding of field names alone, and arrays with fields are refused.
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about headers that Python 2 wrote, which are read all the same
        return read(stream)  # type: ignore[arg-type]


def _check(label: str, found: tuple[tuple[int, ...], np.dtype], shape: tuple[int, ...], dtype: Any) -> None:
    if found[0] != shape:
        raise InputError(f"{label} has shape {found[0]}, must be {shape}")
    if dtype is not None and found[1] != dtype:
        raise InputError(f"{label} has type {found[1]}, must be {np.dtype(dtype)}")


def _read(label: str, stream: IO[bytes], shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    found, fortran_order, found_type = _type(label, stream)
    _check(label, (found, found_type), shape, dtype)
    size = math.prod(shape) * found_type.itemsize
    # Read by the size that the shape implies, whatever the entry claims to hold.
    data = stream.read(size)
    if len(data) < size or stream.read(1):  # reading on to the end also checks a zip entry's checksum
        raise InputError(f"{label} does not hold exactly {size} bytes of data")
    # No copy: the array is a read-only view of the bytes, which traces never write to.
    return np.frombuffer(data, found_type).reshape(shape, order="F" if fortran_order else "C")


def entry_shape(path: Path, archive: zipfile.ZipFile, entry: str) -> tuple[int, ...]:
    """Shape of an entry, without reading its data."""
    with _open_entry(path, archive, entry) as stream:
        return _type(f"{path}: entry '{entry}'", stream)[0]


def read_entry(
    path: Path, archive: zipfile.ZipFile, entry: str, shape: tuple[int, ...], dtype: Any = None
) -> np.ndarray:
    """An entry that must have the given shape (and type)."""
    with _open_entry(path, archive, entry) as stream:
        return _read(f"{path}: entry '{entry}'", stream, shape, dtype)


def read_label(path: Path, archive: zipfile.ZipFile, entry: str) -> str:
    """An entry that holds one short text."""
    with _open_entry(path, archive, entry) as stream:
        label = f"{path}: entry '{entry}'"
        shape, _, dtype = _header(stream)
        # S are bytes and U is text in numpy's types; a label is a single one, not an array of them.
        if shape != () or dtype.kind not in "SU" or not 0 < dtype.itemsize <= _LABEL_BYTES:
            raise InputError(f"{label} has shape {shape} and type {dtype}, must be a short text")
        data = stream.read(dtype.itemsize)
        if len(data) < dtype.itemsize:
            raise InputError(f"{label} does not hold exactly {dtype.itemsize} bytes of data")
        text = np.frombuffer(data, dtype)[0]
        return text.decode("ascii") if isinstance(text, bytes) else str(text)


@dataclass(frozen=True)
class StoredTensor:
    """One entry of an npz file, read whenever it is asked for; `packed`: the bits of a mask, as `numpy.packbits`."""

    path: Path
    entry: str
    packed: bool = False

    def array(self, shape: tuple[int, ...], stream: Stream | None = None) -> np.ndarray:
        """See `TensorSource`. Raises `InputError` naming file and entry when the entry is not of that shape."""
        del stream
        with open_archive(self.path) as archive:
            array = read_entry(self.path, archive, self.entry, *self._stored(shape))
        # 10 elements were packed into 2 bytes; `count` drops the 6 bits that filled the last one.
        return np.unpackbits(array, count=math.prod(shape)).view(np.bool_).reshape(shape) if self.packed else array

    def picked(self, shape: tuple[int, ...], places: np.ndarray) -> np.ndarray:
        """See `PickedImages`. An entry is read as a whole; of a mask only those images are unpacked."""
        with open_archive(self.path) as archive:
            array = read_entry(self.path, archive, self.entry, *self._stored(shape))
        if not self.packed:
            return array[places]
        size = math.prod(shape[1:])
        images = np.empty((len(places), size), np.bool_)
        for image, place in zip(images, places.tolist(), strict=True):
            # Image 1 of images of 12 elements has the bits 12 to 23: the last four of byte 1, and byte 2.
            start, end = place * size, (place + 1) * size
            bits = np.unpackbits(array[start // 8 : ceil_div(end, 8)])
            image[...] = bits[start % 8 : start % 8 + size]
        return images.reshape(len(places), *shape[1:])

    def check(self, archive: zipfile.ZipFile, shape: tuple[int, ...]) -> None:
        """Raise `InputError` when the entry cannot give a tensor of that shape; its data is not read."""
        with _open_entry(self.path, archive, self.entry) as stream:
            label = f"{self.path}: entry '{self.entry}'"
            found, _, dtype = _type(label, stream)
            _check(label, (found, dtype), *self._stored(shape))

    def _stored(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], Any]:
        # What the file must hold for a tensor of that shape: a byte for eight elements, or the tensor itself in any
        # type.
        return ((ceil_div(math.prod(shape), 8),), np.uint8) if self.packed else (shape, None)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file by name; the one of an npy file has an empty name."""
    if path.suffix == ".npy":
        one = StoredArray.find(path)
        return {"": one.array(one.shape)}
    with open_archive(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.NameToInfo]
        return {name: read_entry(path, archive, name, entry_shape(path, archive, name)) for name in names}


@dataclass(frozen=True)
class StoredArray:
    """An npy file (`entry` empty) or an entry of an npz file whose shape is known; read whenever it is asked for."""

    path: Path
    entry: str
    shape: tuple[int, ...]

    @classmethod
    def find(cls, path: Path, entry: str | None = None) -> Self:
        """Look at a file; an npz file with a single entry needs no `entry`. Raises `InputError` naming the file."""
        # The file is read later, when the working directory may be another one.
        path = path.absolute()
        if path.suffix == ".npy":
            with _open(path) as stream, _naming_damage(str(path)):
                return cls(path, "", _type(str(path), stream)[0])
        with open_archive(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.NameToInfo]
            if entry is None and len(names) != 1:
                raise InputError(f"{path}: holds {len(names)} entries, 'entry' must name one")
            chosen = names[0] if entry is None else entry
            return cls(path, chosen, entry_shape(path, archive, chosen))

    def array(self, shape: tuple[int, ...], stream: Stream | None = None) -> np.ndarray:
        """See `TensorSource`; the elements are taken in their order, whatever the stored shape."""
        del stream
        if self.entry:
            with open_archive(self.path) as archive:
                return read_entry(self.path, archive, self.entry, self.shape).reshape(shape)
        with _open(self.path) as file, _naming_damage(str(self.path)):
            return _read(str(self.path), file, self.shape, None).reshape(shape)
