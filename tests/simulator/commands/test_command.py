"""The command through its entry point, as a user calls it."""

import csv
import io
import json
import re

import pytest

from dataflows.registry import machines
from dataflows.schedule import Cause

LAYER_KEYS = {
    "name", "cycles", "time_us", "multipliers", "pes", "dense_macs", "weight_macs", "effectual_macs", "issued_macs",
    "utilization", "effectual_utilization", "load_imbalance", "speedup", "dense_cycles", "pe_cycle_stack",
    "fragmented_lanes", "dram", "bounds",
}  # fmt: skip
DRAM_KEYS = {
    "read_bytes", "write_bytes", "row_hits", "row_misses", "row_conflicts", "efficiency", "achieved_gbs", "wasted_bytes",
    "read_latency_ns", "read_latency_p95_ns", "activates", "tensors",
}  # fmt: skip
BOUND_KEYS = {"compute_cycles", "fullest_pe_cycles", "memory_cycles"}
FEW = ("--layers", "op01*")


def test_the_json_report_has_every_promised_key(cli):
    result = cli("run", "blazepose", "--on", "scnn", *FEW, "--json", "-")
    assert result.code == 0
    assert result.err == ""
    report = json.loads(result.out)
    assert {"schema", "tool", "accelerator", "workload", "seed", "digest", "layers", "total"} <= set(report)
    assert report["schema"] == 1
    assert report["tool"]["name"] == "prunesim"
    assert report["accelerator"]["name"] == "scnn"
    assert report["accelerator"]["dram"]["bandwidth_gbs"] == 50.0
    for row in [*report["layers"], report["total"]]:
        assert set(row) >= LAYER_KEYS
        assert set(row["dram"]) >= DRAM_KEYS
        assert set(row["bounds"]) >= BOUND_KEYS
        assert list(row["pe_cycle_stack"]) == [cause.key for cause in Cause]
        assert sum(row["pe_cycle_stack"].values()) == row["pes"] * row["cycles"]
        assert all(isinstance(row[key], int) for key in ("cycles", "issued_macs", "dense_cycles", "fragmented_lanes"))


def test_the_total_adds_up_the_layers(cli):
    report = json.loads(cli("run", "blazepose", "--on", "dcnn", *FEW, "--json", "-").out)
    for key in ("cycles", "dense_cycles", "issued_macs", "effectual_macs", "fragmented_lanes"):
        assert report["total"][key] == sum(layer[key] for layer in report["layers"])


def test_the_same_seed_gives_identical_json_and_another_seed_another(cli):
    first, again, other = (
        cli("run", "alexnet@deep-compression", "--layers", "conv3", "--on", "scnn", "--seed", seed, "--json", "-").out
        for seed in (3, 3, 4)
    )
    assert first == again
    assert json.loads(first)["digest"] != json.loads(other)["digest"]


def test_files_are_written_beside_the_table(cli, tmp_path):
    result = cli("run", "blazepose", "--on", "ideal", *FEW, "--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv")
    assert "op014_conv" in result.out
    assert "total" in result.out
    report = json.loads((tmp_path / "r.json").read_text())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text())))
    assert [row["name"] for row in rows] == [layer["name"] for layer in report["layers"]] + ["total"]
    assert [int(row["pe_cycle_stack.busy"]) for row in rows[:-1]] == [
        layer["pe_cycle_stack"]["busy"] for layer in report["layers"]
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "r.json"]


def test_csv_to_standard_output_is_csv_and_nothing_else(cli):
    rows = list(csv.DictReader(io.StringIO(cli("run", "blazepose", "--on", "ideal", *FEW, "--csv", "-").out)))
    assert {row["accelerator"] for row in rows} == {"ideal"}


def test_settings_reach_nested_parameters(cli):
    report = json.loads(
        cli("run", *FEW, "--on", "scnn", "--set", "dram.bandwidth_gbs=inf", "--set", "pe_rows=4", "--json", "-").out
    )
    assert report["accelerator"]["dram"]["bandwidth_gbs"] == "inf"
    assert report["total"]["pes"] == 32
    assert report["total"]["pe_cycle_stack"]["memory"] == 0


def test_a_batch_multiplies_the_work(cli):
    one, three = (
        json.loads(cli("run", *FEW, "--on", "dcnn", "--batch", n, "--json", "-").out)["total"] for n in (1, 3)
    )
    assert three["dense_macs"] == 3 * one["dense_macs"]


def test_pruning_on_the_command_line_sets_the_density(cli):
    report = json.loads(
        cli(
            "run",
            "vgg16",
            "--layers",
            "conv4_1",
            "--on",
            "ideal",
            "--prune",
            "unstructured:density=0.25",
            "--json",
            "-",
        ).out
    )
    assert report["layers"][0]["weight_density"] == pytest.approx(0.25, abs=1e-6)
    assert report["workload"]["prunings"] == ["unstructured:density=0.25"]


def test_compare_gives_a_report_for_each_machine_and_names_those_that_refuse(cli):
    result = cli("compare", "c3d", "--layers", "conv5b", "--on", "scnn,dcnn,ideal", "--json", "-")
    assert result.code == 0
    data = json.loads(result.out)
    assert [report["accelerator"]["name"] for report in data["reports"]] == ["dcnn", "ideal"]
    assert list(data["refused"]) == ["scnn"]
    warning, note = result.err.splitlines()
    assert note.startswith("note: c3d: activations are dense; ")
    assert data["workload"]["notes"] == [note.removeprefix("note: ")]
    assert warning.startswith("warning: scnn cannot run layer 'conv5b': ")


def test_compare_all_prints_a_row_for_each_machine(cli):
    result = cli("compare", "blazepose", *FEW, "--on", "all")
    for name in machines():
        assert f"\n{name} " in result.out or f"warning: {name} cannot run layer " in result.err
    assert "\nscnn " in result.out


def test_a_setting_applies_to_the_machines_that_have_it(cli):
    data = json.loads(cli("compare", *FEW, "--on", "scnn,ideal", "--set", "queue_depth=0", "--json", "-").out)
    assert [report["accelerator"].get("queue_depth") for report in data["reports"]] == [0, None]


def test_check_compares_outputs_with_a_reference(cli):
    result = cli("run", "blazepose", *FEW, "--on", "scnn", "--check")
    assert result.code == 0
    assert "outputs checked: " in result.err


def test_a_wrong_machine_is_caught_by_check(cli, monkeypatch):
    monkeypatch.setattr(machines()["dcnn"], "execute", lambda self, layer, weights, activations: 0)  # noqa: ARG005
    result = cli("run", "blazepose", "--layers", "op010*", "--on", "dcnn", "--check")
    assert result.code == 1
    assert "dcnn: layer 'op010_conv': " in result.err
    assert "outputs differ from the reference convolution" in result.err


def test_config_round_trips_through_a_file(cli, tmp_path):
    text = cli("config", "scnn").out
    path = tmp_path / "scnn.toml"
    path.write_text(text.replace("queue_depth = 4", "queue_depth = 3"))
    report = json.loads(cli("run", *FEW, "--on", "scnn", "--config", path, "--json", "-").out)
    assert report["accelerator"]["queue_depth"] == 3


def test_list_names_machines_workloads_and_prunings(cli):
    out = cli("list").out
    for name in [*machines(), "blazepose", "vgg16@deep-compression", "unstructured"]:
        assert name in out
    assert "scnn" not in cli("list", "prunings").out


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plot_draws_what_compare_wrote(cli, tmp_path, ending):
    cli("compare", *FEW, "--on", "scnn,dcnn", "--json", tmp_path / "r.json")
    result = cli("plot", tmp_path / "r.json", "-o", tmp_path / f"causes.{ending}")
    assert result.code == 0
    head = (tmp_path / f"causes.{ending}").read_bytes()[:100]
    assert {"png": b"PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending] in head


def test_plot_refuses_other_endings(cli, tmp_path):
    cli("run", *FEW, "--on", "dcnn", "--json", tmp_path / "r.json")
    result = cli("plot", tmp_path / "r.json", "-o", tmp_path / "causes.gif")
    assert result.code == 2
    assert (
        result.err == f"prunesim: {tmp_path}/causes.gif: cannot draw a 'gif' file, must end in one of: png, svg, pdf\n"
    )


def test_help_names_every_command(cli):
    out = cli("--help").out
    assert all(name in out for name in ("run", "compare", "config", "list", "plot"))


def test_no_two_columns_have_one_name(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")  # every column, each name in one line
    for command in ("run", "compare"):
        on = "scnn" if command == "run" else "scnn,cambricon-x"
        table = cli(command, "blazepose", "--on", on, *FEW).out
        (line,) = [
            line for line in table.splitlines() if line.startswith(("layer", "accelerator")) and "cycles" in line
        ]
        header = re.split(r" {2,}", line.strip())
        assert {"max/mean PE", "imbalance"} <= set(header)
        assert len(header) == len(set(header))
