"""What a first run will call is compiled beside it, by processes that end with it."""

import json
import subprocess
import sys
import time
from importlib import import_module
from itertools import chain

import numpy as np
import pytest

from dataflows.kernels import ahead, compiled
from dataflows.kernels.ahead import line_of, listed, sample, split
from dataflows.kernels.arguments import described
from dataflows.kernels.cache import cache_folder
from dataflows.kernels.compiled import Kernel, kernel
from dataflows.kernels.kept import _processor
from tests.dataflows.kernels import samples
from tests.dataflows.kernels.test_arguments import CASES
from tests.project import ROOT

WORDS = sorted({words for _, words in CASES.values()})


@pytest.mark.parametrize("words", WORDS)
def test_words_make_an_argument_that_they_describe(words):
    assert described(sample(words)) == words


def test_words_of_several_arguments_are_taken_apart():
    assert split(", ".join(WORDS)) == WORDS
    assert split("") == []


@pytest.mark.parametrize("line", listed())
def test_the_list_names_kernels_and_what_they_take(line):
    module, _, call = line.partition(":")
    name, _, kinds = call[:-1].partition("(")
    found = getattr(import_module(module), name)
    assert isinstance(found, Kernel)
    assert line_of(found.function, kinds) == line
    assert [described(sample(kind)) for kind in split(kinds)] == split(kinds)
    assert len(split(kinds)) == found.function.__code__.co_argcount


LINES = [line_of(one.function, "int64[1C]") for one in (samples.total, samples.doubled, samples.extent, samples.max)]


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Lines of the processes that are started."""
    lines = []
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.setenv("PRUNESIM_THREADS", "4")
    monkeypatch.setattr(ahead, "_started", [])
    monkeypatch.setattr(ahead, "listed", lambda: [*LINES, "no.module.of.this:process()"])
    monkeypatch.setattr(ahead, "_process", lambda given: lines.append(given) or given)
    cache_folder.cache_clear()
    yield lines
    cache_folder.cache_clear()


def test_the_first_kernel_that_is_compiled_starts_processes_for_the_others(started):
    for _ in range(2):
        assert kernel(samples.total.function)(np.arange(4)) == 6
    assert started == [LINES[1:]], "once, without its own, and one process where there are few"


@pytest.mark.parametrize(("threads", "processes"), [("1", 0), ("2", 1), ("3", 2), ("9", 3)])
def test_processes_are_as_many_as_processors_are_left(started, monkeypatch, threads, processes):
    monkeypatch.setenv("PRUNESIM_THREADS", threads)
    monkeypatch.setattr(ahead, "listed", lambda: LINES * 4)
    ahead.start("")
    assert len(started) == processes
    assert sorted(chain(*started)) == (sorted(LINES * 4) if processes else [])


@pytest.mark.parametrize("threads", ["1", "3"])
def test_all_of_the_list_is_compiled_by_as_many_processes_as_there_are_threads(started, monkeypatch, threads):
    waited = []

    class Process(list):
        def wait(self):
            waited.append([*self])

    monkeypatch.setenv("PRUNESIM_THREADS", threads)
    monkeypatch.setattr(ahead, "_process", lambda given: started.append(given) or Process(given))
    ahead.compile_all()
    assert waited == started
    assert len(started) == int(threads)
    assert sorted(chain(*started)) == sorted(ahead.listed())


def test_the_event_loop_is_the_last_of_the_list():
    parts = [line.startswith("simulator.engine.compiled.") for line in listed()]
    assert parts == sorted(parts)
    assert listed()[-1].startswith("simulator.engine.compiled.advance:advance(")


def test_workers_of_a_sweep_start_none(started, monkeypatch):
    monkeypatch.setattr(ahead.multiprocessing, "parent_process", lambda: "a run")
    ahead.start("")
    assert started == []


def test_a_system_without_room_for_processes_goes_on(started, monkeypatch):
    def full(_):
        raise BlockingIOError

    monkeypatch.setattr(ahead, "_process", full)
    assert kernel(samples.total.function)(np.arange(4)) == 6
    assert started == []


@pytest.mark.skipif(not _processor(), reason="images are made on such Linux only")
def test_a_process_compiles_its_lines_and_passes_over_what_it_cannot(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", str(tmp_path))
    process = ahead._process(["no.module:of()", "tests.dataflows.kernels.samples:total(text)", LINES[0]])
    until = time.monotonic() + 60
    while not list(tmp_path.glob("kernels-*/*.image")) and time.monotonic() < until:
        time.sleep(0.05)
    process.stdin.close()
    process.wait(60)
    (image,) = tmp_path.glob("kernels-*/*.image")
    assert "samples.total" in image.name


def test_a_process_imports_nothing_from_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("open('imported', 'w')")
    monkeypatch.chdir(tmp_path)
    process = ahead._process([])
    process.stdin.close()
    assert process.wait(60) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["json.py"]


def test_a_process_ends_with_the_run():
    waits = ahead._RUN.replace("compile_listed()", "compile_listed(); import time; time.sleep(60)")
    process = subprocess.Popen([sys.executable, "-c", waits], cwd=ROOT, stdin=subprocess.PIPE, text=True)
    process.stdin.write(json.dumps([]) + "\n")
    process.stdin.close()
    assert process.wait(30) == 0


@pytest.mark.usefixtures("started")
def test_preparing_runs_nothing():
    places = np.full(2, 7)
    made = kernel(samples.first_bits.function)
    made.prepare(np.array([8, 1], np.uint64), places)
    assert places.tolist() == [7, 7]
    assert compiled.key_of((np.array([8, 1], np.uint64), places)) in made._ready
