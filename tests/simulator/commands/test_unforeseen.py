"""What nobody foresaw: one line, a file with the details, exit code 3."""

import re
import tempfile

import pytest

from simulator import configuration
from simulator.commands import main as command
from workloads.network_files import schema


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """A command that raises what it is told to, with temporary files in a folder of its own."""

    def raising(error):
        monkeypatch.setattr(command.cli, "main", lambda *_, **__: (_ for _ in ()).throw(error))

    monkeypatch.delenv("PRUNESIM_TRACEBACKS")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return raising


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyError("x\x1b[31m\ny"), r"KeyError: 'x\x1b[31m\ny'"),
        (RecursionError("too deep"), "RecursionError: too deep"),
        (AssertionError(), "AssertionError"),
        (ZeroDivisionError("z" * 10**6), f"ZeroDivisionError: {'z' * 200}"),
    ],
)
def test_one_line_and_the_file_of_the_details(error, told, broken, cli, tmp_path):
    broken(error)
    result = cli("run", "w\udcffrkload")
    (details,) = tmp_path.iterdir()
    assert (result.code, result.out) == (3, "")
    assert result.err == f"prunesim: a fault of this program, {told}; please report it with {details}\n"
    text = details.read_text()
    assert re.match(r"prunesim \S+, Python ", text)
    assert "['run', 'w\\udcffrkload']" in text
    assert "Traceback (most recent call last):" in text


def test_details_that_cannot_be_written_are_said_to_be_so(broken, cli, monkeypatch):
    broken(KeyError("x"))
    monkeypatch.setattr(tempfile, "tempdir", "/no such folder")
    assert cli("list").err == (
        "prunesim: a fault of this program, KeyError: 'x'; its details cannot be written: No such file or directory\n"
    )


def test_an_error_that_cannot_be_shown_ends_likewise(broken, cli, tmp_path):
    class UnshownError(Exception):
        def __str__(self):
            raise ValueError("no text")

    broken(UnshownError())
    assert (cli("list").code, len(list(tmp_path.iterdir()))) == (3, 1)


def test_tests_meet_the_error_itself(monkeypatch):
    monkeypatch.setattr(command.cli, "main", lambda *_, **__: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        command.main(["list"])


def test_an_interrupt_outside_of_a_command_is_silent(cli, monkeypatch):
    monkeypatch.setattr(command.cli, "main", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert (result := cli("list")).code == 130
    assert (result.out, result.err) == ("", "")


def test_a_long_line_loses_its_middle_and_many_faults_are_counted(cli, tmp_path):
    path = tmp_path / "my.toml"
    path.write_text("\n".join(f"k{'x' * 1000}{number} = 0" for number in range(70)))
    lines = cli("run", "blazepose", "--on", "scnn", "--config", path).err.splitlines()
    assert len(lines) == 51
    assert {len(line) for line in lines[:-1]} == {500}
    assert lines[0].startswith(f"prunesim: {path}: unknown key 'kxxx")
    assert lines[-1] == "prunesim: and 20 more faults"


@pytest.mark.parametrize("given", ["configuration", "network"])
def test_near_names_are_looked_for_only_where_a_fault_is_told(cli, tmp_path, monkeypatch, given):
    asked = []
    for module in (configuration, schema):
        monkeypatch.setattr(module, "nearest", lambda name, _: asked.append(name) or "did you mean 'x'?")
    path = tmp_path / "my.toml"
    path.write_text("\n".join(f"key{number} = 0" for number in range(1000)))
    arguments = ["blazepose", "--config", path] if given == "configuration" else [path]
    lines = cli("run", *arguments, "--on", "scnn").err.splitlines()
    assert len(asked) == 50
    assert lines[-1].endswith(" more faults")
    assert all("did you mean" in line for line in lines[:-1])
