"""What `prunesim diff` finds between two reports, and when it accepts it."""

import copy
import json
import math

import pytest

from simulator.reports.diff import Tolerances, difference
from workloads.errors import InputError


def report(machine="scnn", cycles=(100, 300), **settings):
    layers = [
        {"name": name, "cycles": count, "utilization": 0.5, "dram": {"read_bytes": 10 * count}}
        for name, count in zip("ab", cycles, strict=True)
    ]
    total = {"name": "total", "cycles": sum(cycles), "utilization": 0.5, "dram": {"read_bytes": 10 * sum(cycles)}}
    return {
        "schema": 1,
        "accelerator": {"name": machine, **settings},
        "workload": {"name": "net", "prunings": []},
        "seed": 0,
        "layers": layers,
        "total": total,
    }


def test_equal_reports_do_not_differ():
    found = difference([report()], [report()], Tolerances())
    assert (found.changes, found.missing, found.settings) == ((), (), ())
    assert found.accepted


def test_changes_come_by_their_effect_on_the_whole():
    new = report(cycles=(104, 297))
    new["layers"][1]["utilization"] = 0.75
    found = difference([report()], [new], Tolerances())
    assert [(c.layer, c.metric) for c in found.changes] == [
        ("a", "cycles"), ("total", "cycles"), ("a", "dram.read_bytes"), ("total", "dram.read_bytes"),  # worse
        ("b", "cycles"), ("b", "utilization"), ("b", "dram.read_bytes"),  # better
    ]  # fmt: skip
    ratio = next(c for c in found.changes if c.metric == "utilization")
    assert ratio.relative == pytest.approx(0.5)
    assert ratio.effect == pytest.approx(0.5 * 300 / 400)
    cycles = {c.layer: c for c in found.changes if c.metric == "cycles"}
    assert cycles["a"].relative == pytest.approx(0.04)
    assert cycles["a"].effect == pytest.approx(4 / 400)
    assert cycles["b"].relative == pytest.approx(-0.01)
    assert cycles["b"].effect == pytest.approx(3 / 400)
    assert cycles["total"].effect == pytest.approx(1 / 400)


@pytest.mark.parametrize(
    ("tolerances", "accepted"),
    [
        ([], False), (["0.05"], True), (["0.01"], False), (["cycles=0.05"], False),
        (["cycles=0.05", "dram.*=0.05"], True), (["0.05", "cycles=0"], False), (["cycles=0", "0.05"], True),
        (["5%"], True), (["3.9%"], False), (["cycles=5%", "dram.*=5%"], True),
    ],
)  # fmt: skip
def test_tolerances_are_relative_and_the_last_match_counts(tolerances, accepted):
    found = difference([report()], [report(cycles=(104, 300))], Tolerances.parse(tolerances))
    assert found.accepted == accepted


@pytest.mark.parametrize(
    "text", ["cycles", "cycles=", "=0.1", "cycles=-1", "cycles=nan", "x", "%", "cycles=-1%", "5%%"]
)
def test_wrong_tolerances_are_refused(text):
    with pytest.raises(InputError, match="must have the form METRIC=REL or REL"):
        Tolerances.parse([text])


def test_a_tolerance_for_an_unknown_metric_is_refused():
    with pytest.raises(InputError, match="--tolerance cylces: the reports have no such metric in common"):
        difference([report()], [report()], Tolerances.parse(["cylces=0.1"]))


def test_a_tolerance_for_a_metric_that_one_side_has_alone_is_refused():
    """It would be never applied, since such a metric is not compared."""
    old = report()
    for row in (*old["layers"], old["total"]):
        del row["dram"]
    for pair in (([old], [report()]), ([report()], [old])):
        with pytest.raises(
            InputError, match=r"--tolerance dram\.read_bytes: the reports have no such metric in common"
        ):
            difference(*pair, Tolerances.parse(["dram.read_bytes=0.1"]))


def test_missing_machines_and_layers_are_never_accepted():
    new = report()
    del new["layers"][0]
    found = difference([report(), report("dcnn")], [new], Tolerances.parse(["inf"]))
    assert found.missing == (
        "accelerator 'dcnn' is missing in the new report",
        "scnn: layer 'a' is missing in the new report",
    )
    assert not found.accepted


def test_metrics_of_one_side_are_not_compared():
    old = report()
    for row in (*old["layers"], old["total"]):
        del row["dram"]
    assert difference([old], [report()], Tolerances()).accepted


def test_a_metric_that_was_zero_or_nothing_moved_without_limit():
    old, new = report(), report()
    old["total"]["speedup"], new["total"]["speedup"] = None, 1.5
    old["layers"][0]["dram"]["read_bytes"] = 0
    found = difference([old], [new], Tolerances.parse(["100"]))
    assert [change.relative for change in found.changes] == [math.inf, math.inf]
    assert not found.accepted


def test_a_metric_that_became_nothing_moved_without_limit():
    """A layer that costs nothing any more has no speedup."""
    old, new = report(), report()
    old["total"]["speedup"], new["total"]["speedup"] = 1.5, None
    (change,) = difference([old], [new], Tolerances.parse(["100"])).changes
    assert (change.relative, change.tolerated) == (math.inf, False)


def test_settings_that_differ_are_told_and_do_not_count():
    new = report(queue_depth=4, dram={"channels": 2})
    new["seed"] = 1
    found = difference([report(queue_depth=8, dram={"channels": 1})], [new], Tolerances())
    assert found.accepted
    assert found.settings == (
        "scnn: queue_depth: 8 -> 4", "scnn: dram.channels: 1 -> 2", "scnn: seed: 0 -> 1"
    )  # fmt: skip


def test_several_reports_of_one_machine_are_compared_in_order():
    old = [report(cycles=(1, 2)), report(cycles=(3, 4))]
    assert difference(old, copy.deepcopy(old), Tolerances()).accepted
    found = difference(old, [old[0], report(cycles=(3, 5))], Tolerances())
    assert {change.machine for change in found.changes} == {"scnn #2"}


FEW = ("blazepose", "--layers", "op01*")


def test_the_command_compares_what_run_and_compare_write(cli, tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    cli("compare", *FEW, "--on", "scnn,dcnn", "--json", old)
    same = cli("diff", old, old)
    assert (same.code, same.out) == (0, "0 metrics moved, 0 beyond tolerance; 0 missing\n")
    cli("compare", *FEW, "--on", "scnn,dcnn", "--set", "dram.bandwidth_gbs=5.0", "--json", new)
    moved = cli("diff", old, new)
    assert moved.code == 1
    lines = [line.strip() for line in moved.out.splitlines()]
    assert [line.partition(" % slower")[0].split()[0] for line in lines[:2]] == ["scnn", "dcnn"]
    assert "scnn: dram.bandwidth_gbs: 50.0 -> 5.0" in lines
    head = next(number for number, line in enumerate(lines) if line.startswith("accelerator  layer"))
    assert lines[head].split() == [
        "accelerator", "layer", "metric", "old", "new", "change", "effect", "with", "it"
    ]  # fmt: skip
    first = [line.split()[:3] for line in lines[head + 1 : head + 3]]
    assert sorted(first) == [["dcnn", "total", "cycles"], ["scnn", "total", "cycles"]]
    cli("run", *FEW, "--on", "scnn", "--json", new)
    alone = cli("diff", old, new)
    assert alone.code == 1
    assert "accelerator 'dcnn' is missing in the new report" in alone.out


def test_bad_input_is_one_line_and_exit_code_2(cli, tmp_path):
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"layers": []}))
    for arguments, line in (
        (("missing.json", path), "missing.json: no such file"),
        ((path, path), f"{path}: not a report of prunesim: it has no 'schema'"),
    ):
        result = cli("diff", *arguments)
        assert (result.code, result.out, result.err) == (2, "", f"prunesim: {line}\n")
