"""Descriptions as files, and as dictionaries: each is a machine like any other, of which it gives the class."""

from __future__ import annotations

import re
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model

from dataflows.described.machine import Described
from dataflows.described.spec import DescriptionSpec
from dataflows.faults import faults
from workloads.errors import InputError, shown
from workloads.files import read_text
from workloads.texts import parse_toml

_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")
_MOST_TITLE = 200


def described_machine(description: str | Path | dict[str, Any]) -> type[Described]:
    """The machine of a description: a file, or its tables as a dictionary.

    The same text makes the same class. Raises `InputError` with a line for each fault, which names file and key.
    """
    if isinstance(description, dict):
        return _made(description, "description")
    return _of_text(str(description), read_text(Path(description)))


@lru_cache(maxsize=256)
def _of_text(path: str, text: str) -> type[Described]:
    return _made(parse_toml(text, path), path)


def _made(given: dict[str, Any], source: str) -> type[Described]:
    values = dict(given)
    name, title = values.pop("name", None), values.pop("title", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        what = "missing" if name is None else f"{shown(name)}"
        raise InputError(f"{source}: name: {what}, must be a text of small letters, digits, '-', '+' and '.'")
    if not isinstance(title, str) or len(title) > _MOST_TITLE or "\n" in title:
        raise InputError(f"{source}: title = {shown(title)}: must be a line of at most {_MOST_TITLE} characters")
    try:
        spec = DescriptionSpec.model_validate(values)
    except ValidationError as error:
        raise InputError(faults(error, DescriptionSpec, source)) from None
    machine = type(
        "".join(part.capitalize() for part in re.split(r"\W", name)) or "Machine",
        (Described,),
        {"Spec": _with_defaults(spec), "skips_zeros": spec.skip.operand != "none", "title": title or name},
    )
    # Not in the class body, which would put it among the machines of the package.
    machine.name = name
    return machine


def _with_defaults(spec: DescriptionSpec) -> type[DescriptionSpec]:
    """A spec whose defaults are those of a description."""
    fields: dict[str, Any] = {}
    for key in spec.model_fields_set:
        field = copy(DescriptionSpec.model_fields[key])
        field.default = getattr(spec, key)
        fields[key] = (field.annotation, field)
    return create_model("Description", __base__=DescriptionSpec, **fields)
