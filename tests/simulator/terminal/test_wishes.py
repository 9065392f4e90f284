"""`--quiet` leaves warnings, errors and results, `--wide` all columns; both end with the command."""

import click
import pytest

from dataflows.registry import machine
from simulator.commands.main import LazyGroup
from simulator.commands.main import cli as group
from simulator.terminal import progress, wishes
from simulator.terminal.probes import PROBES, not_run
from tests.project import ROOT

TINY = str(ROOT / "examples" / "tiny.toml")


@pytest.mark.parametrize("name", sorted({*LazyGroup.modules, "list", "config"}))
def test_each_command_has_the_wishes_that_make_sense_there_once(name):
    for _ in range(2):
        command = group.get_command(click.Context(group), name)
    given = sorted(one.name for one in command.params if one.name in wishes.WISHES)
    assert given == sorted(LazyGroup.wishes.get(name, ("quiet", "wide")))


def test_quiet_writes_the_same_files_and_results_without_saying_so(cli, tmp_path):
    loud = cli("run", TINY, "--on", "scnn", "--check", "--csv", tmp_path / "a.csv")
    quiet = cli("run", TINY, "--on", "scnn", "--check", "--csv", tmp_path / "b.csv", "--quiet")
    assert f"wrote {tmp_path / 'a.csv'}" in loud.err
    assert "outputs checked" in loud.err
    assert (quiet.code, quiet.err, quiet.out) == (0, "", loud.out)
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_quiet_keeps_warnings_and_errors(cli):
    warned = cli(
        "run", TINY, "--on", "ideal", "--set", "dram.latency_ns=1", "--set", "dram.bandwidth_gbs=inf", "--quiet"
    )
    assert cli("run", "no such thing", "--on", "ideal", "--quiet").err.startswith("prunesim: ")
    assert all(line.startswith("warning: ") for line in warned.err.splitlines())


def test_quiet_ends_with_its_command(cli, tmp_path):
    cli("run", TINY, "--on", "ideal", "--quiet")
    assert "wrote" in cli("run", TINY, "--on", "ideal", "--csv", tmp_path / "c.csv").err
    assert not wishes.wished("quiet")


def test_quiet_shows_no_progress_on_a_terminal_either(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with click.Context(group) as context, progress.progress("loud") as advance:
        assert advance is not None
        context.meta["prunesim.wish.quiet"] = True
        with progress.progress("quiet") as hushed:
            assert hushed is None


def test_wide_has_all_columns_on_a_narrow_terminal(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    narrow, wide = cli("run", TINY, "--on", "scnn").out, cli("run", TINY, "--on", "scnn", "--wide").out
    monkeypatch.setenv("COLUMNS", "1000")
    full = cli("run", TINY, "--on", "scnn").out
    assert max(map(len, narrow.splitlines())) <= 60
    assert [line.rstrip() for line in wide.splitlines()] == [line.rstrip() for line in full.splitlines()]


def test_a_list_says_what_a_machine_refuses(cli):
    lines = {line.split()[0]: line for line in cli("list", "accelerators", "--wide").out.splitlines() if line}
    assert lines["eie"].rstrip().endswith("kernels above 1x1")
    for name in ("scnn", "stacked", "ideal"):
        refused = not_run(machine(name)())
        assert refused == tuple(kind for kind, layer in PROBES.items() if machine(name)().refusal(layer))
        assert lines[name].rstrip().endswith(", ".join(refused))
    assert "3-D convolutions" in lines["scnn"]
