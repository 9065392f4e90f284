"""`prunesim run` and `compare` of networks as one run."""

import json

import pytest

from simulator.observers.timeline import LAYERS

ALEXNET = ("alexnet", "--layers", "conv[12]", "--on", "structured")


def spans(timeline):
    events = json.loads(timeline.read_text())["traceEvents"]
    return [(one["name"], one["args"]["cycles"]) for one in events if one["ph"] == "X" and one["pid"] == LAYERS]


@pytest.mark.parametrize("overlap", ["none", "serial", "tiles"])
def test_a_timeline_draws_what_the_report_says(cli, tmp_path, overlap):
    timeline, report = tmp_path / "t.json", tmp_path / "r.json"
    cli("run", *ALEXNET, "--set", f"overlap={overlap}", "--timeline", timeline, "--json", report)
    network = json.loads(report.read_text())["network"]
    assert spans(timeline) == [(one["name"], one["end_cycle"] - one["start_cycle"]) for one in network["layers"]]


def test_a_run_prints_its_network_under_its_layers(cli):
    out = cli("run", *ALEXNET).out
    assert out.index("all layers as one run") > out.index("total")
    assert "layers alone" in out
    assert "all layers as one run" not in cli("run", *ALEXNET, "--set", "overlap=none").out


def test_a_csv_has_the_network_in_its_last_row(cli):
    head, *rows = cli("run", *ALEXNET, "--csv", "-").out.splitlines()
    column = head.split(",").index("network.cycles")
    assert [bool(row.split(",")[column]) for row in rows] == [False, False, True]


def test_requests_of_a_trace_are_those_of_the_layers_alone(cli, tmp_path):
    traces = [tmp_path / "none.trace", tmp_path / "tiles.trace"]
    for overlap, trace in zip(("none", "tiles"), traces, strict=True):
        settings = ("--set", "dram.kind=banked", "--set", f"overlap={overlap}")
        cli(
            "run",
            "alexnet",
            "--layers",
            "fc[78]",
            "--on",
            "structured",
            *settings,
            "--dram-trace",
            f"ramulator2:{trace}",
        )
    assert traces[0].read_text() == traces[1].read_text()


def test_another_overlap_is_refused_with_what_there_is(cli):
    done = cli("run", *ALEXNET, "--set", "overlap=all")
    message = "structured --set: overlap = 'all': must be 'none', 'serial', 'weights' or 'tiles'"
    assert (done.code, done.err) == (2, f"prunesim: {message}\n")
