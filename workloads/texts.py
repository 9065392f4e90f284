"""The one reader of TOML, JSON and YAML, and the one writer of TOML; what CSV cannot hold.

What is read stays within bounds of size, depth and digits; a fault is one line with the file.
"""

from __future__ import annotations

import csv
import json
import math
import re
import tomllib
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from workloads.errors import InputError
from workloads.files import TEXT_LIMIT_BYTES, read_bytes, read_text

MOST_PARTS = 100  # of a dotted key
_MOST_LEVELS = 100  # of tables and lists inside one another
_MOST_VALUES = 10_000_000  # counted where they are used, so that YAML's aliases cannot multiply
_MOST_OF_YAML = 100_000  # likewise: a file of a few lines may stand for any number
_LARGEST = (1 << 63) - 1
_MOST_DIGITS = 4300  # as Python has it for decimal numbers
# 1:30:00, for which YAML's reader takes a time that grows with the square of the digits.
_BASE_60 = re.compile(r"[-+]?[\d_:.]*:[\d_:.]*")
# A part of a key and the dot behind it. Possessive, so that no text makes it slow.
_PART = r"""(?:"[^"\n]*+"|'[^'\n]*+'|[\w-]++)[ \t]*+\.[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_PART}){{{MOST_PARTS}}}")
# Each part of a key is a table, for which tomllib keeps a kilobyte: of 2 bytes of text, where tables have one key each.
_DEEP_KEY = re.compile(rf"(?<![\w-])(?:{_PART}){{8,}}+")
_MOST_DEEP_KEYS = 1000


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dictionary. Raises `InputError` naming the file when it cannot be read or parsed."""
    return parse_toml(read_text(path), str(path))


def parse_toml(text: str, label: str) -> dict[str, Any]:
    """TOML as a dictionary; `label` names it in an `InputError`."""
    # In this order: a search for long keys begins anew at each part of each deep one.
    if next(islice(_DEEP_KEY.finditer(text), _MOST_DEEP_KEYS, None), None):
        raise InputError(f"{label}: more than {_MOST_DEEP_KEYS:,} keys have more than 8 parts")
    if _LONG_KEY.search(text):
        raise InputError(f"{label}: a key has more than {MOST_PARTS} parts")
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{label}: not valid TOML: {_reason(error)}") from None
    require_plain(values, label)
    return values


def toml_text(values: Mapping[str, Any], comments: Mapping[str, str] | None = None, prefix: str = "") -> str:
    """A dictionary as TOML, its tables last; what is None is left out.

    comments  lines to stand above keys and tables, by dotted key
    prefix    of the dotted keys of these values, which is the name of their table and a dot
    """
    comments = comments or {}
    lines: list[str] = []
    for tables in (False, True):  # a key that follows a table would belong to it
        for key, value in values.items():
            if value is None or isinstance(value, Mapping) is not tables:
                continue
            comment = [f"# {comments[prefix + key]}"] if prefix + key in comments else []
            if tables:
                inner = toml_text(value, comments, f"{prefix}{key}.")
                lines += ["", *comment, f"[{prefix}{key}]", *([inner] if inner else [])]
            else:
                lines += [*comment, f"{key} = {toml_value(value)}"]
    return "\n".join(lines)


def toml_value(value: Any) -> str:
    """A number, a text, a truth value or a list of them as TOML writes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    # Texts, numbers and truth values are written alike in JSON and in TOML; only infinity is not.
    return json.dumps(value, ensure_ascii=False)


@contextmanager
def csv_of(path: Path) -> Generator[None]:
    """Faults of Python's reader of CSV inside the block, such as a cell of 200,000 letters, become `InputError`."""
    try:
        yield
    except csv.Error as error:
        raise InputError(f"{path}: not CSV: {error}") from None


def read_json(path: Path, what: str, limit_bytes: int = TEXT_LIMIT_BYTES) -> Any:
    """A JSON file; `what` says what it should be. Raises `InputError` naming the file."""
    return parse_json(read_bytes(path, limit_bytes), str(path), what)


def parse_json(data: bytes, label: str, what: str) -> Any:
    """JSON in UTF-8; `label` names it, and `what` says what it should be, in an `InputError`."""
    try:
        values = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{label}: not {what}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{label}: not {what}: {_reason(error)}") from None
    require_plain(values, label)
    return values


def parse_yaml(text: str, label: str, yaml: Any) -> Any:
    """YAML of plain values by the package `yaml`; `label` names it in an `InputError`."""
    # The one in C, where the package has it, reads ten times as fast and gives the same.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_yaml(yaml.parse(text, loader), label, yaml)
        values = yaml.load(text, loader)
    except InputError:
        raise
    # Overflows are those of a float in base 60 (1:30:0.5), and in older versions of a date near the year 1 or 9999.
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, OverflowError) as error:
        if "maximum nesting depth" in str(error):  # the C library looks 1,024 characters ahead of what it hands over
            raise InputError(f"{label}: is nested more than {_MOST_LEVELS} levels deep") from None
        raise InputError(f"{label}: not YAML (templates must be rendered first): {_reason(error)}") from None
    require_plain(values, label, _MOST_OF_YAML)
    return values


def _check_yaml(events: Iterable[Any], label: str, yaml: Any) -> None:
    """Raise `InputError` where YAML is too deep or stands for too many values, before any of them is made.

    Each alias counts as all that its anchor holds: lists of aliases multiply where they are walked, merges (<<) in the
    loader itself.
    """
    total, sizes = 0, dict[str, int]()
    opened = list[tuple[str | None, int]]()  # the collections that an event is in: anchor, and the total before each
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = total - before
            continue
        if isinstance(event, yaml.AliasEvent):
            total += sizes.get(event.anchor, 1)  # 1 for one inside its own anchor
        elif isinstance(event, yaml.NodeEvent):
            total += 1
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > _MOST_DIGITS and _BASE_60.fullmatch(event.value):
            raise InputError(f"{label}: a number of {len(event.value):,} digits and colons, at most {_MOST_DIGITS:,}")
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, total - 1))
        if len(opened) > _MOST_LEVELS:  # the composer is recursive
            raise InputError(f"{label}: is nested more than {_MOST_LEVELS} levels deep")
        if total > _MOST_OF_YAML:
            raise InputError(f"{label}: holds more than {_MOST_OF_YAML:,} values")


def require_plain(values: Any, label: str, most: int | None = None) -> None:
    """Raise `InputError` for nests too deep, whole numbers that no machine word holds, and halves of characters.

    most  values that it may hold; None: those of TOML and JSON, which cannot repeat any
    """
    most, count = most or _MOST_VALUES, 0
    # A stack in place of recursion, so that depth is counted here and not ended by Python's own limit.
    stack = [(values, 0)]
    while stack:
        value, depth = stack.pop()
        count += 1
        if depth > _MOST_LEVELS:
            raise InputError(f"{label}: is nested more than {_MOST_LEVELS} levels deep")
        if count > most:
            raise InputError(f"{label}: holds more than {most:,} values")
        if isinstance(value, dict):
            stack += [(one, depth + 1) for pair in value.items() for one in pair]
        elif isinstance(value, list):
            stack += [(one, depth + 1) for one in value]
        elif isinstance(value, str):
            if not value.isascii() and _LONE_SURROGATE.search(value):
                raise InputError(f"{label}: a text holds half of a character (a lone surrogate)")
        elif isinstance(value, int) and abs(value) > _LARGEST:
            # By way of hex, since Python refuses to write out more than 4300 decimal digits; a hex digit is 1.2 decimal
            # ones.
            digits = f"a whole number of about {len(hex(abs(value))) * 6 // 5} digits"
            raise InputError(f"{label}: {digits} is too large: at most {_LARGEST}")


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    # Python's message on a number too long ends in advice to programmers.
    return " ".join(str(error).split()).partition("; use sys.set_int")[0][:200]
