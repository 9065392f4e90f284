"""The scripts of `examples/`: each runs as it stands, in an empty folder, and writes what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT

WRITTEN = {
    "own-network": ("own/net.npz", "own/net_layers.json", "own.json", "own.svg"),
    "paper-column": ("utilization.sqlite", "utilization.pdf"),
    "what-if": ("what-if.sqlite", "queues.svg", "front.svg"),
    "regression": ("now.json", "reference.json"),
    "page": ("page.json", "page.html"),
}
pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="there is no shell")


@pytest.fixture
def run_example(tmp_path):
    """Run a script with `prunesim` and `python` of this checkout on the path; returns its exit code and all it said."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, arguments in (("prunesim", "-m simulator"), ("python", "")):
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        script.chmod(0o755)
    folder = tmp_path / "work"
    folder.mkdir()

    def run(name: str) -> tuple[int, str, Path]:
        found = os.environ | {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            ["sh", str(ROOT / "examples" / f"{name}.sh")],
            cwd=folder,
            env=found,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr, folder

    return run


def test_every_script_is_known_here_short_and_in_the_page_of_them():
    scripts = {path.stem: path.read_text() for path in (ROOT / "examples").glob("*.sh")}
    assert scripts.keys() == WRITTEN.keys()
    page = (ROOT / "docs" / "first-figures.md").read_text()
    for name, text in scripts.items():
        commands = re.findall(r"^(?:prunesim|python) ", text, re.MULTILINE)
        assert 1 <= len(commands) <= 3, name
        assert f"examples/{name}.sh" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
def test_a_script_writes_what_it_says(run_example, name):
    code, said, folder = run_example(name)
    assert code == 0, said
    for file in WRITTEN[name]:
        assert (folder / file).stat().st_size > 0


@pytest.mark.slow
def test_the_check_fails_once_the_network_became_slower(run_example):
    code, said, folder = run_example("regression")
    assert code == 0, said
    report = json.loads((folder / "reference.json").read_text())
    report["total"]["cycles"] = report["total"]["cycles"] * 9 // 10
    (folder / "reference.json").write_text(json.dumps(report))
    code, said, _ = run_example("regression")
    assert (code, "cycles" in said) == (1, True)


@pytest.mark.slow
def test_the_own_network_keeps_the_share_of_its_weights(run_example):
    _, _, folder = run_example("own-network")
    reports = json.loads((folder / "own.json").read_text())["reports"]
    assert [layer["weight_density"] for layer in reports[0]["layers"]] == pytest.approx([0.3] * 3, abs=1e-3)
