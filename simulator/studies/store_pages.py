"""The whole results of a store's file, read past SQLite: from every page that holds rows, wherever it lies.

A result is whole when its checksums hold and name its key (`store_rows`), so that no number can come out wrong; how its
page is found does not matter. Layout: https://www.sqlite.org/fileformat2.html, sections 1.5, 1.6, 2.1 and 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.studies.point import Outcome
from simulator.studies.store_rows import DAMAGE, unpack, whole_report

_LEAF = 13  # type of a page of rows
_FILE_HEADER, _LOG_HEADER, _FRAME_HEADER = 100, 32, 24  # bytes
_USUAL_PAGE = 4096  # bytes, where the header does not tell
_KEY = re.compile(r"[0-9a-f]{64}")


def whole_results(path: Path) -> Iterator[Outcome]:
    """Every whole result of the file and of the log beside it; a result may come more than once."""
    for pages in _page_sets(path):
        for page in pages.rows:
            for values in _records(pages, page):
                outcome = _result(values)
                if outcome is not None:
                    yield outcome


def _result(values: list[Any]) -> Outcome | None:
    try:
        key, total, report = values
        if _KEY.fullmatch(key):
            whole_report(key, total, report)
            return Outcome(key, unpack(key, total), report)
    except DAMAGE:
        pass
    return None


@dataclass(frozen=True)
class _Pages:
    """Images of pages by number, and all images that may hold rows as (number, image)."""

    size: int
    images: dict[int, bytes]
    rows: list[tuple[int, bytes]]


def _page_sets(path: Path) -> Iterator[_Pages]:
    """The file's pages under those of its log, then the file's alone: a log may be damaged, or of another time."""
    data = path.read_bytes()
    # Two bytes cannot hold 65,536, which the format writes as 1 (section 1.3.2).
    size = int.from_bytes(data[16:18], "big")
    size = 65536 if size == 1 else size
    # Pages are powers of two from 512 bytes on; a header that says anything else is damaged, and most files have 4096.
    if size < 512 or size & (size - 1):
        size = _USUAL_PAGE
    own = [(n + 1, data[start : start + size]) for n, start in enumerate(range(0, len(data), size))]
    log_file = path.with_name(f"{path.name}-wal")
    log = log_file.read_bytes() if log_file.is_file() else b""
    # A frame is a head of 24 bytes, of which the first four number the page, and the page.
    frames = range(_LOG_HEADER, len(log), _FRAME_HEADER + size)
    newer = [
        (int.from_bytes(log[start : start + 4], "big"), log[start + _FRAME_HEADER : start + _FRAME_HEADER + size])
        for start in frames
    ]
    if newer:
        # The log appends: of several images of a page the last is the newest, which is the one that `dict` keeps.
        yield _Pages(size, dict(own) | dict(newer), own + newer)
    yield _Pages(size, dict(own), own)


def _records(pages: _Pages, page: tuple[int, bytes]) -> Iterator[list[Any]]:
    """The rows of an image, as lists of their columns; those that cannot be read are left out."""
    number, image = page
    start = _FILE_HEADER if number == 1 else 0
    if len(image) < start + 8 or image[start] != _LEAF:
        return
    count = int.from_bytes(image[start + 3 : start + 5], "big")
    # Behind the page's own head of 8 bytes stand two bytes a row: where on the page it lies.
    for place in range(start + 8, min(start + 8 + 2 * count, len(image) - 1), 2):
        try:
            yield _columns(_payload(pages, image, int.from_bytes(image[place : place + 2], "big")))
        except DAMAGE:
            continue


def _payload(pages: _Pages, image: bytes, place: int) -> bytes:
    """The bytes of a row, those on overflow pages included (section 1.6)."""
    length, place = _varint(image, place)
    _, place = _varint(image, place)  # the row's number
    # Names X and M in section 1.6: with pages of 4096 bytes, up to 4061 bytes lie on the page itself and at least 489.
    most, least = pages.size - 35, (pages.size - 12) * 32 // 255 - 23
    if length <= most:
        return image[place : place + length]
    # K in section 1.6: as much as makes the rest fill whole overflow pages, if that fits the page.
    # Example, pages of 4096: of 10,000 bytes 489 + 9511 % 4092 = 1816 lie here, and 8184 on two overflow pages of 4092.
    local = least + (length - least) % (pages.size - 4)
    local = local if local <= most else least
    parts, left = [image[place : place + local]], length - local
    # Four bytes name the first overflow page, and the first four of each such page the next one.
    following = int.from_bytes(image[place + local : place + local + 4], "big")
    while left > 0:
        more = pages.images[following]
        following = int.from_bytes(more[:4], "big")
        parts.append(more[4 : 4 + min(left, pages.size - 4)])
        if len(parts[-1]) == 0:
            raise ValueError("a page is empty")
        left -= len(parts[-1])
    return b"".join(parts)


def _columns(payload: bytes) -> list[Any]:
    """Texts and blobs of a record; other types as None (section 2.1)."""
    end, place = _varint(payload, 0)
    types = []
    while place < end:
        kind, place = _varint(payload, place)
        types.append(kind)
    values: list[Any] = []
    for kind in types:
        # Even kinds from 12 on are blobs, odd ones texts, of (kind - 12) / 2 bytes: 14 is a blob of 1 byte, 15 a text
        # of 1.
        length = (kind - 12) // 2 if kind >= 12 else (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[kind]
        data = payload[place : place + length]
        values.append(None if kind < 12 else data.decode() if kind % 2 else data)
        place += length
    return values


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of one to nine bytes, and the place after it."""
    value = 0
    # Seven bits a byte, the high bit says that more follow; a ninth byte holds eight bits. 0x81 0x01 is 129.
    for byte in range(9):
        value = value << 8 | data[place + byte] if byte == 8 else value << 7 | data[place + byte] & 0x7F
        if byte == 8 or data[place + byte] < 0x80:
            return value, place + byte + 1
    raise ValueError("unreachable")
