"""docs/tutorial.md: every command gives the output that it shows. Skipped where torch is absent."""

import re
import shlex
import subprocess
import sys

import pytest

from tests.project import ROOT

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def commands() -> list[tuple[str, str]]:
    """(command, output) of every indented block; `...` in an output stands for lines that are left out."""
    found: list[tuple[str, list[str]]] = []
    for line in re.sub(r"```.*?```", "", TUTORIAL, flags=re.DOTALL).splitlines():
        if line.startswith("    $ "):
            found.append((line.removeprefix("    $ "), []))
        elif found and (line.startswith("    ") or not line):
            found[-1][1].append(line.removeprefix("    "))
        else:
            found.append(("", []))  # prose ends a block
    return [(command, "\n".join(output).strip("\n")) for command, output in found if command]


def test_the_tutorial_holds_commands():
    assert len(commands()) == 7
    assert commands()[2][1].startswith("unstructured: imported")


def test_every_command_gives_its_output(tmp_path, monkeypatch, cli):
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.chdir(tmp_path)
    (script,) = re.findall(r"```python\n(.*?)```", TUTORIAL, flags=re.DOTALL)
    (tmp_path / "prune.py").write_text(script, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for command, output in commands():
        program, *arguments = shlex.split(command)
        if program == "python":
            done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
            shown = done.stdout
        else:
            result = cli(*arguments)
            assert (result.code, result.err) == (0, "")
            shown = result.out
        text = "\n".join(line.rstrip() for line in shown.splitlines()).strip("\n")
        assert re.fullmatch(re.escape(output).replace(r"\.\.\.", "(?s:.*)"), text), f"$ {command}\n{text}"
