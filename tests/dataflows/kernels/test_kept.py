"""Kept kernels run without numba, beside numba, in threads and in other processes; numba stands in where that fails."""

import gc
import multiprocessing
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from dataflows.kernels import kept, processor
from dataflows.kernels.cache import cache_folder
from dataflows.kernels.compiled import kernel
from dataflows.kernels.helpers import MissingHelperError
from dataflows.kernels.lanes import load
from tests.dataflows.kernels import samples
from tests.dataflows.kernels.samples import RESULTS, call_all
from tests.project import ROOT

needs_images = pytest.mark.skipif(not kept._processor(), reason="images are made on such Linux only")


@pytest.fixture
def base(tmp_path, monkeypatch):
    folder = tmp_path / "kernels"
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", str(folder))
    cache_folder.cache_clear()
    yield folder
    cache_folder.cache_clear()


def images(base):
    return sorted(base.glob("kernels-*/*.image"))


def run(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


WITHOUT_NUMBA = """
import sys
from tests.dataflows.kernels.samples import RESULTS, doubled, call_all, shifted, with_offset
type(shifted).for_numba = staticmethod(lambda value, by=1: value + by)  # a default that is left out is numba's to type
assert call_all() == RESULTS
print(*{"numba", "llvmlite", "scipy"} & {name.partition(".")[0] for name in sys.modules})
"""


@needs_images
def test_kernels_of_every_kind_run_without_numba():
    assert call_all() == RESULTS
    assert run(WITHOUT_NUMBA) == "\n"


BESIDE = """
import gc, sys
import numpy as np
from tests.dataflows.kernels.samples import RESULTS, call_all, doubled, extent
if sys.argv[1:] == ["numba first"]:
    import numba
before = doubled(np.arange(4))
import numba
@numba.njit
def mine(values):
    return np.concatenate((values, doubled_by_numba(values)))
doubled_by_numba = doubled.for_numba
assert mine(before).tolist() == [0, 2, 4, 6, 0, 4, 8, 12]
assert doubled(mine(before)[:2]).tolist() == [0, 4]
assert doubled(np.arange(4, dtype=np.uint16)).tolist() == before.tolist()  # compiled, or numba's own
assert call_all() == RESULTS
del before
gc.collect()
"""


@needs_images
@pytest.mark.parametrize("order", ["", "numba first"])
def test_numba_and_kept_kernels_share_arrays(order):
    samples.doubled(np.arange(4))
    run(f"import sys; sys.argv[1:] = {[order]}\n{BESIDE}")


THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from tests.dataflows.kernels.samples import doubled, extent, total
values = np.arange(50)
def work(i):
    return [doubled(values)[i], tuple(extent(values[i:])), total(values[:i])]
with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(work, range(50)))
assert found == [[2 * i, (i, 49), i * (i - 1) // 2] for i in range(50)]
print(*{"numba"} & sys.modules.keys())
"""


@needs_images
def test_threads_load_a_kernel_together():
    values = np.arange(50)
    samples.doubled(values), samples.extent(values), samples.total(values)
    assert run(THREADS) == "\n"


def in_child(_):
    return call_all() == RESULTS


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process")  # that forking with threads may hang: it must not
def test_other_processes_run_kernels(start):
    assert call_all() == RESULTS
    with multiprocessing.get_context(start).Pool(2) as pool:
        assert pool.map(in_child, range(4)) == [True] * 4


FORK = """
import os, sys, threading
import numpy as np
from dataflows.kernels import compiled
from tests.dataflows.kernels.samples import total
held, done = threading.Event(), threading.Event()
def hold():
    with compiled._Loading.lock:
        held.set()
        done.wait()
holder = threading.Thread(target=hold)
holder.start()
held.wait()
child = os.fork()
if child == 0:
    os._exit(total(np.arange(4)))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
done.set()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_that_is_forked_while_a_kernel_is_loaded_loads_its_own():
    assert samples.total(np.arange(4)) == 6
    assert run(FORK) == "6\n"


@needs_images
@pytest.mark.usefixtures("base")
def test_code_that_is_kept_is_ready(monkeypatch):
    for images_are_made in (True, False):
        if not images_are_made:
            monkeypatch.setattr(kept, "_processor", str)
        made = kernel(samples.total.function)
        assert made.is_ready(np.arange(4)) == (not images_are_made), "numba's own form is there from before"
        assert made(np.arange(4)) == 6
        for again in (made, kernel(samples.total.function)):
            assert again.is_ready(np.arange(4))
            assert not again.is_ready(np.arange(4.0))
            assert not again.is_ready("text")
            assert not again.is_ready()
    monkeypatch.setattr("dataflows.kernels.numba_cache.cache_folder", lambda _: None)
    assert not kernel(samples.total.function).is_ready(np.arange(4))


@needs_images
@pytest.mark.parametrize("error", [MissingHelperError("numba._dynfunc"), ImportError(), OSError(), KeyError()])
def test_numba_loads_what_cannot_be_loaded_without_it(base, monkeypatch, capfd, error):
    assert kernel(samples.total.function)(np.arange(4)) == 6
    assert len(images(base)) == 1

    def fails(_):
        raise error

    monkeypatch.setattr(kept, "helper_module", fails)
    made = kernel(samples.total.function)
    assert made(np.arange(4)) == 6
    assert made.compiled == 0
    assert capfd.readouterr().err == ""


def test_elsewhere_numba_loads_everything(base, monkeypatch):
    monkeypatch.setattr(kept, "_processor", str)
    for compiled in (1, 0):
        made = kernel(samples.total.function)
        assert made(np.arange(4)) == 6
        assert made.compiled == compiled
    assert images(base) == []


@pytest.mark.parametrize(("system", "machine"), [("darwin", "x86_64"), ("win32", "AMD64"), ("linux", "aarch64")])
def test_images_are_for_one_kind_of_system(monkeypatch, system, machine):
    monkeypatch.setattr(processor.sys, "platform", system)
    monkeypatch.setattr(processor.platform, "machine", lambda: machine)
    monkeypatch.setattr(kept, "processor_facts", processor.processor_facts.__wrapped__)
    assert kept._processor.__wrapped__() == ""


def test_another_closure_is_another_kernel(base):
    assert [samples.with_offset(offset)(1) for offset in (4, 5, 4)] == [5, 6, 5]
    assert len(images(base)) == (2 if kept._processor() else 0)
    assert samples.with_offset(np.int64(6))(1) == 7, "numba alone knows what is in its closure"
    assert len(images(base)) == (2 if kept._processor() else 0)


def test_a_fault_inside_a_kernel_is_raised():
    for _ in range(2):
        with pytest.raises(ValueError, match="negative dimensions not allowed"):
            kernel(samples.empty.function)(-1)


def test_what_a_kernel_returns_is_freed_with_its_last_use():
    from numba.core.runtime import rtsys  # noqa: PLC0415

    samples.doubled(np.arange(4))
    gc.collect()
    made = [kernel(samples.doubled.function)(np.arange(1000)) for _ in range(10)]
    assert made[3].tolist() == list(range(0, 2000, 2))
    assert rtsys is not None
    views = [one[:2] for one in made]
    del made
    assert [view.tolist() for view in views] == [[0, 2]] * 10


def test_arguments_are_named_as_those_of_a_function():
    assert samples.shifted(by=2, value=5) == 7
    with pytest.raises(TypeError, match="missing a required argument: 'value'"):
        samples.shifted(by=2)
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'far'"):
        samples.shifted(5, far=2)
    with pytest.raises(TypeError):
        samples.shifted(1, 2, 3)


def test_a_kernel_is_pickled_by_name():
    assert pickle.loads(pickle.dumps(samples.total)) is samples.total


def test_intrinsics_are_for_kernels():
    with pytest.raises(TypeError, match=r"^load can be called in kernels only$"):
        load(np.zeros((1, 16), np.uint32), 0)


EVERY_MACHINE = """
import sys
from simulator.commands.main import main
from simulator.engine.loop_choice import forced
sys.argv = ["prunesim", "compare", "examples/tiny.toml", "--on", "all", "--json", sys.argv[1]]
try:
    with forced("compiled"):
        main()
except SystemExit as end:
    assert not end.code
loaded = {name.partition(".")[0] for name in sys.modules}
print("loaded:", *sorted({"numba", "llvmlite", "scipy"} & loaded))
"""


@needs_images
@pytest.mark.slow
def test_a_warm_run_of_every_machine_loads_neither_numba_nor_scipy(tmp_path):
    for _ in range(2):
        told = run(EVERY_MACHINE.replace("sys.argv[1]", repr(str(tmp_path / "report.json"))))
    assert told.splitlines()[-1] == "loaded:"
