"""The benches, which take minutes, are not run here; that they can be read is seen."""

from importlib import import_module

import pytest

from tests.project import ROOT

BENCHES = sorted(path.stem for path in (ROOT / "benchmarks").glob("bench_*.py"))


@pytest.mark.parametrize("name", BENCHES)
def test_what_a_bench_asks_for_is_there(name):
    assert [one for one in vars(import_module(f"benchmarks.{name}")) if one.startswith("test_")]
