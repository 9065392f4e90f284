"""Prices of a user's own, as Accelergy writes and reads them: a YAML file of an ERT, an ART, or both.

ERT: `tables` of a `name` and `actions`, each with a `name` and an `energy` (pJ of one action of one component; action
`leak`: pJ of one component in a cycle). ART: `tables` of a `name` and an `area` (um2 of one component). A name is that
of a component of the machine, with or without the path before it and the range behind it (`chip.pe[1..9].multipliers`),
a glob of such names, or `kind:sram` for all components of a kind. A later table wins; what none names keeps the price
of the tables that ship.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

from dataflows.accelerator import Accelerator
from dataflows.hardware.components import Component
from workloads.errors import InputError, nearest
from workloads.files import read_text
from workloads.texts import parse_yaml

LEAK = "leak"
_RANGE = re.compile(r"\[\d+(\.\.\d+)?\]")
_KIND = "kind:"


@dataclass(frozen=True)
class OwnTables:
    """What a file says of one machine.

    action_pj  by component and action, "leak" (a cycle of one component) among the actions
    area_um2   of one component, by its name
    """

    action_pj: dict[tuple[str, str], float]
    area_um2: dict[str, float]

    @classmethod
    def read(cls, path: str, accelerator: Accelerator, *, required: bool = True) -> Self:
        """The prices of a file for a machine. Raises `InputError` with a line for the first fault.

        required  refuse a file that names none of the machine's components
        """
        from workloads.importers.imported import require  # noqa: PLC0415 (only a user's own file needs it)

        data = parse_yaml(read_text(Path(path)), path, require("yaml", "files", "energy tables"))
        if not isinstance(data, dict) or not {"ERT", "ART"} & data.keys():
            raise InputError(f"{path}: has neither 'ERT' nor 'ART'")
        components = accelerator.components()
        own = cls({}, {})
        found = [own._take_energy(components, *row) for row in _tables(data, "ERT", path)]
        found += [own._take_area(components, *row) for row in _tables(data, "ART", path)]
        if required and not any(found):
            known = ", ".join(component.name for component in components)
            raise InputError(f"{path}: names no component of {accelerator.name}: {known}")
        return own

    def _take_energy(self, components: tuple[Component, ...], place: str, name: str, table: dict[str, Any]) -> bool:
        """Take a table's actions for the components that it names; whether there are any."""
        named = [component for component in components if _names(name, component)]
        actions = table.get("actions")
        if not isinstance(actions, list):
            raise InputError(f"{place}.actions: must be a list")
        for number, row in enumerate(actions):
            at = f"{place}.actions.{number}"
            if not isinstance(row, dict) or not isinstance(row.get("name"), str):
                raise InputError(f"{at}: must have a 'name'")
            price = _figure(row, "energy", at)
            for component in named:
                known = {action.value for action in component.kind.actions} | {LEAK}
                if row["name"] not in known:
                    raise InputError(
                        f"{at}.name = '{row['name']}': no action of {component.name}: {nearest(row['name'], known)}"
                    )
                self.action_pj[component.name, row["name"]] = price
        return bool(named)

    def _take_area(self, components: tuple[Component, ...], place: str, name: str, table: dict[str, Any]) -> bool:
        named = [component for component in components if _names(name, component)]
        area = _figure(table, "area", place)
        self.area_um2.update({component.name: area for component in named})
        return bool(named)


def _names(name: str, component: Component) -> bool:
    """Whether a table is about a component: by its kind, or by its name behind the last dot, ranges left out."""
    if name.startswith(_KIND):
        return name.removeprefix(_KIND) == component.kind.value
    return fnmatchcase(component.name, _RANGE.sub("", name).rpartition(".")[2])


def _tables(data: Mapping[str, Any], part: str, path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Place, name and content of each table of a part, where the file has it."""
    if part not in data:
        return
    content = data[part]
    tables = content.get("tables") if isinstance(content, dict) else None
    if not isinstance(tables, list):
        raise InputError(f"{path}: {part}.tables: must be a list")
    for number, table in enumerate(tables):
        place = f"{path}: {part}.tables.{number}"
        if not isinstance(table, dict) or not isinstance(table.get("name"), str):
            raise InputError(f"{place}: must have a 'name'")
        yield place, table["name"], table


def _figure(row: Mapping[str, Any], key: str, place: str) -> float:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InputError(f"{place}.{key} = {value!r}: must be a number of at least 0")
    return float(value)
