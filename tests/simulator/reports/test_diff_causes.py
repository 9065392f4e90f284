"""What a difference says first, what goes with what, and which changes are for the worse."""

import copy
import io
import json
import sys
from types import SimpleNamespace

import pytest

from simulator.reports.diff import Tolerances, difference
from simulator.reports.diff_causes import causes_of
from simulator.reports.metrics import sense_of

PES = 64


def measures(name, cycles, **stack):
    busy = PES * cycles - sum(stack.values())
    causes = dict.fromkeys(("index", "bank_conflict", "drain", "imbalance", "memory", "port", "buffer", "fill"), 0)
    return {
        "name": name, "cycles": cycles, "time_us": cycles / 1000, "utilization": 1000 / cycles, "speedup": 5000 / cycles,
        "pe_cycle_stack": {"busy": busy, **causes, "unmapped": 0, **stack},
        "dram": {"read_bytes": 900, "write_bytes": 100, "row_conflicts": 0, "efficiency": 500 / cycles},
    }  # fmt: skip


def report(*layers, total=None, machine="scnn"):
    layers = layers or (measures("a", 1000, bank_conflict=400), measures("b", 9000, bank_conflict=3440))
    return {
        "schema": 1,
        "accelerator": {"name": machine},
        "workload": {"name": "net", "prunings": []},
        "seed": 0,
        "layers": copy.deepcopy(list(layers)),
        "total": total or measures("total", 10_000, bank_conflict=3840),
    }


@pytest.fixture
def slower():
    """Layer b and the total 340 cycles slower, 13,000 PE-cycles of bank conflicts more, and three row conflicts."""
    new = report(
        measures("a", 1000, bank_conflict=400),
        measures("b", 9340, bank_conflict=16_440),
        total=measures("total", 10_340, bank_conflict=16_840),
    )
    new["total"]["dram"]["row_conflicts"] = new["layers"][1]["dram"]["row_conflicts"] = 3
    return new


def test_the_headline_says_how_much_slower_and_where_the_pe_cycles_went(slower):
    # 3,840 of 640,000 and 16,840 of 661,760 PE-cycles
    (line,) = difference([report()], [slower], Tolerances()).headlines
    assert line == "scnn 3.4 % slower, bank conflict 0.6 -> 2.5 % of PE-cycles"
    (back,) = difference([slower], [report()], Tolerances()).headlines
    assert back == "scnn 3.3 % faster, bank conflict 2.5 -> 0.6 % of PE-cycles"


def test_the_headline_tells_traffic_and_tiny_changes_and_other_layers():
    new = report()
    new["total"]["dram"]["read_bytes"] = 950
    assert difference([report()], [new], Tolerances()).headlines == ("scnn as fast as before, DRAM traffic +5.0 %",)
    new = report(total=measures("total", 10_001, bank_conflict=3840))
    assert difference([report()], [new], Tolerances()).headlines == ("scnn 0.01 % slower",)
    new = report(measures("a", 1000, bank_conflict=400), total=measures("total", 1000, bank_conflict=400))
    assert difference([report()], [new], Tolerances()).headlines == (
        "scnn: the reports hold different layers, so that their totals cannot be compared",
    )


def test_a_count_that_was_zero_does_not_come_before_cycles(slower):
    found = difference([report()], [slower], Tolerances())
    causes = causes_of(found.changes)
    assert [(cause.first.layer, cause.first.metric) for cause in causes] == [
        ("total", "cycles"), ("total", "dram.row_conflicts"),
    ]  # fmt: skip
    assert causes[0].layers == ("b",)
    # time, utilization, speedup, efficiency, bank conflicts and busy, of the layer and of the total
    assert causes[0].more == 12
    assert causes[1].first.effect is None


def test_of_a_cause_of_pe_cycles_the_effect_is_over_all_of_them(slower):
    found = difference([report()], [slower], Tolerances())
    change = next(c for c in found.changes if c.metric == "pe_cycle_stack.bank_conflict" and c.layer == "total")
    assert change.effect == pytest.approx(13_000 / 640_000)


def test_what_fails_comes_first_and_is_never_told_with_what_is_tolerated(slower):
    found = difference([report()], [slower], Tolerances.parse(["1", "speedup=1%", "dram.row_conflicts=inf"]))
    assert [change.tolerated for change in found.changes] == [False] * 4 + [True] * 12
    causes = causes_of(found.changes)
    # of the layer and of the total: cycles, which both follow, are tolerated; bank conflicts more than doubled
    failing = {cause.first.metric for cause in causes if not cause.first.tolerated}
    assert failing == {"speedup", "pe_cycle_stack.bank_conflict"}


def test_what_is_worse_is_not_told_with_what_is_better(slower):
    old = copy.deepcopy(slower)
    faster = report()
    for row in (faster["layers"][1], faster["total"]):
        row["pe_cycle_stack"]["memory"] = 700
    found = difference([old], [faster], Tolerances())
    alone = {cause.first.metric: cause.first.sense for cause in causes_of(found.changes)}
    assert alone == {"pe_cycle_stack.memory": -1, "cycles": 1, "dram.row_conflicts": 1}


def test_worse_only_passes_over_what_became_better_and_what_follows_it(slower):
    assert difference([slower], [report()], Tolerances()).worse_only().accepted
    assert not difference([report()], [slower], Tolerances()).worse_only().accepted
    found = difference([report()], [slower], Tolerances()).worse_only()
    assert {change.sense for change in found.changes} == {-1}
    # fewer products issued in the same time: utilization falls, and nothing is lost
    old, new = report(), report()
    for row, issued in ((old["total"], 1000), (new["total"], 900)):
        row["issued_macs"], row["utilization"] = issued, issued / 10_000
    assert difference([old], [new], Tolerances()).worse_only().accepted
    assert not difference([new], [old], Tolerances()).worse_only().accepted
    # the size of the work is neither
    new = report()
    new["total"]["tiles"], old["total"]["tiles"] = 3, 2
    old["total"].pop("issued_macs")
    new["total"]["utilization"] = old["total"]["utilization"]
    assert difference([old], [new], Tolerances()).worse_only().accepted


def test_worse_only_keeps_what_is_missing_and_what_lost_its_number():
    new = report()
    new["total"]["speedup"] = None
    assert not difference([report()], [new], Tolerances.parse(["9"])).worse_only().accepted
    assert not difference([report(), report(machine="dcnn")], [report()], Tolerances()).worse_only().accepted


@pytest.mark.parametrize(
    ("column", "sense"),
    [
        ("cycles", -1), ("time_us", -1), ("speedup", 1), ("utilization", 1), ("effectual_utilization", 1),
        ("pe_cycle_stack.memory", -1), ("pe_cycle_stack.busy", 0), ("load_imbalance", -1), ("empty_lanes", -1),
        ("dram.read_bytes", -1), ("dram.tensors.input.burst_bytes", -1), ("dram.efficiency", 1), ("dram.row_hits", 0),
        ("dram.tensors.weight.row_hits", 0), ("dram.row_misses", -1), ("weight_density", 0), ("multipliers", 0),
        ("dense_cycles", 0), ("speedup_factors.skipped", 1), ("speedup_factors.utilization", 1), ("spills", -1),
        ("speedup_factors.size", 0), ("bound_ratio", -1), ("issued_macs", -1), ("dram.peak_gbs", 0),
    ],
)  # fmt: skip
def test_each_metric_knows_its_good_direction(column, sense):
    assert sense_of(column) == sense


@pytest.fixture
def files(tmp_path, slower):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(report()))
    new.write_text(json.dumps(slower))
    return old, new


def test_the_command_prints_causes_and_on_request_each_change(cli, files):
    few = cli("diff", *files)
    assert few.code == 1
    assert [line.rstrip() for line in few.out.splitlines()] == [
        "scnn 3.4 % slower, bank conflict 0.6 -> 2.5 % of PE-cycles",
        "layer  metric                 old     new  change  effect         with it",
        "total  cycles              10,000  10,340  +3.4 %   3.4 %  worse  b; 12 metrics",
        "total  dram.row_conflicts       0       3     new       -  worse  b",
        "  --all shows each layer and metric by itself",
        "16 metrics moved, 16 beyond tolerance (14 worse, 2 neither); 0 missing",
    ]
    assert cli("diff", *files, "--all").out.count("\ntotal ") == 8


def test_rows_limits_what_is_tolerated_and_never_what_fails(cli, files):
    tolerances = ("--tolerance", "inf", "--tolerance", "cycles=1%")
    lines = cli("diff", *files, *tolerances, "--rows", 0, "--all").out.splitlines()
    assert [line.split()[:2] for line in lines[2:4]] == [["total", "cycles"], ["b", "cycles"]]
    assert lines[4] == "  and 14 more rows of what is tolerated (--rows shows more)"


def test_worse_only_decides_the_exit_code(cli, files):
    old, new = files
    assert cli("diff", new, old).code == 1
    result = cli("diff", new, old, "--worse-only")
    assert (result.code, result.out.splitlines()[-1]) == (
        0, "0 metrics moved for the worse, 0 beyond tolerance; 0 missing"
    )  # fmt: skip
    assert cli("diff", old, new, "--worse-only", "--tolerance", "5%").code == 1
    assert cli("diff", old, new, "--worse-only", "--tolerance", "inf").code == 0


def test_json_holds_every_change(cli, files, tmp_path):
    data = json.loads(cli("diff", *files, "--json", "-").out)
    assert (data["accepted"], data["missing"], len(data["changes"])) == (False, [], 16)
    assert data["changes"][0] == {
        "accelerator": "scnn", "layer": "total", "metric": "cycles", "old": 10_000, "new": 10_340,
        "relative": pytest.approx(0.034), "effect": pytest.approx(0.034), "sense": "worse", "tolerated": False,
        "follows": None,
    }  # fmt: skip
    speedup = next(change for change in data["changes"] if change["metric"] == "speedup")
    assert speedup["follows"] == "cycles"
    conflicts = next(change for change in data["changes"] if change["metric"] == "dram.row_conflicts")
    assert (conflicts["relative"], conflicts["effect"]) == (None, None)
    result = cli("diff", *files, "--json", tmp_path / "d.json")
    assert result.err == f"wrote {tmp_path / 'd.json'}\n"
    assert json.loads((tmp_path / "d.json").read_text()) == data


def test_a_report_may_come_from_standard_input(cli, files, monkeypatch):
    old, new = files

    def give(text):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))

    give(new.read_bytes())
    assert cli("diff", old, "-").out == cli("diff", old, new).out
    give(b"nothing")
    result = cli("diff", "-", old)
    assert (result.code, result.err) == (
        2, "prunesim: standard input: not a JSON report: Expecting value: line 1 column 1 (char 0)\n"
    )  # fmt: skip
    both = cli("diff", "-", "-")
    assert (both.code, both.err) == (2, "prunesim: diff - -: only one of the reports can come from standard input\n")


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_no_number_is_cut_on_a_narrow_terminal(cli, files, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    out = cli("diff", *files).out
    assert "\u2026" not in out
    assert "+3.4 %" in out
    assert max(map(len, out.splitlines())) <= width
