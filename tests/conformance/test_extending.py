"""docs/extending.md keeps its promises: its examples are taken out of the page and dropped into a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.reports.files import read_reports
from tests.project import ROOT

_EXAMPLE = re.compile(r"^`([\w./-]+)`(?:, section ([^:\n]+))?:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FOUND = _EXAMPLE.findall((ROOT / "docs" / "extending.md").read_text(encoding="utf-8"))
FILES = {path: text for path, section, text in _FOUND if not section}
ROWS = [(path, section, text) for path, section, text in _FOUND if section]
_PACKAGES = ("workloads", "dataflows", "simulator")
_COPIED = (*_PACKAGES, "tests", "benchmarks", "docs", "examples", "README.md", "DEVIATIONS.md", "pyproject.toml")


class Project:
    """A copy of the project in a folder of its own, kernels' cache included."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)

    def drop(self, *prefixes: str) -> None:
        """Drop the examples whose paths begin like this."""
        for path, text in FILES.items():
            if path.startswith(prefixes):
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / path).write_text(text, encoding="utf-8")

    def add_rows(self) -> None:
        """Put rows behind the head of the first table of their sections."""
        for path, section, row in ROWS:
            file = self.folder / path
            text = file.read_text(encoding="utf-8")
            start = text.find(f"\n## {section}\n") if section != "first table" else 0
            assert start >= 0, f"{path} has no section {section}"
            place = re.compile(r"^\|(---\|)+\n", re.MULTILINE).search(text, start).end()
            file.write_text(text[:place] + row + text[place:], encoding="utf-8")

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the copy and on it alone."""
        own = {"PYTHONPATH": str(self.folder), "PRUNESIM_CACHE_DIR": str(self.folder / "cache"), "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=os.environ | own,
            capture_output=True,
            text=True,
            check=False,
        )

    def prunesim(self, *arguments: str) -> str:
        """What the command prints; it must succeed."""
        done = self.python("-m", "simulator", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def tests(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run tests of the copy."""
        return self.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not nightly", *arguments)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("extended"))
    made.drop("")
    made.add_rows()
    return made


def test_every_kind_of_newcomer_has_an_example_of_new_files():
    places = ("dataflows/machines", "workloads/pruning/methods", "workloads/formats/kinds", "workloads/importers")
    for place in (*places, "simulator/plots/kinds", "simulator/validation/published"):
        assert any(path.startswith(f"{place}/") for path in FILES)
    assert [path for path in FILES if (ROOT / path).exists()] == []


def test_the_examples_are_of_the_project_s_style(project):
    files = [path for path in FILES if path.endswith(".py")]
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = project.python("-m", "ruff", *command, *files)
        assert done.returncode == 0, done.stdout


def test_lists_and_helps_know_them(project):
    listed = project.prunesim("list")
    assert all(re.search(rf"^{name} ", listed, re.MULTILINE) for name in ("skipper", "bank", "coo"))
    assert "bytes that each run reads from DRAM and writes to it" in project.prunesim("plot", "--help")
    assert ".npy" in project.prunesim("import", "--help")


@pytest.mark.slow
def test_they_run_compare_and_plot_together(project):
    np.save(project.folder / "fc.npy", np.random.default_rng(0).standard_normal((40, 64)))
    checked = project.prunesim("run", "fc.npy", "--on", "skipper", "--prune", "bank:density=0.5", "--check")
    assert "skipper" in checked
    project.prunesim("run", "fc.npy", "--on", "scnn", "--set", "weight_format=coo")
    project.prunesim("compare", "fc.npy", "--on", "skipper,dadiannao", "--json", "both.json")
    names = [report["accelerator"]["name"] for report in read_reports(project.folder / "both.json")]
    assert names == ["skipper", "dadiannao"]
    project.prunesim("plot", "both.json", "--kind", "traffic", "-o", "traffic.svg")
    assert "DRAM traffic, MB" in (project.folder / "traffic.svg").read_text()


@pytest.mark.slow
def test_the_published_figure_is_within_its_goal(project):
    assert "1 figures: 1 within, 0 explained, 0 unexplained; 0 moved" in project.prunesim(
        "validate", "--machine", "skipper"
    )


@pytest.mark.slow
def test_nothing_is_owed_once_the_named_commands_have_run(project):
    for command in (["benchmarks.golden", "skipper"], ["benchmarks.results", "blazepose", "--renew"]):
        made = project.python("-m", *command)
        assert made.returncode == 0, made.stderr
    project.prunesim("validate", "--machine", "skipper", "--renew", "--markdown", "DEVIATIONS.md")
    own = [path for path in FILES if Path(path).name.startswith("test_")]
    of_all = ("tests/conformance/test_everything.py", "tests/workloads/pruning/test_registry.py")
    for arguments in (
        ["tests/conformance", "tests/benchmarks/test_golden.py", "-k", "skipper"],
        [
            "tests/conformance/test_newcomers.py",
            "tests/workloads/formats",
            "-k",
            "newcomer or coo or interface or best",
        ],
        [*of_all, "-k", "(bank and (alexnet or c3d)) or texts or parse"],
        own,
    ):
        done = project.tests(*arguments)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_newcomer_alone_is_told_what_it_owes(tmp_path):
    project = Project(tmp_path)
    project.drop(*_PACKAGES)
    done = project.tests("tests/conformance/test_newcomers.py")
    assert done.returncode == 1
    for sentence in (
        "machine 'skipper' still owes a slow twin: a test in tests/dataflows/machines/skipper/ that is marked `twin`",
        "machine 'skipper' still owes two layers worked out by hand: `PAIRS` in tests/conformance/hand_derived/test_skipper.py",
        "machine 'skipper' still owes a row in docs/machines.md, section Maps",
        "machine 'skipper' still owes a golden report: run `python -m benchmarks.golden skipper`",
        "machine 'skipper' still owes a row in README.md: run `python -m benchmarks.results blazepose --renew`",
        "in DEVIATIONS.md: run `prunesim validate --machine skipper --renew --markdown DEVIATIONS.md`",
        "pruning 'bank' still owes a check of its structure: a test in tests/workloads/pruning/methods/ that names bank",
        "format 'coo' still owes an example bit string, worked out by hand: `EXAMPLE` in tests/workloads/formats/kinds/coo.py",
        "kind of plot 'traffic' still owes a row in docs/plots.md, section Kinds",
        "importer 'NumPy array' still owes a row in docs/importing.md with .npy",
    ):
        assert sentence in done.stdout, done.stdout[-3000:]
