"""docs/machines.md speaks of every machine, in each of its tables."""

import re

import pytest

from dataflows.registry import machines
from tests.project import ROOT

TEXT = (ROOT / "docs" / "machines.md").read_text()
TABLES = {section.partition("\n")[0]: section for section in TEXT.split("\n## ")[1:]}


@pytest.mark.parametrize("table", ["Groups", "Weights", "Maps"])
def test_every_machine_has_one_row(table):
    first_cells = re.findall(r"^\| (`[^|]*) \|", TABLES[table], re.MULTILINE)
    named = [name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)]
    assert sorted(named) == sorted(machines())


def test_machines_with_a_setting_for_groups_are_those_of_the_table():
    rows = re.findall(r"^\| `([^`]+)` \| setting", TABLES["Groups"], re.MULTILINE)
    assert sorted(rows) == sorted(name for name, found in machines().items() if "groups" in found.Spec.model_fields)
