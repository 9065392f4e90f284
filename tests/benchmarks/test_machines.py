"""The comparison of all machines at one size: each reaches it or says why not, and the tables hold what was computed."""

import re
import tempfile

import pytest

from benchmarks import results
from benchmarks.experiments import machine_pictures, machines
from dataflows import registry

SOME = ("dcnn", "eie", "ideal", "scnn", "structured")


@pytest.fixture
def few(monkeypatch, tmp_path):
    """A few machines on a few small layers, computed in a folder of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(machines, "machines", lambda: {name: registry.machine(name) for name in SOME})
    monkeypatch.setattr(
        machines, "NETWORKS", {"one": ("alexnet@scnn", "conv3"), "two": ("alexnet@deep-compression", "fc8")}
    )
    monkeypatch.setattr(machines, "SWEPT", ("alexnet@scnn", "conv[34]"))
    monkeypatch.setattr(machines, "DENSITIES", (0.1, 1.0))
    machines.results.cache_clear()
    yield
    machines.results.cache_clear()


def test_every_machine_reaches_the_size_or_says_why_not():
    header, *rows = machines.sizes()
    assert [row[0].strip("`") for row in rows] == list(registry.machines())
    for row in rows:
        values = dict(zip(header, row, strict=True))
        multipliers = int(values["multipliers"].replace(",", ""))
        assert 900 <= multipliers <= 1024
        assert (multipliers == 1024) != ("multipliers:" in values["cannot"])
        assert values["on chip KiB"] in ("1,024", "1,023") or "on_chip_kib:" in values["cannot"]


@pytest.mark.usefixtures("few")
def test_tables_order_by_time_and_divide_by_the_common_machine():
    header, *rows = machines.network("one")
    assert {row[0] for row in rows} == {f"`{name}`" for name in SOME if name != "eie"}
    times = [float(row[header.index("ms")]) for row in rows]
    assert times == sorted(times)
    by_name = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert by_name["`dcnn`"]["over `dcnn`"] == by_name["`dcnn`"]["mJ of `dcnn`"] == "1.00"
    for row in by_name.values():
        over = float(by_name["`dcnn`"]["ms"]) / float(row["ms"])
        assert float(row["over `dcnn`"]) == pytest.approx(over, abs=0.006 + 0.02 * over)
    assert any("eie cannot run layer 'conv3'" in reason for _, reason in machines.results("networks").refused)


@pytest.mark.usefixtures("few")
def test_means_and_the_picture_are_of_the_networks_that_a_machine_runs(tmp_path):
    found = {"one": {"a": 2.0, "b": 1.0}, "two": {"a": 8.0}}
    assert machines.means(found) == pytest.approx({"a": 4.0, "b": 1.0})
    assert set(machines.order()) == {"one", "two"}
    assert "eie" not in machines.order()["one"]
    assert "eie" in machines.order()["two"]
    machine_pictures.save(machine_pictures.on_networks(""), tmp_path / "networks.svg")
    texts = re.findall(r">([a-z-]+)</text>", (tmp_path / "networks.svg").read_text())
    assert {*SOME, "one", "two"} <= set(texts)


@pytest.mark.usefixtures("few")
def test_over_density_machines_stand_in_the_order_of_the_sparsest_and_no_zero_costs_time(tmp_path):
    header, *rows = machines.over_density()
    assert header == ("machine", "0.1", "1")
    sparsest = [float(row[1]) for row in rows]
    assert sparsest == sorted(sparsest, reverse=True)
    assert list(machines.slower_with_zeros()) == []
    machine_pictures.save(machine_pictures.over_density(), tmp_path / "densities.svg")
    titles = re.findall(r">(zeros [a-z ]+)<", (tmp_path / "densities.svg").read_text())
    assert len(titles) == 3


def test_a_group_stands_for_its_tables():
    known = [*results.TABLES, *results.WITH_MASKS]
    named = results.named(["machines", "serving"], known)
    assert named[-1] == "serving"
    assert "machines-order" in named
    assert all(name.startswith("machines-") for name in named[:-1])
