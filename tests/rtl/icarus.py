"""Benches in SystemVerilog under Icarus Verilog: compiled for their parameters, run on a file of stimuli."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

needed = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")


def printed(sources: Sequence[Path], parameters: Mapping[str, int], stimuli: Iterable[str], folder: Path) -> list[str]:
    """The lines that the module `bench` of some sources prints with these parameters on these lines of stimuli."""
    program, file = folder / "bench", folder / "stimuli.txt"
    values = [f"-Pbench.{name}={value}" for name, value in parameters.items()]
    subprocess.run(["iverilog", "-g2012", "-s", "bench", *values, "-o", program, *sources], check=True)
    file.write_text("".join(f"{line}\n" for line in stimuli))
    run = subprocess.run(["vvp", "-n", program, f"+stimuli={file}"], check=True, capture_output=True, text=True)
    return run.stdout.splitlines()
