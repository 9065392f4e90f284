"""Every command of the documents runs as it stands, in a folder with what its document says is there."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.commands import commands_of, documents
from tests.project import ROOT
from workloads.arrays.trace_file import save_traces
from workloads.catalog import load_workload

ELSEWHERE = {  # commands that other tests run, or that no test could: where, or why
    "README.md: prunesim validate": "tests/validation/test_published.py",
    "scnn.md: prunesim validate": "tests/validation/test_published.py",
    "studies.md: prunesim validate": "tests/validation",
    "studies.md: prunesim sweep figures/": "tests/validation",
    "studies.md: prunesim run mine.npz": "tests/workloads/importers: a file of several inputs",
    "studies.md: prunesim sweep mine.npz": "likewise",
    "studies.md: prunesim compare blazepose --on all --json - |": "a pipe: tests/simulator/reports/test_diff_causes.py",
    "README.md: prunesim list [": "a form of several commands",
    "README.md: prunesim sweep STUDY.toml": "a form",
}
STUDY = 'workloads = ["alexnet@scnn"]\nlayers = "conv[45]"\nmachines = ["scnn"]\n[[axes]]\ndensity = [0.2, 0.5, 0.8]\n'
ARRIVALS = "".join(f"{0.02 * image:.3f}\n" for image in range(40))


def designs() -> str:
    """The study that docs/search.md shows."""
    lines = (ROOT / "docs" / "search.md").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip().startswith("title ="))
    shown = [line for line in lines[start:] if not line or line.startswith("    ")]
    end = next(number for number, line in enumerate(lines[start:]) if line and not line.startswith("    "))
    return "\n".join(line.strip() for line in shown[:end])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What documents take for granted: the examples, a study, a search, images that arrive, traces of one's own."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "designs.toml").write_text(designs())
    (tmp_path / "frames.csv").write_text(ARRIVALS)
    save_traces(tmp_path / "my_network.npz", load_workload("examples/tiny.toml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_elsewhere(command) -> bool:
    return any(f"{command.document}: {command.text}".startswith(key) for key in ELSEWHERE)


def run(text, cli):
    """Run a command, what it says going to a file where it is told to; examples of Python come before."""
    text, _, file = text.partition(" > ")
    program, *arguments = shlex.split(text)
    if program == "python":
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        return
    result = cli(*arguments)
    assert result.code == 0, result.err
    if file:
        Path(file).write_text(result.out, encoding="utf-8")


def test_commands_are_found_and_those_left_out_exist():
    found = [command for path in documents() for command in commands_of(path)]
    assert len(found) > 60
    for key in ELSEWHERE:
        assert any(f"{command.document}: {command.text}".startswith(key) for command in found), key


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in documents() if commands_of(path)], ids=lambda path: path.name)
def test_commands_of_a_document_run(path, folder, cli):  # noqa: ARG001
    for command in commands_of(path):
        if not is_elsewhere(command):
            run(command.text, cli)
