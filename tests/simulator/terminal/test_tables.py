"""Tables on a terminal: nothing is cut at any width, losses inside busy PEs stand in them, notes stand once."""

import re
from dataclasses import replace

import pytest
from rich.table import Table

from dataflows.registry import create
from simulator.network_simulation import simulate
from simulator.reports.columns import notes_by_layers
from simulator.reports.metrics import MOST_LOST, flat
from simulator.terminal.reports import print_comparison, print_report
from simulator.terminal.tables import console, fitting
from workloads.catalog import load_workload

WIDTHS = (30, 60, 80, 100, 120, 160, 250)


@pytest.fixture(scope="module")
def reports():
    workload = (
        load_workload("alexnet@scnn").select("conv[13]").with_density(activations=0.5)
    )  # uniform: many empty lanes
    return simulate([create("scnn"), create("cambricon-x")], workload)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("factors", [False, True])
def test_a_number_is_never_cut(reports, capsys, monkeypatch, width, factors):
    monkeypatch.setenv("COLUMNS", str(width))
    print_comparison(reports, factors=factors)
    print_report(reports[0], factors=factors)
    out = capsys.readouterr().out
    assert "\u2026" not in out
    assert max(map(len, out.splitlines())) <= width
    for report in reports:
        assert re.search(rf"(?<![\d,]){report.total.cycles:,}(?![\d,])", out)
        assert f"{report.size['multipliers']:,}" in out
    if factors:  # in both tables and both legends
        assert out.count("skipped") >= 4


def test_a_wide_terminal_shows_everything(reports, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    print_comparison(reports)
    out = capsys.readouterr().out
    header = next(line for line in out.splitlines() if "cycles" in line)
    names = re.split(r" {2,}", header.strip())
    assert {"x size", "x skipped", "x util", "most lost to", "busy", "empty lanes", "imbalance", "unmapped"} <= set(
        names
    )
    assert {"multipliers", "clock GHz", "on-chip KiB", "GB/s", "bits"} <= set(re.split(r" {2,}", out.splitlines()[0]))


def test_empty_lanes_are_a_loss_of_their_own(reports):
    total = reports[0].total
    most, share = "empty lanes", total.fragmented_lanes / (total.multipliers * total.cycles)
    others = [cycles for cause, cycles in total.pe_cycle_stack.items() if cause != "busy"]
    assert share > max(others) / (total.pes * total.cycles)  # so that the row below says it
    assert MOST_LOST.text(flat(total.to_dict())) == f"{most} {100 * share:.1f}%"
    busy = total.pe_cycle_stack["busy"] / (total.pes * total.cycles)
    assert total.utilization + total.empty_lanes == pytest.approx(busy, rel=1e-12)


def test_a_comparison_prints_each_note_of_a_machine_once(reports, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    layers = [replace(layer, notes=("spills",)) for layer in (*reports[0].layers, *reports[0].layers)]
    both = [replace(reports[0], layers=tuple(layers)), reports[1]]
    print_comparison(both, notes=True)
    out = capsys.readouterr().out
    assert out.count("spills") == 1
    assert "  scnn: conv1 and 3 more layers: spills\n" in out
    others = notes_by_layers([layer.to_dict() for layer in reports[1].layers], alike=True)
    for note in others:
        assert out.count(f"  cambricon-x: {note}\n") == 1
    print_comparison(both)
    out = capsys.readouterr().out
    assert f"  scnn: conv1 and 3 more layers: spills\n  and {len(others)} more note" in out
    assert not any(note in out for note in others)


def test_notes_that_differ_in_numbers_are_one_in_a_comparison_and_each_its_own_in_a_run():
    layers = [{"name": name, "notes": notes} for name, notes in (
        ("a", ("2 chunks of 3",)), ("b", ("2 chunks of 3", "spills")), ("c", ("4 chunks of 1",)),
    )]  # fmt: skip
    assert notes_by_layers(layers) == ["a, b: 2 chunks of 3", "b: spills", "c: 4 chunks of 1"]
    assert notes_by_layers(layers, alike=True) == [
        "a and 2 more layers with other numbers: 2 chunks of 3", "b: spills",
    ]  # fmt: skip


def test_no_table_is_made_behind_the_one_that_fits(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    made = []

    def tables():
        for heading in ("much too long for the width", "short", "shorter"):
            made.append(heading)
            yield Table(heading)

    assert fitting(console(), tables()) == 1
    assert made == ["much too long for the width", "short"]
    assert "short" in capsys.readouterr().out
