"""A Dask scheduler and workers as processes of this machine."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.simulator.commands.test_sweep import ROOT

PATIENCE = 120  # seconds for processes to start on a busy machine


class LocalCluster:
    """Started processes end with the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ""
        self.workers: list[subprocess.Popen] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        described = self.folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", ROOT, "--port", "0", "--scheduler-file", str(described), "--dashboard-address", "127.0.0.1:0"
        )
        end = time.monotonic() + PATIENCE
        while not (described.exists() and described.read_text()):
            assert time.monotonic() < end, (self.folder / "scheduler.log").read_text()
            time.sleep(0.05)
        self.address = json.loads(described.read_text())["address"]
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _start(self, role: str, cwd: Path, *arguments: str, sources: Path = ROOT) -> subprocess.Popen:
        name = f"{role}{len(self.workers)}" if role == "worker" else role
        output = self._stack.enter_context((self.folder / f"{name}.log").open("w"))
        started = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{role}", "--host", "127.0.0.1", *arguments],
            cwd=cwd, env={**os.environ, "PYTHONPATH": str(sources)}, stdout=output, stderr=output,
        )  # fmt: skip
        self._stack.callback(started.wait)
        self._stack.callback(started.kill)
        return started

    def add(self, count: int = 1, cwd: Path = ROOT, sources: Path = ROOT) -> None:
        """Workers of one thread; returns when the scheduler knows them."""
        arguments = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder))
        logs = []
        for _ in range(count):
            logs.append(self.folder / f"worker{len(self.workers)}.log")
            self.workers.append(self._start("worker", cwd, self.address, *arguments, sources=sources))
        end = time.monotonic() + PATIENCE
        for log in logs:
            while "Registered to" not in log.read_text():
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
