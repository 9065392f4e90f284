"""What a row of a store says, under a checksum together with the key that it belongs to."""

from __future__ import annotations

import json
import zlib
from typing import Any

from simulator.reports.network_total import total_row

DAMAGE = (zlib.error, ValueError, TypeError, KeyError, IndexError, OverflowError)  # what damaged rows lead to


def pack(key: str, text: str) -> bytes:
    """A row's text under a checksum, together with the key that it belongs to."""
    # zlib's format ends with a checksum of all that it holds (Adler-32), here the key as well.
    return zlib.compress(f"{key}\n{text}".encode())


def unpack(key: str, data: bytes) -> str:
    """The text of a row. Raises `ValueError` or `zlib.error` when it is damaged, or another row's."""
    found, _, text = zlib.decompress(data).decode().partition("\n")
    if found != key:
        raise ValueError("a row does not belong to its key")
    return text


def whole_report(key: str, total: bytes, report: bytes) -> dict[str, Any]:
    """The report of a row whose total and report are whole and agree; raises as `unpack`."""
    found = json.loads(zlib.decompress(report))
    # A report is kept without its key; the total, which both hold, ties it to the row.
    if total_row(found) != json.loads(unpack(key, total)):
        raise ValueError("a row's report is another point's")
    return found
