"""docs/machines.md speaks of every machine, in each of its tables."""

import re

import pytest

from dataflows.registry import machines
from tests.project import ROOT

TEXT = (ROOT / "docs" / "machines.md").read_text()
TABLES = {section.partition("\n")[0]: section for section in TEXT.split("\n## ")[1:]}


@pytest.mark.parametrize("table", ["Groups", "Weights", "Maps", "Products of two activations"])
def test_every_machine_has_one_row(table):
    first_cells = re.findall(r"^\| (`[^|]*) \|", TABLES[table], re.MULTILINE)
    named = [name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)]
    assert sorted(named) == sorted(machines())


def test_machines_with_a_setting_for_groups_are_those_of_the_table():
    rows = re.findall(r"^\| `([^`]+)` \| setting", TABLES["Groups"], re.MULTILINE)
    assert sorted(rows) == sorted(name for name, found in machines().items() if "groups" in found.Spec.model_fields)


def test_the_table_of_attention_says_which_machines_refuse_it():
    rows = re.findall(r"^\| (`[^|]*) \| ([^|]*) \|", TABLES["Products of two activations"], re.MULTILINE)
    said = {name: answer for cell, answer in rows for name in re.findall(r"`([^`]+)`", cell)}
    for name, found in machines().items():
        refuses = said[name] in ("no", "its dense design alone")
        assert refuses == (found.needs_constant_weights is not None), name
