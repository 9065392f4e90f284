"""One mutant at a time in a copy of the checkout: edit, run the tests, put the file back."""

import contextlib
import multiprocessing
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator

from benchmarks.mutants.areas import ROOT
from benchmarks.mutants.sample import Mutant

_PRELOADED = ["benchmarks.mutants.trials", "hypothesis", "numba", "numpy", "pydantic", "simpy", "matplotlib", "rich"]
_PACKAGES = {"benchmarks", "workloads", "dataflows", "simulator"}
_COMPILING_SECONDS = 300  # which a mutant in a kernel may need on top, since it compiles anew
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "demo", "dist", "build")


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: killed, timed out (killed as well) or survived; the lines that it took away and made."""

    mutant: Mutant
    verdict: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class Laboratory:
    """A copy of the checkout in `place`, and processes that run its tests.

    Each run of tests is forked from a process that has loaded the libraries but nothing of the project. Kernels lie in
    a cache of their own, which begins with those that the checkout has compiled; those of a mutant are thrown away.
    """

    def __init__(self, place: Path) -> None:
        self._tree, self._cache = place / "tree", place / "cache"
        shutil.copytree(ROOT, self._tree, ignore=_LEFT_OUT)
        self._limits: dict[tuple[str, ...], float] = {}  # seconds that tests may take
        for folder in _compiled():
            shutil.copytree(folder, self._cache / folder.name)
        self._kept = set(self._cache.glob("*"))
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(_PRELOADED)

    def attempt(self, mutant: Mutant) -> Outcome:
        """Make the edit, run the tests of its part, undo it."""
        limit = self._limits.get(mutant.tests) or self._limit(mutant.tests)
        edit = use_mutation(self._tree / mutant.path, get_operator(mutant.operator)(), mutant.occurrence)
        with edit as (original, mutated):
            code = self._run(mutant.tests, limit)
        for folder in set(self._cache.glob("*")) - self._kept:
            shutil.rmtree(folder)
        old, new = original.splitlines(), mutated.splitlines()
        verdict = {None: "timed out", 0: "survived"}.get(code, "killed")
        return Outcome(mutant, verdict, _only(old, new), _only(new, old))

    def _limit(self, tests: tuple[str, ...]) -> float:
        """Run tests without any mutant, keep the kernels that they compiled, and say how long a mutant may take.

        Raises `RuntimeError` when they fail.
        """
        since = time.monotonic()
        if self._run(tests, None) != 0:
            raise RuntimeError(f"tests fail without any mutant: {' '.join(tests)}")
        self._kept.update(self._cache.glob("*"))
        self._limits[tests] = _COMPILING_SECONDS + 4 * (time.monotonic() - since)
        return self._limits[tests]

    def _run(self, tests: tuple[str, ...], limit: float | None) -> int | None:
        """Exit code of the tests; None when they took too long."""
        process = self._processes.Process(target=_test, args=(str(self._tree), str(self._cache), tests))
        process.start()
        process.join(limit)
        if process.exitcode is None:
            process.kill()
            process.join()
            return None
        return process.exitcode


def _compiled() -> list[Path]:
    """Where the checkout's compiled kernels lie."""
    from dataflows.kernels.cache import cache_folder  # noqa: PLC0415 (processes that test a copy must not load it)

    folders = (cache_folder(package) for package in ("dataflows", "simulator"))
    return [folder for folder in folders if folder is not None]


def _only(lines: list[str], others: list[str]) -> tuple[str, ...]:
    """Lines in the middle that differ, without their margins."""
    pairs = list(zip(lines, others, strict=False))
    head = next((i for i, (one, other) in enumerate(pairs) if one != other), len(pairs))
    tail = next((i for i in range(len(pairs) - head) if lines[-1 - i] != others[-1 - i]), len(pairs) - head)
    return tuple(line.strip() for line in lines[head : len(lines) - tail])


def _test(tree: str, cache: str, tests: tuple[str, ...]) -> NoReturn:
    """Run tests in the copy: nothing of the checkout that this module comes from may be found, or be loaded already."""
    for name in list(sys.modules):
        if name.partition(".")[0] in _PACKAGES:
            del sys.modules[name]
    os.chdir(tree)
    os.environ |= {"PYTHONPATH": tree, "PRUNESIM_CACHE_DIR": cache, "HYPOTHESIS_PROFILE": "mutants"}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # no test here needs one, and they take a second to load
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # two edits in a second could be of the same size
    sys.dont_write_bytecode = True
    sys.path[:] = [tree, *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])
    sys.exit(int(code))
