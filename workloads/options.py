"""What is written NAME:KEY=VALUE,KEY=VALUE: options of a storage format, a pruning, a pattern.

Options are the fields of a frozen dataclass, each made by `whole`, `number`, `choice` or `text`, which state once what
it means, what is allowed and the default; reading, checking, writing and listing all take it from there. An option
whose default is None may be left out; it is then not written either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from workloads.errors import InputError, nearest

_KEY = "option"


@dataclass(frozen=True)
class _Number:
    meaning: str
    minimum: float
    maximum: float
    kind: type[int | float]

    def read(self, value: str) -> int | float:
        return self.kind(value)

    def fits(self, value: Any) -> bool:
        # A whole number passes where any number is wanted, a bool nowhere, though Python counts it as an int.
        numbers = int if self.kind is int else int | float
        right_type = isinstance(value, numbers) and not isinstance(value, bool)
        # NaN fails the comparisons by itself; infinity would pass where there is no upper end.
        return right_type and self.minimum <= value <= self.maximum and value != math.inf

    def demand(self, value: Any = None) -> str:
        del value
        kind = "a whole number" if self.kind is int else "a number"
        if self.maximum == math.inf:
            return f"must be {kind} of at least {self.minimum}"
        return f"must be {kind} between {self.minimum} and {self.maximum}"

    def allowed(self) -> str:
        return f" (at least {self.minimum})" if self.maximum == math.inf else f" ({self.minimum} to {self.maximum})"


@dataclass(frozen=True)
class _Choice:
    meaning: str
    words: tuple[str, ...]

    def read(self, value: str) -> str:
        return value

    def fits(self, value: Any) -> bool:
        return value in self.words

    def demand(self, value: Any = None) -> str:
        hint = nearest(str(value), self.words)
        return f"must be one of {', '.join(self.words)}" + (f"; {hint}" if hint.startswith("did") else "")

    def allowed(self) -> str:
        return f" ({', '.join(self.words)})"


@dataclass(frozen=True)
class _Text:
    meaning: str

    def read(self, value: str) -> str:
        return value

    def fits(self, value: Any) -> bool:
        return isinstance(value, str)

    def demand(self, value: Any = None) -> str:
        del value
        return f"must be {self.meaning}"

    def allowed(self) -> str:
        return ""


_Option = _Number | _Choice | _Text


def whole(meaning: str, minimum: int, maximum: float, default: Any = MISSING) -> Any:
    """A whole number: what it means and the range that is allowed, both ends included."""
    return _field(_Number(meaning, minimum, maximum, int), default)


def number(meaning: str, minimum: float, maximum: float, default: Any = MISSING) -> Any:
    """A number: what it means and the range that is allowed, both ends included; infinity never is."""
    return _field(_Number(meaning, minimum, maximum, float), default)


def choice(meaning: str, *words: str) -> Any:
    """One word out of several, the first being the default."""
    return _field(_Choice(meaning, words), words[0])


def text(meaning: str, default: Any = MISSING) -> Any:
    """A free text; whoever has the option checks it."""
    return _field(_Text(meaning), default)


def _field(option: _Option, default: Any) -> Any:
    metadata = {_KEY: option}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


def check(subject: str, chosen: Any) -> None:
    """Raise `InputError` when an option of a dataclass instance has a value of another type or outside its range.

    subject  how messages call the instance, such as "format 'csr'"
    """
    for one in fields(chosen):
        value, option = getattr(chosen, one.name), one.metadata[_KEY]
        # None is of no option's type; it is let pass where the default says that the option may be left out.
        if not (option.fits(value) or (value is None and one.default is None)):
            raise InputError(f"{subject}: {one.name} = {value!r}: {option.demand(value)}")


def pairs(subject: str, text: str, known: Iterable[str]) -> dict[str, str]:
    """The values of KEY=VALUE,KEY=VALUE by key. Raises `InputError` for another form, and for keys unknown or twice."""
    keys, found = list(known), dict[str, str]()
    # A comma at the end, or two in a row, leaves an empty part, which says nothing.
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = part.partition("=")
        require_known(subject, key, keys)
        if not equals:
            raise InputError(f"{subject}: '{part}' must have the form KEY=VALUE")
        if key in found:
            raise InputError(f"{subject}: key '{key}' is given twice")
        found[key] = value
    return found


def require_known(subject: str, key: str, known: Iterable[str]) -> None:
    """Raise `InputError` that names what is near, or known, unless a key is among those known."""
    keys = list(known)
    if key not in keys:
        raise InputError(f"{subject}: unknown key '{key}': {nearest(key, keys) if keys else 'it has no keys'}")


def parse(kind: str, known: Mapping[str, type[Any]], text: str) -> Any:
    """What NAME:KEY=VALUE,... names among those known; `kind` is what messages call it, such as "format"."""
    name, _, rest = text.partition(":")
    if name not in known:
        raise InputError(f"unknown {kind} '{name}': {nearest(name, known)}")
    return read(f"{kind} '{name}'", known[name], rest)


def read(subject: str, chosen: type[Any], text: str) -> Any:
    """An instance of a dataclass from KEY=VALUE,KEY=VALUE. Raises `InputError` that names what is near or allowed."""
    options = _options(chosen)
    values: dict[str, Any] = {}
    for key, value in pairs(subject, text, options).items():
        try:
            values[key] = options[key].read(value)
        except ValueError:
            raise InputError(f"{subject}: {key} = {value!r}: {options[key].demand(value)}") from None
    return make(subject, chosen, values)


def make(subject: str, chosen: type[Any], values: Mapping[str, Any]) -> Any:
    """An instance of a dataclass, which checks its values itself, from values by key; raises `InputError`."""
    options = _options(chosen)
    # Unknown keys before missing ones: a key that is misspelt is both, and its near name says more.
    for key in values:
        require_known(subject, key, options)
    for one in fields(chosen):
        if one.name not in values and one.default is MISSING:
            raise InputError(f"{subject}: key '{one.name}' is missing: {options[one.name].demand()}")
    return chosen(**values)


def written(chosen: Any) -> str:
    """KEY=VALUE,KEY=VALUE as `read` takes it: every number, and the texts that are not the default."""
    values = [(one, getattr(chosen, one.name)) for one in fields(chosen)]
    return ",".join(
        f"{one.name}={value}"
        for one, value in values
        if value is not None and (isinstance(one.metadata[_KEY], _Number) or value != one.default)
    )


def described(chosen: type[Any]) -> tuple[str, ...]:
    """KEY=DEFAULT: what it means (what is allowed), for each option."""
    lines = []
    for one in fields(chosen):
        option = one.metadata[_KEY]
        default = "" if one.default in (MISSING, None, "") else f"={one.default}"
        lines.append(f"{one.name}{default}: {option.meaning}{option.allowed()}")
    return tuple(lines)


def _options(chosen: type[Any]) -> dict[str, _Option]:
    return {one.name: one.metadata[_KEY] for one in fields(chosen)}
