"""Kernels that others call end as instructions in them, with the same results as where each is compiled to the end."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from dataflows.kernels import compiler, compiling, linked
from dataflows.kernels.cache import cache_base, cache_folder
from dataflows.kernels.compiled import kernel
from tests.dataflows.kernels import nested
from tests.dataflows.kernels.nested import halved
from tests.project import ROOT


@pytest.fixture
def kept_in(tmp_path, monkeypatch):
    """An empty folder of kernels, and none compiled in this process."""
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PRUNESIM_THREADS", "1")
    monkeypatch.setattr(compiler._Links, "work", True)
    monkeypatch.setattr(compiling, "_kernels", [])
    for forget in (cache_folder.cache_clear, compiler.forget_dispatchers):
        forget()
    yield tmp_path
    for forget in (cache_folder.cache_clear, compiler.forget_dispatchers):
        forget()


def anew(*functions):
    """The kernels of functions, without what this process has loaded."""
    return [kernel(one.function) for one in functions]


def compiled():
    """Names of what has been compiled since the last call."""
    names = [name.rpartition(".")[2] for name in compiling._kernels]
    compiling._kernels.clear()
    return names


@pytest.mark.usefixtures("kept_in")
def test_what_is_linked_is_kept_for_other_callers():
    ones, both = anew(nested.ones, nested.ones_and_zeros)
    assert ones(nested.VALUES) == 12
    assert compiled() == ["ones", "bits", "halved"]
    compiler.forget_dispatchers()  # as another process
    assert both(nested.VALUES, 0) == (12, 20)
    assert compiled() == ["ones_and_zeros", "halved", "ones"], "of an argument more, and for a caller"
    assert compiler._Links.work


@pytest.mark.usefixtures("kept_in")
def test_what_is_raised_in_a_linked_kernel_comes_through():
    for _ in range(2):
        (both,) = anew(nested.ones_and_zeros)
        with pytest.raises(ValueError, match=r"^below the least$"):
            both(nested.VALUES, 1)
        compiler.forget_dispatchers()


@pytest.mark.usefixtures("kept_in")
def test_a_linked_kernel_has_no_code(monkeypatch):
    emitted = []
    scan = linked.JITCodeLibrary._finalize_specific
    monkeypatch.setattr(linked.JITCodeLibrary, "_finalize_specific", lambda one: emitted.append(one.name) or scan(one))
    (ones,) = anew(nested.ones)
    assert ones(nested.VALUES) == 12
    assert [name for name in emitted if name in ("ones", "bits", "halved")] == ["ones"]
    made = nested.bits.for_kernels
    assert [
        one.library.get_pointer_to_function(one.fndesc.llvm_cpython_wrapper_name) for one in made.overloads.values()
    ] == [0]


@pytest.mark.parametrize(("where", "fault"), [("define_pipelines", AttributeError), ("__init__", TypeError)])
def test_where_links_fail_each_kernel_is_compiled_to_the_end(kept_in, monkeypatch, where, fault):
    def fails(*_):
        raise fault("another numba")

    monkeypatch.setattr(linked.LinkedCompiler, where, fails)
    ones, both, bits = anew(nested.ones, nested.ones_and_zeros, nested.bits)
    assert ones(nested.VALUES) == 12
    assert not compiler._Links.work
    assert both(nested.VALUES, 0) == (12, 20)
    assert bits(nested.VALUES).sum() == 12
    assert not list(kept_in.glob("*/*.turn")), "nobody waits for what has failed"


@pytest.mark.usefixtures("kept_in")
def test_a_fault_of_a_kernel_is_told_as_before():
    @kernel
    def wrong(values):
        return halved(values, "text")

    with pytest.raises(Exception, match="No implementation of function"):
        wrong(np.arange(3))


RUN = """
import sys
from dataflows.kernels import compiler
from simulator.commands.main import main
from simulator.engine.loop_choice import forced
compiler._Links.work = sys.argv[1] == "linked"
try:
    with forced("compiled"):
        main(["compare", "examples/tiny.toml", "--on", sys.argv[2], "--json", sys.argv[3]])
finally:
    assert compiler._Links.work == (sys.argv[1] == "linked")
"""
# Those whose kernels call others most; each compiled to the end takes seconds.
MACHINES = "scnn,cambricon-x,eie,pattern,sparten,sigma,tcl,eyeriss-v2"


@pytest.mark.slow
def test_machines_have_the_same_results_linked_and_compiled_to_the_end(tmp_path):
    reports = []
    for way, folder in (("linked", cache_base()), ("to the end", tmp_path / "end")):
        report = tmp_path / f"{way}.json"
        settings = {**os.environ, "PRUNESIM_CACHE_DIR": str(folder), "PRUNESIM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", RUN, way, MACHINES, str(report)], cwd=ROOT, env=settings, check=True)
        reports.append(json.loads(report.read_text()))
    assert reports[0] == reports[1]
