"""Bad values for every option and argument of every command: an exit code of ours, short lines, no traceback."""

import contextlib
import io
import os
import random

import click
import pytest

from simulator.commands.main import cli as group
from simulator.commands.main import main
from tests.fuzz.campaign import SEED, Campaign
from tests.fuzz.extremes import TEXTS
from workloads.notices import LONGEST_LINE

TINY = "name = 'n'\n[[layers]]\nname = 'a'\ntype = 'fc'\nin_channels = 3\nout_channels = 2\n"
# What each command is called with, beside the bad value; values of our own end quickly.
SEARCH = """
machines = ["structured"]
workloads = ["n.toml"]
[search]
sampler = "all"
[search.ranges]
fill_cycles = [0, 8]
"""
CALLS = {
    "compare": ["n.toml", "--on", "ideal,structured"],
    "config": ["ideal"],
    "diff": ["r.json", "r.json"],
    "explain": ["n.toml", "--on", "structured", "--no-parameters"],
    "import": ["n.toml", "-o", "out.npz"],
    "inspect": ["n.toml"],
    "list": [],
    "plot": ["r.json", "-o", "out.png"],
    "report": ["r.json", "-o", "out.html"],
    "run": ["n.toml", "--on", "structured"],
    "search": ["s.toml", "--jobs", "1"],
    "serve": ["n.toml", "--on", "ideal", "--rate", "1000", "--images", "10"],
    "sweep": ["n.toml", "--on", "ideal", "--vary", "seed=0", "--jobs", "1", "--patience", "0"],
    "validate": ["--machine", "none"],
}
# `--renew` rewrites recorded figures; the help of each command is no bad value.
LEFT_OUT = {"renew", "help"}


def parameters(name):
    command = group.get_command(click.Context(group), name)
    return [one for one in command.get_params(click.Context(command)) if one.name not in LEFT_OUT]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to be in, with a network, a report, and things that are no ordinary file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.toml").write_text(TINY)
    (tmp_path / "s.toml").write_text(SEARCH)
    (tmp_path / "EMPTY").write_bytes(b"")
    (tmp_path / "NOISE").write_bytes(random.Random(0).randbytes(10_000))
    (tmp_path / "FOLDER").mkdir()
    os.mkfifo(tmp_path / "PIPE")
    assert call(["run", "n.toml", "--on", "ideal", "--json", "r.json"])[0] == 0
    return tmp_path


def call(arguments):
    """Exit code and standard error of a command in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main(arguments)
    return stop.value.code, err.getvalue()


def with_bad_value(chance, name):
    """The arguments of a call in which one parameter has a bad value, or two have."""
    arguments = list(CALLS[name])
    for parameter in chance.sample(parameters(name), chance.choice([1, 1, 2])):
        value = chance.choice(TEXTS)
        if isinstance(parameter, click.Argument):
            arguments[:1] = ["--", value] if chance.random() < 0.1 else [value]
        elif parameter.is_flag:
            arguments.append(parameter.opts[-1])
        else:
            arguments += [f"{parameter.opts[-1]}={value}"] if chance.random() < 0.5 else [parameter.opts[-1], value]
    return [name, *arguments]


def options_campaign(names, folder):
    campaign, chance = Campaign(), random.Random(f"options {names} {SEED}")
    ordinary = set(folder.iterdir())
    while campaign.is_on:
        arguments = with_bad_value(chance, chance.choice(names))
        with campaign.trying(arguments):
            code, told = call(arguments)
            assert code in {0, 1, 2}
            assert max(map(len, told.splitlines()), default=0) <= LONGEST_LINE
            assert all(line.isprintable() for line in told.split("\n"))
        for made in set(folder.iterdir()) - ordinary:
            if made.is_file():
                made.unlink()
        (folder / "n.toml").write_text(TINY)
    campaign.end(", ".join(names))


def test_every_command_is_tried():
    assert set(group.list_commands(click.Context(group))) == set(CALLS)


def test_bad_values_end_in_lines_of_ours(folder):
    options_campaign(["run", "inspect", "diff", "config", "list"], folder)


@pytest.mark.nightly
@pytest.mark.parametrize("name", CALLS)
def test_bad_values_of_each_command(name, folder):
    options_campaign([name], folder)
