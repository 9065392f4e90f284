"""Processes that need the same kernel compile it once, and one that ends or stops keeps nobody waiting for long."""

import subprocess
import sys
import time

import pytest

from dataflows.kernels import turns
from tests.project import ROOT

pytest.importorskip("fcntl", reason="without locks everybody compiles for himself")

HOLD = """
import sys, time
from pathlib import Path
from dataflows.kernels.turns import end_turn, take_turn
entry = Path(sys.argv[1])
take_turn(entry)
print("mine", flush=True)
sys.stdin.readline()
entry.write_text("compiled")
end_turn(entry)
"""


def holder(entry):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(entry)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "mine\n"
    return process


def test_who_waits_finds_what_the_other_made(tmp_path):
    entry = tmp_path / "one.kernel"
    waiting = holder(entry)
    second = subprocess.Popen(
        [sys.executable, "-c", HOLD.replace("print(", "print(entry.exists(), "), str(entry)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(0.5)
    assert not entry.exists()
    waiting.communicate("\n")
    assert second.stdout.readline() == "True mine\n"
    second.communicate("\n")
    assert list(tmp_path.iterdir()) == [entry], "no lock stays behind"


def test_the_turn_of_a_process_that_was_killed_is_free(tmp_path):
    entry = tmp_path / "one.kernel"
    gone = holder(entry)
    gone.kill()
    gone.communicate()
    since = time.monotonic()
    turns.take_turn(entry)
    turns.end_turn(entry)
    assert time.monotonic() - since < 5


def test_patience_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "_PATIENCE_SECONDS", 0.2)
    entry = tmp_path / "one.kernel"
    stopped = holder(entry)
    turns.take_turn(entry)
    turns.end_turn(entry)
    stopped.kill()
    stopped.communicate()


def test_a_folder_that_cannot_be_written_costs_no_wait(tmp_path):
    turns.take_turn(tmp_path / "missing" / "one.kernel")
    turns.end_turn(tmp_path / "missing" / "one.kernel")


COMPILE = """
import numpy as np
from tests.dataflows.kernels.test_cache import add
from dataflows.kernels.compiled import kernel
made = kernel(add)
made(np.int64(3), np.int64(4))
print(made.compiled)
"""


def test_two_processes_compile_a_kernel_once(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", str(tmp_path / "kernels"))
    both = [
        subprocess.Popen([sys.executable, "-c", COMPILE], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    told = sorted(process.communicate()[0] for process in both)
    assert told == ["0\n", "1\n"], "one compiles, the other loads"


def test_all_turns_end_at_once(tmp_path):
    entries = [tmp_path / "one.kernel", tmp_path / "two.kernel"]
    for entry in entries:
        turns.take_turn(entry)
    turns.end_all_turns()
    assert list(tmp_path.iterdir()) == []
    assert not turns._handles
