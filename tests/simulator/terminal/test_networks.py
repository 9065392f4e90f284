"""What a terminal says of a network as one run."""

import pytest

from dataflows.registry import create
from simulator.network.roles import NO_GRAPH
from simulator.network_simulation import simulate
from simulator.terminal.networks import print_network
from simulator.terminal.reports import print_comparison
from tests.simulator.network.graphs import BLOCK, POOLED
from tests.simulator.network.workloads import network


def printed(capsys, monkeypatch, workload, width=160, **settings):
    monkeypatch.setenv("COLUMNS", str(width))
    (report,) = simulate([create("structured", settings)], workload)
    print_network(report)
    return report, capsys.readouterr().out


@pytest.mark.parametrize("width", [30, 60, 80, 160])
def test_layers_alone_and_one_run_stand_beside_each_other_and_nothing_is_cut(capsys, monkeypatch, width):
    report, out = printed(capsys, monkeypatch, network(BLOCK), width)
    assert f"{report.total.cycles:,}" in out
    assert f"{report.network.cycles:,}" in out
    assert f"{report.network.gain:.3f}" in out
    assert "\u2026" not in out
    assert max(map(len, out.splitlines())) <= width


def test_machines_whose_pes_have_no_empty_lanes_are_shown(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    (report,) = simulate([create("sparten")], network(BLOCK))
    print_network(report)
    out = capsys.readouterr().out
    assert f"{report.network.cycles:,}" in out
    assert "empty lanes" not in out


def test_poolings_by_themselves_are_told(capsys, monkeypatch):
    report, out = printed(capsys, monkeypatch, network(POOLED), pooling="memory")
    assert f"poolings by themselves: 1 (p), {report.network.layers[1].cycles:,} cycles" in out
    assert "overlap=weights, pooling=memory" in out


def test_an_unknown_graph_is_told(capsys, monkeypatch):
    assert NO_GRAPH in printed(capsys, monkeypatch, network(None))[1]


def test_nothing_is_said_where_nothing_lies_between_layers(capsys, monkeypatch):
    assert printed(capsys, monkeypatch, network(BLOCK), overlap="none")[1] == ""
    assert printed(capsys, monkeypatch, network(BLOCK).select("a"))[1] == ""


def test_a_comparison_has_the_networks_time(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    reports = simulate([create("structured"), create("scnn")], network(BLOCK))
    print_comparison(reports)
    out = capsys.readouterr().out
    assert "network ms" in out
    assert "all layers as one run" in out
    assert f"{reports[0].network.time_us / 1000:.3f}" in out
