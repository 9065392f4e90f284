"""Keys of points: the same for equal content everywhere, another for any change; own models through whole sweeps."""

import json
import os
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from simulator.studies import content
from simulator.studies.content import described, loaded
from simulator.studies.point import CHANGED, Point, run_point
from simulator.studies.store import Store
from simulator.studies.study import Study, run_study
from simulator.studies.workers import Workers
from tests.project import ROOT
from tests.simulator.studies.own_models import BUILT_IN, KINDS, network_file, patterns, scipy_file
from tests.simulator.studies.studies import network
from workloads.errors import InputError
from workloads.importers.imported import Made
from workloads.source import Drawn, DrawnBatch, LayerSource

KEYS = """
import sys
from simulator.studies.point import Point
for text in sys.argv[1:]:
    workload, _, prune = text.partition("|")
    print(Point("ideal", workload, prune=prune or None).key())
"""


def keys_of_a_process(folder: Path, points: list[str]) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KEYS, *points]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.slow
def test_equal_content_has_equal_keys_in_every_process_and_folder(tmp_path):
    found = []
    for name in ("one", "another"):
        folder = tmp_path / name / "deeper"
        folder.mkdir(parents=True)
        points = [*(make(folder, 3) for make in KINDS.values()), *BUILT_IN]
        points.append(f"{network(folder)}|{patterns(folder, 3)}")
        found.append(keys_of_a_process(tmp_path / name, points))
    here = [Point("ideal", *point.split("|")[:1], prune=([*point.split("|"), None])[1]).key() for point in points]
    assert found[0] == found[1] == here
    assert len(set(here)) == len(here)


@pytest.mark.parametrize("kind", KINDS)
def test_any_changed_file_has_another_key_in_the_same_process(tmp_path, kind):
    keys = [Point("ideal", KINDS[kind](tmp_path, seed)).key() for seed in range(40)]
    assert len(set(keys)) == len(keys)
    assert Point("ideal", KINDS[kind](tmp_path, 5)).key() == keys[5]


def test_any_changed_byte_of_a_file_has_another_key(tmp_path):
    path = Path(network_file(tmp_path, 1))
    whole = path.read_bytes()
    keys = {Point("ideal", str(path)).key()}
    places = [place for place, byte in enumerate(whole) if chr(byte).isdigit()]
    for place in places:
        path.write_bytes(whole[:place] + b"7" + whole[place + 1 :])
        if path.read_bytes() != whole:
            try:
                keys.add(Point("ideal", str(path)).key())
            except InputError:  # a size that does not fit
                keys.add(place)
    assert len(keys) == 1 + sum(whole[place : place + 1] != b"7" for place in places)


def test_a_changed_pattern_file_has_another_key(tmp_path):
    point = Point("ideal", network(tmp_path))
    keys = {Point("ideal", point.workload, prune=patterns(tmp_path, seed)).key() for seed in (1, 2, 3)}
    assert len(keys) == 3


def test_another_version_has_another_key(tmp_path, monkeypatch):
    point = Point("ideal", network(tmp_path))
    before = point.key()
    monkeypatch.setattr("simulator.studies.point.code_version", lambda: f"{content.code_version()}x")
    assert point.key() != before


def test_the_version_counts_sources_data_and_numpy(tmp_path, monkeypatch):
    for package in ("workloads", "dataflows", "simulator"):
        (tmp_path / package / "data").mkdir(parents=True)
    data = tmp_path / "workloads" / "data" / "network.csv"
    data.write_text("a")
    monkeypatch.setattr(content, "__file__", str(tmp_path / "simulator" / "studies" / "content.py"))
    before = content.code_version.__wrapped__()
    data.write_text("b")
    changed = content.code_version.__wrapped__()
    monkeypatch.setattr(content.np, "__version__", "0.0")
    assert len({before, changed, content.code_version.__wrapped__()}) == 3


@dataclass(frozen=True)
class Odd:
    thing: object


@pytest.mark.parametrize("thing", [object(), len, lambda: 1, {1, 2}, b"bytes", np.array([object()])])
def test_what_has_no_content_is_refused(thing):
    with pytest.raises(InputError, match="has no content that a key could name"):
        described((1, [Odd(thing)]))


def test_tensors_made_in_memory_are_refused_without_files(tmp_path):
    made = Made(lambda: np.ones((2, 2)))
    layer = loaded(network(tmp_path)).layers[0]
    source = LayerSource(0, layer, made, DrawnBatch(0.5))
    with pytest.raises(InputError, match="a function has no content"):
        described(source)
    assert described(source, from_files=True) != described(LayerSource(0, layer, Drawn(), DrawnBatch(0.5)))


def all_kinds(folder: Path, seed: int) -> Study:
    """Every kind as a point, and prunings in a chain."""
    rows = [{"machine": "ideal", "workload": make(folder, seed), "seed": 0} for make in KINDS.values()]
    rows += [{"machine": "ideal", "workload": text, "seed": 0, "density": 0.05} for text in BUILT_IN[1:]]
    rows = [{**row, "layers": "*1"} if row["workload"] in BUILT_IN else row for row in rows]
    rows.append({"machine": "ideal", "workload": "blazepose", "seed": 0, "layers": "op003_conv"})
    (folder / "pruned").mkdir(exist_ok=True)
    workload = network(folder / "pruned")
    rows.append({"machine": "ideal", "workload": workload, "seed": 0, "prune": patterns(folder, seed)})
    return Study.made(rows, "own")


@pytest.mark.slow
def test_own_models_go_through_a_sweep_resuming_and_change_and_rerun(tmp_path):
    study = all_kinds(tmp_path, 1)
    with Store(tmp_path / "s.sqlite") as store:
        first = run_study(study, store, Workers(2))
        assert (first.found, first.computed, first.failed) == (0, len(study.places), 0)
        again = run_study(all_kinds(tmp_path, 1), store, Workers(2))
        assert (again.found, again.computed, again.failed) == (len(study.places), 0, 0)
        changed = all_kinds(tmp_path, 2)
        rerun = run_study(changed, store, Workers(2))
        assert (rerun.found, rerun.computed, rerun.failed) == (3, len(KINDS) + 1, 0)  # built-in workloads stay
        for place in changed.places:
            assert run_point(place.point, place.key).report == zlib.compress(
                json.dumps(store.report(place.key), separators=(",", ":")).encode()
            )


def test_a_changed_file_never_gets_old_numbers_in_one_process(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        for seed in range(40):
            study = Study.made([{"machine": "scnn", "workload": scipy_file(tmp_path, seed), "seed": 0}], "own")
            assert run_study(study, store, Workers(1)).computed == 1


def test_a_file_that_changes_while_its_point_is_computed_gives_no_result(tmp_path, monkeypatch):
    point = Point("ideal", network_file(tmp_path, 1))
    key = point.key()
    simulate = run_point.__globals__["simulate"]

    def meanwhile(*arguments, **options):
        network_file(tmp_path, 2)
        return simulate(*arguments, **options)

    monkeypatch.setitem(run_point.__globals__, "simulate", meanwhile)
    outcome = run_point(point, key)
    assert (outcome.report, outcome.error) == (b"", CHANGED)
