"""Points, their keys, and running them."""

import json
import zlib
from dataclasses import replace

import pytest

from simulator.reports.network_total import total_row
from simulator.studies.point import Point, run_point
from simulator.studies.store import Store
from simulator.studies.study import Study, run_study
from simulator.studies.workers import Workers
from tests.simulator.studies.studies import NETWORK, network, study
from workloads.catalog import load_workload
from workloads.errors import InputError

HERE = Workers(1)


def test_a_point_gives_what_prunesim_run_gives(cli, tmp_path):
    name = network(tmp_path)
    point = Point("scnn", name, (("queue_depth", 2),), layers="f*", prune="unstructured:density=0.2", batch=2, seed=3)
    outcome = run_point(point, point.key())
    arguments = ("--prune", "unstructured:density=0.2", "--batch", 2, "--seed", 3, "--set", "queue_depth=2")
    run = json.loads(cli("run", name, "--on", "scnn", "--layers", "f*", *arguments, "--json", "-").out)
    assert json.loads(zlib.decompress(outcome.report)) == run
    assert json.loads(outcome.total) == total_row(run)
    assert json.loads(outcome.total)["network"]["cycles"] == run["network"]["cycles"]


def test_densities_are_those_that_were_asked_for(tmp_path):
    both = Point("ideal", network(tmp_path), density=0.25).traced().trace(0)
    assert (both.weight_density, both.activation_density) == pytest.approx((0.25, 0.25), abs=0.01)
    one = Point("ideal", network(tmp_path), density=0.25, weight_density=0.5).traced().trace(0)
    assert (one.weight_density, one.activation_density) == pytest.approx((0.5, 0.25), abs=0.01)


def test_a_density_leaves_the_image_as_it_is(tmp_path):
    plain = tmp_path / "plain.toml"
    plain.write_text(NETWORK.replace("relu_input = true\n", ""))
    point = Point("ideal", str(plain), activation_density=0.25)
    assert [point.traced().trace(i).activation_density for i in (0, 1)] == pytest.approx([0.5, 0.25], abs=0.01)
    table = study(title="t", machines=["ideal"], workloads=[str(plain), "c3d"], axes=[{"activation_density": [0.25]}])
    assert [line.partition(":")[0] for line in table.notes()] == [
        "activation_density = 0.25 does not reach first",
        "activation_density = 0.25 does not reach conv1a",
    ]
    assert study(title="t", machines=["ideal", "scnn"], workloads=["c3d"]).notes() == list(load_workload("c3d").notes)


def test_a_pattern_moves_the_non_zeros_of_drawn_masks_and_keeps_their_number():
    plain = Point("ideal", "alexnet@scnn", layers="conv3", activation_pattern="uniform").traced().trace(0)
    point = Point("ideal", "alexnet@scnn", layers="conv3", weight_pattern="skewed:variation=0.6")
    moved = replace(point, activation_pattern="clustered").traced().trace(0)
    for name in ("weight_mask", "activation_mask"):
        assert getattr(plain, name).sum() == getattr(moved, name).sum()
    filters = moved.weight_mask.reshape(len(moved.weight_mask), -1).sum(axis=1)
    assert filters.std() / filters.mean() == pytest.approx(0.6, abs=0.02)
    channels = moved.activation_mask[0].reshape(moved.activation_mask.shape[1], -1).mean(axis=1)
    assert channels.std() > 5 * plain.activation_mask[0].reshape(len(channels), -1).mean(axis=1).std()


def test_stored_tensors_have_no_pattern():
    with pytest.raises(InputError, match="weight_pattern: layer 'op003_conv' has stored weights"):
        Point("ideal", "blazepose", weight_pattern="skewed").traced()
    Point("ideal", "blazepose", weight_density=0.5, weight_pattern="skewed").traced()


def test_the_key_changes_with_everything_that_a_result_depends_on(tmp_path):
    point = Point("scnn", network(tmp_path))
    others = [
        replace(point, settings=(("queue_depth", 2),)), replace(point, settings=(("dram.channels", 2),)),
        replace(point, machine="dcnn"), replace(point, seed=1), replace(point, batch=2), replace(point, density=0.2),
        replace(point, weight_density=0.2), replace(point, activation_density=0.2), replace(point, layers="f*"),
        replace(point, prune="unstructured:density=0.2"), replace(point, workload="vgg16"),
        replace(point, weight_pattern="skewed"), replace(point, activation_pattern="clustered"),
        replace(point, weight_pattern="skewed:variation=0.3"),
    ]  # fmt: skip
    assert len({p.key() for p in (point, *others)}) == 1 + len(others)


def test_the_key_stays_where_the_result_must(tmp_path):
    point = Point("scnn", network(tmp_path))
    assert point.key() == replace(point, settings=(("queue_depth", 4),)).key()  # the default
    assert point.key() == replace(point, layers="*").key()
    moved = tmp_path / "moved"
    moved.mkdir()
    assert point.key() == replace(point, workload=network(moved)).key()


def test_the_key_changes_with_the_content_of_a_file(tmp_path):
    point = Point("scnn", network(tmp_path))
    before = point.key()
    (tmp_path / "small.toml").write_text(NETWORK.replace("0.4", "0.45"))
    assert point.key() != before


def test_a_worker_with_other_sources_refuses(tmp_path):
    outcome = run_point(Point("ideal", network(tmp_path)), "another key")
    assert outcome.error == "the worker has another version of prunesim, or of a workload file"


def test_values_that_are_wrong_by_themselves_refuse_the_study_all_at_once(tmp_path):
    with pytest.raises(InputError) as error:
        study(
            machines=["scnn", "snn"],
            workloads=[network(tmp_path), "vgg61"],
            axes=[{"queue_depth": [0, -1]}, {"prune": ["unstuctured:density=0.5"]}],
        )
    lines = str(error.value).splitlines()
    assert "test: scnn: queue_depth = -1: must be greater than or equal to 0" in lines
    assert any(line.startswith("test: unknown accelerator 'snn'") for line in lines)
    assert any(line.startswith("test: unknown workload 'vgg61'") for line in lines)
    assert any(line.startswith("test: unknown pruning 'unstuctured'") for line in lines)


def test_a_combination_that_is_impossible_fails_alone(tmp_path):
    chosen = study(machines=["scnn"], workloads=[network(tmp_path)], axes=[{"oaram_bytes": [1, 10240]}], layers="first")
    with Store(tmp_path / "s.sqlite") as store:
        summary = run_study(chosen, store, HERE)
        assert (summary.computed, summary.found, summary.failed) == (1, 0, 1)
        ((values, error),) = store.failures(chosen.places)
        assert values["oaram_bytes"] == 1
        assert "cannot hold the 1024 results of one accumulator copy" in error


def test_layers_that_a_machine_refuses_fail_alone(tmp_path):
    chosen = study(machines=["eie", "ideal"], workloads=[network(tmp_path)])
    with Store(tmp_path / "s.sqlite") as store:
        assert run_study(chosen, store, HERE).failed == 1
        ((values, error),) = store.failures(chosen.places)
        assert values["accelerator"] == "eie"
        assert error.startswith("eie cannot run layer 'first': ")
        assert [row["accelerator"] for row in store.rows("study")] == ["ideal"]


def test_running_again_computes_only_what_is_missing(tmp_path):
    small = study(machines=["scnn"], workloads=[network(tmp_path)], axes=[{"queue_depth": [0, 2]}])
    large = study("other", machines=["scnn"], workloads=[network(tmp_path)], axes=[{"queue_depth": [0, 2, 4]}])
    with Store(tmp_path / "s.sqlite") as store:
        assert run_study(small, store, HERE).computed == 2
        seen = []
        summary = run_study(large, store, HERE, lambda done, total, _: seen.append((done, total)))
        assert (summary.computed, summary.found) == (1, 2)
        assert seen == [(2, 3), (3, 3)]
        assert run_study(large, store, HERE).computed == 0
        assert store.studies() == ["other", "study"]


def test_points_that_do_not_differ_are_computed_once(tmp_path):
    chosen = study(machines=["dcnn"], workloads=[network(tmp_path)], axes=[{"queue_depth": [0, 2, 4]}])
    with Store(tmp_path / "s.sqlite") as store:
        assert run_study(chosen, store, HERE).computed == 1
        assert [row["queue_depth"] for row in store.rows("study")] == [0, 2, 4]


def test_settings_without_effect_are_named(tmp_path):
    chosen = study(
        machines=["scnn"],
        workloads=[network(tmp_path)],
        axes=[{"dram": {"read_queue": [8, 16]}}, {"queue_depth": [0, 2]}],
    )
    assert chosen.warnings() == [
        "scnn: dram.read_queue has no effect: it belongs to banked memory, and kind is 'ideal'"
    ]
    both = study(
        machines=["scnn"],
        workloads=[network(tmp_path)],
        axes=[{"dram": {"read_queue": [8, 16]}}, {"dram": {"kind": ["ideal", "banked"]}}],
    )
    assert both.warnings() == []


def test_what_is_varied_leaves_the_seed_out(tmp_path):
    chosen = study(machines=["scnn", "dcnn"], workloads=[network(tmp_path)], seeds=2, axes=[{"queue_depth": [0, 2]}])
    assert isinstance(chosen, Study)
    assert chosen.varied == ("accelerator", "queue_depth")


def test_keys_that_change_together_are_all_varied_and_a_machine_without_a_setting_has_none(tmp_path):
    together = {"iaram_bytes": [10240, 20480], "oaram_bytes": [20480, 40960]}
    chosen = study(machines=["scnn", "dcnn"], workloads=[network(tmp_path)], axes=[together])
    assert chosen.varied == ("accelerator", "iaram_bytes", "oaram_bytes")
    shown = [tuple(chosen.varied_of(place).values()) for place in chosen.places]
    assert shown == [("scnn", 10240, 20480), ("dcnn", None, None), ("scnn", 20480, 40960), ("dcnn", None, None)]
