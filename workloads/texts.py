"""The one reader of TOML, JSON and YAML, and the one writer of TOML.

What is read stays within bounds of size, depth and digits; a fault is one line with the file.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workloads.errors import InputError
from workloads.files import TEXT_LIMIT_BYTES, read_bytes, read_text

MOST_PARTS = 100  # of a dotted key
_MOST_LEVELS = 100  # of tables and lists inside one another
_MOST_VALUES = 10_000_000  # counted where they are used, so that YAML's aliases cannot multiply
_MOST_OF_YAML = 100_000  # likewise: a file of a few lines may stand for any number
_LARGEST = (1 << 63) - 1
# More parts joined by dots than a key may have. Possessive, so that no text makes it slow.
_LONG_KEY = re.compile(rf"""(?<![\w-])(?:(?:"[^"\n]*+"|'[^'\n]*+'|[\w-]++)[ \t]*+\.[ \t]*+){{{MOST_PARTS}}}""")


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dictionary. Raises `InputError` naming the file when it cannot be read or parsed."""
    return parse_toml(read_text(path), str(path))


def parse_toml(text: str, label: str) -> dict[str, Any]:
    """TOML as a dictionary; `label` names it in an `InputError`."""
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
    depth = 0
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MOST_LEVELS:  # before its composer, which is recursive, sees them
                raise InputError(f"{label}: is nested more than {_MOST_LEVELS} levels deep")  # noqa: TRY301
        values = yaml.safe_load(text)
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise InputError(f"{label}: not YAML (templates must be rendered first): {_reason(error)}") from None
    require_plain(values, label, _MOST_OF_YAML)
    return values


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
