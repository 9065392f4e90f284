"""What can go wrong with something a user gave.

PrunesimError (ValueError)         one clear line; the command prints it and exits with 2
├── InputError                     a file, a key or a value cannot be used
└── UnsupportedLayerError          the machine cannot run this layer, and why
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

MOST_FAULTS = 50  # that are told at once; of further ones only the number, so that no near names are looked for
_MOST_NAMES = 40  # beyond them a list is no help
_LONGEST_VALUE = 200  # characters, likewise


class PrunesimError(ValueError):
    """Base of the errors whose text is meant for a user."""


class InputError(PrunesimError):
    """A file, a key or a value cannot be used."""


class UnsupportedLayerError(PrunesimError):
    """A machine cannot run a layer; the text says why the real machine could not."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A ready-made clause naming the nearest known name, or all of them when none is near."""
    names = sorted(known)
    alike = [other for other in names if other.casefold() == name.casefold()]
    # A ratio of a half finds swapped and missing letters; below it, all names together help more than a far one.
    close = alike or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known: {listed(names, _MOST_NAMES)}"


def shown(value: Any) -> str:
    """A value as Python writes it, cut where it is long: a user's file may hold a list where a number should be."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    # Five layers are told as "a, b, c and 2 more".
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
