"""What the site adds to the pages in docs/; building it whole is `make docs`."""

from importlib import import_module
from xml.etree import ElementTree as ET

import pytest

from dataflows.registry import machine, machines
from tests.project import ROOT


@pytest.fixture(autouse=True)
def _found(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")


@pytest.fixture
def machine_page():
    return import_module("machine_page")


@pytest.mark.parametrize("name", machines())
def test_every_machine_has_its_page_and_its_picture(machine_page, name):
    chosen = machine(name)
    page = machine_page.markdown(chosen)
    for key in chosen.Spec.model_fields:
        assert f"`{key}" in page
    for heading in ("## Parameters", "## What it can run", "## Published against simulated"):
        assert heading in page
    assert all(line.count("|") >= 4 for line in page.splitlines() if line.startswith("|"))
    texts = [one.text for one in ET.fromstring(machine_page.picture(chosen)).iter() if one.text]
    assert "DRAM" in texts
    assert any("PE" in text and "multiplier" in text for text in texts)


def test_a_page_says_what_a_machine_cannot_run_and_where_figures_leave_their_goals(machine_page):
    page = machine_page.markdown(machine("eie"))
    assert "| 3x3 convolutions | no | it multiplies a matrix by vectors" in page
    assert "| fully connected layers | yes |" in page
    scnn = machine_page.markdown(machine("scnn"))
    assert "| `scnn-alexnet-conv2` |" in scnn
    assert "(-10.8%)" in scnn
    assert "within 10 %" in scnn


def test_links_lead_to_pages_of_the_site():
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: make docs")
    hooks = import_module("hooks")

    def led(text, source):
        return hooks._LINK.sub(lambda found: hooks._led(found, source, "x.md"), text)

    assert led("[plots](docs/plots.md#kinds)", "README.md") == "[plots](plots.md#kinds)"
    assert led("[why](../DEVIATIONS.md)", "docs/results.md") == "[why](deviations.md)"
    assert led("[a file](../pyproject.toml)", "docs/results.md") == "a file (`pyproject.toml`)"
    assert led("[out](https://example.org/a)", "README.md") == "[out](https://example.org/a)"
