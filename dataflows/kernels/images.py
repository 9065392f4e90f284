"""Machine code as it lies in memory: cut out of what the compiler made, and put into a process without the compiler.

numba takes a quarter of a second to import, which is most of a small run, and all that a kept kernel needs of it are
its helpers in C. An object file (ELF, System V ABI, AMD64 supplement) is flattened once, when it is compiled: its
sections one behind the other, every place that needs an address listed. To load an image is to copy it, to write the
addresses, and to let the processor execute it. Objects of another format, or with more than plain 64-bit addresses in
them, are refused: such kernels are loaded by numba.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_ELF_OF_AMD64 = (b"\x7fELF\x02\x01\x01", 1, 62)  # 64 bits, little endian; relocatable; its processor
_HEAD_BYTES = 64
_SYMBOLS, _RELOCATIONS, _NO_BITS = 2, 4, 8  # types of sections
_WRITE, _ALLOCATE = 1, 2  # flags of sections
_COMMON, _UNDEFINED = 0xFFF2, 0  # in place of a symbol's section
_ADDRESS_64 = 1  # R_X86_64_64, the only relocation of code that may lie anywhere in memory
_UNWINDING = ".eh_frame"  # for exceptions of C++, which no kernel raises
_POINTER_BYTES = 8


class UnsuitableObjectError(Exception):
    """An object cannot be flattened; the text says why."""


class Image(NamedTuple):
    """Code and constants, then words that are written; places that need an address, as offsets from the start."""

    code: bytes
    size: int  # with the words behind the code, which start as zeros on a page of their own
    own_addresses: list[tuple[int, int]]  # (place, offset that it points to)
    foreign_addresses: list[tuple[int, str, int]]  # (place, symbol, bytes behind it)


class _Section(NamedTuple):
    name: str
    kind: int
    flags: int
    start: int
    size: int
    link: int
    target: int
    alignment: int


def _sections(data: bytes) -> list[_Section]:
    if len(data) < _HEAD_BYTES or (data[:7], *struct.unpack_from("<HH", data, 16)) != _ELF_OF_AMD64:
        raise UnsuitableObjectError("no object file for this processor")
    (table,) = struct.unpack_from("<Q", data, 40)
    bytes_each, count, names = struct.unpack_from("<HHH", data, 58)
    rows = [struct.unpack_from("<IIQQQQIIQQ", data, table + bytes_each * index) for index in range(count)]
    return [
        _Section(_text(data, rows[names][4] + name), kind, flags, start, size, link, target, alignment)
        for name, kind, flags, _, start, size, link, target, alignment, _ in rows
    ]


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()


def flattened(data: bytes) -> tuple[Image, dict[str, int]]:
    """The image of an object file, and where its symbols lie in it. Raises `UnsuitableObjectError`."""
    sections = _sections(data)
    places: dict[int, int] = {}  # section -> offset
    code = bytearray()
    for index, section in enumerate(sections):
        if section.flags & _ALLOCATE and section.name != _UNWINDING and section.size:
            if section.flags & _WRITE or section.kind == _NO_BITS:
                raise UnsuitableObjectError(f"{section.name} is written")
            code += bytes(-len(code) % max(section.alignment, 1))
            places[index] = len(code)
            code += data[section.start : section.start + section.size]
    code += bytes(-len(code) % mmap.PAGESIZE)
    size, symbols = _symbols(data, sections, places, len(code))
    own, foreign = [], []
    for place, symbol, offset, addend in _relocations(data, sections, places, symbols):
        if offset is None:
            foreign.append((place, symbol, addend))
        else:
            own.append((place, offset + addend))
    defined = {name: offset for name, offset in symbols if name and offset is not None}
    return Image(bytes(code), size, own, foreign), defined


def _symbols(
    data: bytes, sections: list[_Section], places: dict[int, int], size: int
) -> tuple[int, list[tuple[str, int | None]]]:
    """The image's size with the words that symbols ask for, and each symbol's name and offset (None: not here)."""
    found: list[tuple[str, int | None]] = []
    (table,) = [section for section in sections if section.kind == _SYMBOLS]
    for start in range(table.start, table.start + table.size, 24):
        name, _, _, section, value, bytes_asked = struct.unpack_from("<IBBHQQ", data, start)
        offset = None
        if section == _COMMON:  # `value` is the alignment
            offset = size + -size % max(value, 1)
            size = offset + bytes_asked
        elif section in places:
            offset = places[section] + value
        found.append((_text(data, sections[table.link].start + name), offset))
    return size, found


def _relocations(
    data: bytes, sections: list[_Section], places: dict[int, int], symbols: list[tuple[str, int | None]]
) -> Iterator[tuple[int, str, int | None, int]]:
    """Place, symbol, the symbol's offset, and what is added to it."""
    for section in sections:
        if section.kind == _RELOCATIONS and section.target in places:
            for start in range(section.start, section.start + section.size, 24):
                place, info, addend = struct.unpack_from("<QQq", data, start)
                name, offset = symbols[info >> 32]
                if info & 0xFFFFFFFF != _ADDRESS_64 or (offset is None and not name):
                    raise UnsuitableObjectError(f"{section.name} asks for more than addresses")
                yield places[section.target] + place, name, offset, addend


_loaded: list[mmap.mmap] = []  # code stays for as long as the process: something may always be running in it


def load(image: Image, address_of: Callable[[str], int]) -> int:
    """Put an image into this process; returns where it starts. Raises `OSError`, or what `address_of` raises."""
    memory = mmap.mmap(-1, image.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    memory[: len(image.code)] = image.code
    for place, offset in image.own_addresses:
        struct.pack_into("<Q", memory, place, base + offset)
    addresses = {symbol: address_of(symbol) for _, symbol, _ in image.foreign_addresses}
    for place, symbol, addend in image.foreign_addresses:
        struct.pack_into("<Q", memory, place, addresses[symbol] + addend)
    # Executed or written, never both.
    protect: Any = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if protect(base, len(image.code), mmap.PROT_READ | mmap.PROT_EXEC):
        raise OSError(ctypes.get_errno(), "code may not be executed here")
    _loaded.append(memory)
    return base


def set_pointer(address: int, value: int) -> None:
    """Write a pointer into a word of a loaded image."""
    ctypes.memmove(address, struct.pack("<Q", value), _POINTER_BYTES)
