"""Stores where the disk is full, files may not grow, or nothing may be written; and sweeps without a standard error."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import simulator
from simulator.studies.store import Store
from simulator.studies.study import run_study
from simulator.studies.workers import Workers
from tests.simulator.commands.test_sweep import ROOT
from tests.simulator.studies.studies import contents, network, study
from workloads.errors import InputError

HERE = Workers(1)
needs_bounds = pytest.mark.skipif(
    os.getuid() == 0 and shutil.which("setpriv") is None, reason="permissions do not bind root"
)
COMMAND = [sys.executable, "-m", "simulator"]


def by_user(folder: Path, *arguments: object) -> subprocess.CompletedProcess:
    """The command as a user whom permissions bind; root is bound by them without two of its capabilities."""
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    environment = {**os.environ, "MPLCONFIGDIR": str(folder), "PYTHONPATH": str(ROOT)}
    command = [*bound, *COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)


def write_study(folder: Path, seeds: int = 4) -> Path:
    path = folder / "queues.toml"
    path.write_text(f'machines = ["ideal", "dcnn"]\nworkloads = ["{network(folder)}"]\nseeds = {seeds}\n')
    return path


def side_files(store: Path) -> list[Path]:
    return [path for path in store.parent.iterdir() if path.name.startswith(store.name) and path != store]


def test_a_full_disk_is_one_line_and_the_rest_is_computed_later(tmp_path):
    chosen = study(machines=["ideal"], workloads=[network(tmp_path)], seeds=40)
    full, whole = tmp_path / "full.sqlite", tmp_path / "whole.sqlite"
    with Store(full) as store:
        store._database.execute("PRAGMA max_page_count = 14")
        with pytest.raises(InputError, match="cannot be written: database or disk is full; what it holds stays"):
            run_study(chosen, store, HERE)
    with Store(full) as store, Store(whole) as other:
        summary = run_study(chosen, store, HERE)
        assert 0 < summary.found < 40
        run_study(chosen, other, HERE)
    assert contents(full) == contents(whole)


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0 or shutil.which("unshare") is None, reason="mounts a small file system")
def test_a_real_disk_that_fills_and_then_can_only_be_read(tmp_path):
    chosen, disk, figure = write_study(tmp_path, 12), tmp_path / "disk", tmp_path / "x.png"
    disk.mkdir()
    run = f"{sys.executable} -m simulator"
    script = f"""
        mount -t tmpfs -o size=56k none {disk} || exit 77
        {run} sweep {chosen} --store {disk}/s.sqlite --jobs 1; echo code $?
        mount -o remount,size=20m {disk}
        {run} sweep {chosen} --store {disk}/s.sqlite --jobs 1 > {tmp_path}/table; echo code $?
        ls {disk}
        mount -o remount,ro {disk}
        {run} plot {disk}/s.sqlite -o {figure}; echo code $?
    """
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("mounting is not allowed here")
    assert done.stdout.split("\n")[:4] == ["code 2", "code 0", "s.sqlite", "code 0"], done.stderr
    assert "disk is full" in done.stderr.splitlines()[0] or "disk I/O error" in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr
    assert figure.exists()


@pytest.mark.slow
def test_a_limit_on_file_size_is_one_line_and_the_rest_is_computed_later(cli, tmp_path):
    chosen, store = write_study(tmp_path, 12), tmp_path / "s.sqlite"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = subprocess.run(
        [*COMMAND, "sweep", str(chosen), "--store", str(store), "--jobs", "1"],
        cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=limit,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{store}: cannot be written: " in done.stderr
    assert cli("sweep", chosen, "--store", store, "--jobs", 1).code == 0


@pytest.mark.slow
@needs_bounds
def test_a_store_that_may_not_be_written_can_be_read_and_is_left_alone(tmp_path):
    chosen, store = write_study(tmp_path), tmp_path / "s.sqlite"
    sweep = ("sweep", chosen, "--store", store, "--jobs", 1)
    assert by_user(tmp_path, *sweep).returncode == 0
    assert side_files(store) == []
    store.chmod(0o444)
    whole = store.read_bytes()
    done = by_user(tmp_path, *sweep)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{store}: cannot be written: attempt to write a readonly database" in done.stderr
    plot = by_user(tmp_path, "plot", store, "-o", tmp_path / "x.png")
    assert (plot.returncode, plot.stderr) == (0, f"wrote {tmp_path / 'x.png'}\n")
    assert store.read_bytes() == whole
    assert side_files(store) == []
    store.chmod(0o644)
    assert by_user(tmp_path, *sweep).stderr.endswith("0 points computed, 8 found, 0 failed\n")


@pytest.mark.slow
@needs_bounds
@pytest.mark.parametrize("killed", [False, True])
def test_a_store_in_a_folder_that_may_not_be_written_can_be_plotted(tmp_path, killed):
    chosen = study(machines=["ideal"], workloads=[network(tmp_path)], seeds=3)
    folder = tmp_path / "media"
    folder.mkdir()
    store = folder / "s.sqlite"
    with Store(tmp_path / "s.sqlite") as working:
        run_study(chosen, working, HERE)
        if killed:  # what lies there then: the file, and a log with most of what it holds
            for name in ("s.sqlite", "s.sqlite-wal"):
                shutil.copy(tmp_path / name, folder / name)
    if not killed:
        shutil.copy(tmp_path / "s.sqlite", store)
    store.chmod(0o444)
    folder.chmod(0o555)
    before = sorted(folder.iterdir())
    plot = by_user(tmp_path, "plot", store, "-o", tmp_path / "x.png")
    assert (plot.returncode, plot.stderr) == (0, f"wrote {tmp_path / 'x.png'}\n")
    assert sorted(folder.iterdir()) == before
    folder.chmod(0o755)
    assert len(simulator.load_results(store)) == 3


def test_reading_a_store_while_a_sweep_writes_leaves_it_to_the_sweep(tmp_path):
    chosen = study(machines=["ideal"], workloads=[network(tmp_path)], seeds=3)
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        for _ in run_study(chosen, store, HERE), None:
            assert len(simulator.load_results(path)) == 3
        more = study(machines=["dcnn"], workloads=[network(tmp_path)], seeds=3)
        assert run_study(more, store, HERE).computed == 3
    assert side_files(path) == []


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "closed"), [(1, "2>&-"), (2, "2>&-"), (2, "<&- 2>&-")])
def test_a_sweep_needs_no_standard_error_and_no_standard_input(tmp_path, jobs, closed):
    chosen, store = write_study(tmp_path), tmp_path / "s.sqlite"
    command = " ".join([*COMMAND, "sweep", str(chosen), "--store", str(store), "--jobs", str(jobs), closed])
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0
    with Store(store) as opened:
        assert len(list(opened.rows())) == 8
    assert "ideal" in done.stdout
