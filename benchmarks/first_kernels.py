"""Writes the list of kernels that a first run has compiled ahead: those that a small network needs on every machine.

python -m benchmarks.first_kernels            write dataflows/kernels/first_kernels.txt
python -m benchmarks.first_kernels --check    say what it lacks
"""

import os
import subprocess
import sys
import tempfile
from ast import literal_eval
from pathlib import Path

from dataflows.kernels import ahead
from dataflows.kernels.entries import key_of_entry

ROOT = Path(__file__).resolve().parents[1]
RUN = """
import sys
from simulator.commands.main import main
from simulator.engine.loop_choice import forced
with forced("compiled"):
    main(["compare", "examples/tiny.toml", "--on", "all", "--json", sys.argv[1]])
"""
LOOP = "simulator.engine.compiled."


def needed() -> list[str]:
    """Lines of the list, from what such a run leaves in an empty folder; the largest code first, and
    those of the event loop behind the others."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {**os.environ, "PRUNESIM_CACHE_DIR": f"{folder}/kernels", "PRUNESIM_THREADS": "1"}
        command = [sys.executable, "-c", RUN, f"{folder}/report.json"]
        subprocess.run(command, cwd=ROOT, env=settings, check=True, capture_output=True)
        found = sorted((-path.stat().st_size, _line(path)) for path in Path(folder).glob("kernels/*/*.image"))
    lines = [line for _, line in found]
    # The loop comes last, its largest part behind the others: without it a run goes on with simpy.
    return [one for one in lines if not one.startswith(LOOP)] + [one for one in lines[::-1] if one.startswith(LOOP)]


def _line(path: Path) -> str:
    name, _, _, kind, _ = literal_eval(key_of_entry(path).decode())
    module, _, function = name.rpartition(".")
    return f"{module}:{function}({kind})"


def main() -> int:
    lines = needed()
    if "--check" in sys.argv:
        lacking = [line for line in lines if line not in ahead.listed()]
        print("".join(f"{line}\n" for line in lacking), end="")
        return bool(lacking)
    (Path(ahead.__file__).parent / "first_kernels.txt").write_text(
        "".join(f"{line}\n" for line in lines), encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
