"""Names that people give: layers, networks, machines. They end in tables, pages, pictures and spreadsheets."""

from __future__ import annotations

import hashlib

from workloads.errors import InputError

LONGEST_NAME = 200
LONGEST_TEXT = 1000  # a title, a note, where something comes from


def require_name(what: str, name: object) -> None:
    """Raise `InputError` unless it is a text of 1 to 200 printable characters."""
    if not isinstance(name, str) or not name:
        raise InputError(f"{what} {name!r:.60}: name must be a non-empty text")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(f"{what} {name!r:.60}: name must be at most {LONGEST_NAME} printable characters")


def require_title(what: str, text: str) -> None:
    """Raise `InputError` unless lines of at most 200 printable characters in all."""
    if len(text) > LONGEST_NAME or not all(line.isprintable() for line in text.split("\n")):
        raise InputError(
            f"{what} {text!r:.60}: must be at most {LONGEST_NAME} printable characters, in one line or several"
        )


def plain_name(text: str, longest: int = LONGEST_NAME) -> str:
    """A text that is no good name as one: what cannot be printed is replaced, and what is too long is cut.

    A cut name ends with a digest of the whole, so that two long names stay two.
    """
    plain = text if text.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in text)
    if len(plain) <= longest:
        return plain
    # 8 hex digits and the tilde fit inside the longest name. Lone surrogates are no UTF-8 and are let pass here.
    # 205 characters become the first 191, a tilde and 8 digits, which are 200.
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{plain[: longest - len(digest) - 1]}~{digest}"


def shown(text: str) -> str:
    """A line of a message, with what cannot be printed written as an escape: it must not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
