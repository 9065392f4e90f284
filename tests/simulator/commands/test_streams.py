"""Closed and full streams, and memory that runs out: one line at most, never a traceback, never a wrong file."""

import os
import subprocess
import sys

import pytest

from simulator.commands import main as command
from tests.project import ROOT

FULL = "standard output: No space left on device"


def shell(line, **options):
    """A command in a shell of its own; `prunesim` stands for ours."""
    line = line.replace("prunesim", f"{sys.executable} -m simulator")
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False, **options
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", ["list formats", "config ideal", "--help", "run blazepose --on ideal --layers 'op00*' --json -"]
)
def test_a_full_standard_output_is_one_line(arguments):
    done = shell(f"prunesim {arguments} > /dev/full")
    assert (done.returncode, done.stderr) == (2, f"prunesim: {FULL}\n")


def test_a_closed_standard_output_is_refused_before_the_work():
    done = shell("prunesim run no-such-workload --on ideal >&-")
    assert (done.returncode, done.stderr) == (
        2,
        "prunesim: standard output is closed; send it to /dev/null if it is not wanted\n",
    )


def test_a_closed_standard_error_ends_nothing_and_gets_no_file_of_ours(tmp_path):
    store = tmp_path / "s.sqlite"
    done = shell(
        f"prunesim sweep blazepose --on ideal --vary seed=1,2 --layers 'op00*' --jobs 1 --store {store} --csv - 2>&-"
    )
    assert done.returncode == 0
    assert done.stdout.count("\n") == 3
    assert store.read_bytes().startswith(b"SQLite format 3\0")


@pytest.mark.slow
def test_a_full_standard_error_changes_no_result():
    assert shell("prunesim run blazepose --on ideal --layers 'op00*' --set dram.standard=HBM2 2> /dev/full").stdout
    assert shell("prunesim rum 2> /dev/full").returncode == 2


def test_a_pipe_that_nobody_reads_is_silent():
    end, start = os.pipe()
    os.close(end)
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "list", "formats"],
        cwd=ROOT,
        stdout=start,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(start)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError("Unable to allocate 8 GiB"), "not enough memory: Unable to allocate 8 GiB"),
        (MemoryError(), "not enough memory: the system gives no more"),
        (
            ImportError("x.so: failed to map segment from shared object"),
            "not enough memory: x.so: failed to map segment from shared object",
        ),
        (RuntimeError("can't start new thread"), "not enough memory: can't start new thread"),
        (OSError(12, "Cannot allocate memory"), "not enough memory: [Errno 12] Cannot allocate memory"),
        (PermissionError(13, "Permission denied", "a.csv"), "a.csv: Permission denied"),
    ],
)
def test_what_the_system_refuses_is_one_line(cli, monkeypatch, error, line):
    def fail(*_):
        raise error

    monkeypatch.setattr("simulator.terminal.tables.print_listing", fail)
    result = cli("list", "formats")
    assert (result.code, result.err) == (2, f"prunesim: {line}\n")


def test_other_errors_stay_what_they_are(monkeypatch):
    def fail(*_):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("simulator.terminal.tables.print_listing", fail)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        command.main(["list", "formats"])


@pytest.mark.parametrize(
    "place", ["workloads.source.LayerSource.weight_array", "simulator.network_simulation.count_products"]
)
def test_a_layer_without_enough_memory_is_named(cli, monkeypatch, place):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(place, fail)
    result = cli("run", "blazepose", "--on", "ideal", "--layers", "op006*")
    assert result.code == 2
    assert result.err.startswith("prunesim: layer 'op006")
    assert "weights" in result.err
    assert result.err.endswith(": not enough memory\n")


def test_a_layer_beyond_a_limit_of_memory_is_named(tmp_path):
    network = tmp_path / "big.toml"
    network.write_text('[[layers]]\nname = "wide"\ntype = "fc"\nin_channels = 40000\nout_channels = 40000\n')
    done = shell(f"export PRUNESIM_LIMITS=4; ulimit -v 1500000; prunesim run {network} --on ideal")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "prunesim: layer 'wide' with 1600000000 weights and 40000 activations: not enough memory"
    )


def test_a_name_that_the_terminal_has_no_letters_for_is_shown_as_escapes(tmp_path):
    network = tmp_path / "n.toml"
    network.write_text(
        "name = 'n'\n[[layers]]\nname = 'größe'\ntype = 'fc'\nin_channels = 2\nout_channels = 2\n", "utf-8"
    )
    ascii_only = "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"
    assert "gr\\xf6\\xdfe " in shell(f"{ascii_only} prunesim inspect {network} --on none").stdout
    table = shell(f"{ascii_only} prunesim run {network} --on ideal --csv - 2>&1")
    assert table.returncode == 0
    assert ",größe," in table.stdout


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_file_whose_name_is_no_text_is_shown_by_escapes_or_bytes(tmp_path, errors):
    folder = os.fsencode(tmp_path) + b"/\xff"
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "validate", "--export", folder],
        env=os.environ | {"PYTHONIOENCODING": f"utf-8:{errors}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    shown = {"strict": b"/\\udcff/figures.toml", "surrogateescape": b"/\xff/figures.toml"}[errors]
    assert os.fsencode(tmp_path) + shown in done.stdout.splitlines()
