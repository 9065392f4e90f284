"""Speedups of reports and rows over one run for all: ratios of times, of the same layers alone."""

import pytest

from simulator.reports.common_baseline import CommonBaseline
from simulator.reports.files import to_json
from simulator.reports.stored_baseline import read_baseline, rows_with_baseline, with_baseline
from workloads.errors import InputError


def row(name, time_us, products=10, density=0.5):
    return {
        "name": name, "time_us": time_us, "dense_macs": products, "weight_density": density, "activation_density": 1.0,
    }  # fmt: skip


def report(machine, *times, network=None, products=10, **changes):
    layers = [row(f"conv{number}", time, products) for number, time in enumerate(times)]
    return {
        "schema": 1,
        "accelerator": {"name": machine},
        "workload": {"name": "net"},
        "seed": 0,
        "digest": f"of {machine}",
        "layers": layers,
        "total": row("total", sum(times)),
        "network": network and {"time_us": network},
    } | changes


def test_speedups_are_ratios_of_times_by_layer_total_and_network():
    found = CommonBaseline("dcnn", report("dcnn", 6.0, 2.0, network=7.0)).over(report("scnn", 3.0, 4.0, network=3.5))
    assert [layer["speedup_over_baseline"] for layer in found["layers"]] == [2.0, 0.5]
    assert found["total"]["speedup_over_baseline"] == pytest.approx(8 / 7)
    assert found["network"]["speedup_over_baseline"] == 2.0
    assert found["baseline"] == {
        "name": "dcnn", "accelerator": "dcnn", "workload": "net", "seed": 0, "digest": "of dcnn",
    }  # fmt: skip


def test_nothing_is_said_of_what_takes_no_time_or_did_not_run_as_one():
    found = CommonBaseline("dcnn", report("dcnn", 6.0, 2.0, network=7.0)).over(report("scnn", 0.0, 4.0))
    assert found["layers"][0]["speedup_over_baseline"] is None
    assert found["network"] is None


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (report("dcnn", 1.0), "--baseline: 'dcnn' has 1 layers, 'scnn' has 2"),
        (
            report("dcnn", 1.0, 1.0, products=1000),
            "--baseline: layer 'conv0' of 10 products on 'scnn' is 'conv0' of 1,000 on 'dcnn': not the same layers",
        ),
    ],
)
def test_other_layers_are_refused(other, message):
    with pytest.raises(InputError) as error:
        CommonBaseline("dcnn", other).over(report("scnn", 3.0, 4.0))
    assert str(error.value) == message


def test_other_zeros_and_seeds_are_told():
    dense = report("dcnn", 1.0, 1.0, seed=3)
    dense["layers"][1]["weight_density"] = 1.0
    baseline = CommonBaseline("dcnn", dense)
    assert baseline.differences(report("scnn", 3.0, 4.0)) == "baseline 'dcnn' ran with other densities of weights, seed"
    assert baseline.differences(dense) == ""


def test_a_file_of_several_reports_needs_the_machine(tmp_path):
    file = tmp_path / "both.json"
    file.write_text(to_json({"schema": 1, "reports": [report("a", 1.0), report("b", 3.0)]}))
    assert read_baseline(f"{file}:b").label == "b of both.json"
    assert with_baseline([report("scnn", 2.0)], f"{file}:b")[0]["total"]["speedup_over_baseline"] == 1.5
    for text, message in (
        (f"{file}", f"--baseline {file}: holds several reports, choose one: {file}:a"),
        (f"{file}:c", f"--baseline {file}:c: no report of 'c': "),
        ("nowhere.json", "--baseline nowhere.json: neither an accelerator nor a JSON report"),
    ):
        with pytest.raises(InputError) as error:
            read_baseline(text)
        assert str(error.value).startswith(message)


def test_stored_reports_are_over_one_of_them():
    slow, fast = with_baseline([report("dcnn", 6.0), report("scnn", 2.0)], "dcnn")
    assert (slow["total"]["speedup_over_baseline"], fast["total"]["speedup_over_baseline"]) == (1.0, 3.0)


def test_rows_are_over_those_of_the_same_work():
    rows = [
        {"accelerator": machine, "name": "total", "density": density, "time_us": time}
        for machine, density, time in (("a", 0.1, 4.0), ("b", 0.1, 2.0), ("a", 0.5, 9.0), ("b", 0.5, 3.0))
    ]
    found = rows_with_baseline(rows, "a")
    assert [one["speedup_over_baseline"] for one in found] == [1.0, 2.0, 1.0, 3.0]
    assert {one["baseline"] for one in found} == {"a"}
    for wrong, machine, message in (
        (rows, "c", "--baseline c: the results have no rows of it; accelerators: a, b"),
        ([*rows, rows[0]], "a", "--baseline a: has several rows of name = total, density = 0.1: choose with --where"),
        (rows[1:], "a", "--baseline a: has no row of name = total, density = 0.1"),
    ):
        with pytest.raises(InputError) as error:
            rows_with_baseline(wrong, machine)
        assert str(error.value) == message
