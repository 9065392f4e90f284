"""Code is flattened only where every address in it is known, and runs where it is put."""

import ctypes
import struct

import pytest

from dataflows.kernels.images import Image, UnsuitableObjectError, flattened, load, set_pointer
from dataflows.kernels.kept import _processor

pytestmark = pytest.mark.skipif(not _processor(), reason="images are made on such Linux only")

CODE = bytes.fromhex("48b800000000000000008b00c3")  # movabs rax, address; mov eax, [rax]; ret
PAGE = 4096


def object_file(relocation=1, *, section_flags=6, machine=62, undefined=False):
    """An ELF object of one function, which returns the word behind its code (or in `elsewhere`), and one pointer."""
    names = b"\0.text\0.rela.text\0.symtab\0.strtab\0"
    strings = b"\0read\0word\0pointer\0"
    text = CODE + bytes(3) + struct.pack("<I", 1234)
    symbols = (
        bytes(24)
        + struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0, len(CODE))
        + struct.pack("<IBBHQQ", 6, 0x11, 0, 0 if undefined else 1, 16, 4)
        + struct.pack("<IBBHQQ", 11, 0x11, 0, 0xFFF2, 8, 8)
    )
    relocations = struct.pack("<QQq", 2, (2 << 32) | relocation, 0)
    parts = [(b"", 0), (text, 64)]
    for part in (relocations, symbols, strings, names):
        parts.append((part, parts[-1][1] + len(parts[-1][0])))
    table = parts[-1][1] + len(names)
    rows = [
        (0, 0, 0, 0, 0),
        (1, 1, section_flags, 0, 0),
        (7, 4, 0, 3, 1),
        (18, 2, 0, 4, 2),
        (26, 3, 0, 0, 0),
        (26, 3, 0, 0, 0),
    ]
    sections = b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, flags, 0, start, len(part), link, info, 16 if kind == 1 else 1, 0)
        for (name, kind, flags, link, info), (part, start) in zip(rows, parts, strict=True)
    )
    head = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 1, machine, 1, 0, 0, table, 0, 64, 0, 0, 64, 6, 5)
    )
    return head + b"".join(part for part, _ in parts) + sections


def called(address):
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()


def test_an_object_becomes_code_and_the_places_of_its_addresses():
    image, symbols = flattened(object_file())
    assert image.code == (CODE + bytes(3) + struct.pack("<I", 1234)).ljust(PAGE, b"\0")
    assert image[1:] == (PAGE + 8, [(2, 16)], [])
    assert symbols == {"read": 0, "word": 16, "pointer": PAGE}


def test_loaded_code_runs_and_its_pointer_can_be_set():
    image, symbols = flattened(object_file())
    base = load(image, {}.__getitem__)
    assert called(base + symbols["read"]) == 1234
    set_pointer(base + symbols["pointer"], 5)
    assert ctypes.c_int64.from_address(base + symbols["pointer"]).value == 5


def test_a_foreign_address_is_asked_for():
    image, _ = flattened(object_file(undefined=True))
    assert image[1:] == (PAGE + 8, [], [(2, "word", 0)])
    number = ctypes.c_int(77)
    base = load(image, {"word": ctypes.addressof(number)}.__getitem__)
    number.value = 78
    assert called(base) == 78
    with pytest.raises(KeyError):
        load(image, {}.__getitem__)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (b"", "no object file for this processor"),
        (b"\x7fELF\x02\x01\x01", "no object file for this processor"),
        (object_file(machine=183), "no object file for this processor"),
        (object_file(relocation=2), ".rela.text asks for more than addresses"),
        (object_file(section_flags=7), ".text is written"),
    ],
)
def test_other_objects_are_refused(made, reason):
    with pytest.raises(UnsuitableObjectError, match=f"^{reason}$"):
        flattened(made)


def test_a_system_that_lets_no_code_run_says_so(monkeypatch):
    monkeypatch.setattr("mmap.PROT_EXEC", 1 << 20)  # no protection that exists
    with pytest.raises(OSError, match="code may not be executed here"):
        load(Image(bytes(PAGE), PAGE, [], []), {}.__getitem__)
