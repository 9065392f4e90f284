"""Compiled kernels come from where the digest of the sources says, from files that are ours and whole, or from memory."""

import os
import shutil
import subprocess
import sys
from types import FunctionType

import numpy as np
import pytest

from dataflows.kernels import cache as kernel_cache
from dataflows.kernels.cache import cache_folder, source_digest
from dataflows.kernels.compiled import kernel
from tests.project import ROOT
from workloads.errors import InputError

PACKAGE = "tests"  # of the kernels made here


def add(a, b):
    return a + 2 * b


def sum_of(kernel_made):
    return int(kernel_made(np.int64(3), np.int64(4)))


@pytest.fixture
def base(tmp_path, monkeypatch):
    folder = tmp_path / "kernels"
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", str(folder))
    monkeypatch.delenv("PRUNESIM_CACHE_TOLD", raising=False)
    cache_folder.cache_clear()
    yield folder
    cache_folder.cache_clear()


def entries(base):
    return sorted(base.glob("kernels-*/*.kernel"))


def test_a_kernel_is_compiled_once_and_kept(base, capfd):
    first = kernel(add)
    assert sum_of(first) == 11
    (entry,) = entries(base)
    assert entry.parent.name == f"kernels-{source_digest(PACKAGE)}"
    assert (base.stat().st_mode & 0o777, entry.stat().st_mode & 0o777) == (0o700, 0o600)
    again = kernel(add)
    assert sum_of(again) == 11
    assert sum(again.stats.cache_hits.values()) == 1
    assert capfd.readouterr().err == ""


def test_signatures_have_entries_of_their_own(base):
    made = kernel(add)
    assert (made(1, 2), made(1.0, 2.0)) == (5, 5.0)
    assert len(entries(base)) == 2


DAMAGES = {
    "empty": lambda data: data[:0],
    "half": lambda data: data[: len(data) // 2],
    "one byte less": lambda data: data[:-1],
    "one byte more": lambda data: data + b"x",
    "first bit": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "last bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "checksum": lambda data: data[:30] + bytes([data[30] ^ 1]) + data[31:],
    "random": lambda data: np.random.default_rng(0).bytes(len(data)),
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_compiled_anew_and_replaced(base, capfd, damage):
    sum_of(kernel(add))
    (entry,) = entries(base)
    whole = entry.read_bytes()
    entry.write_bytes(DAMAGES[damage](whole))
    damaged = kernel(add)
    assert sum_of(damaged) == 11
    assert not damaged.stats.cache_hits
    assert capfd.readouterr().err == f"warning: {entry}: damaged: compiled anew and replaced\n"
    mended = kernel(add)
    assert sum_of(mended) == 11
    assert sum(mended.stats.cache_hits.values()) == 1
    assert capfd.readouterr().err == ""


def test_an_entry_of_another_signature_is_not_taken(base, capfd):
    made = kernel(add)
    made(1.0, 2.0)
    (floats,) = entries(base)
    made(1, 2)
    (integers,) = set(entries(base)) - {floats}
    shutil.copyfile(floats, integers)
    assert sum_of(kernel(add)) == 11
    assert "damaged" in capfd.readouterr().err


def test_what_others_may_write_is_not_taken(base, capfd):
    sum_of(kernel(add))
    (entry,) = entries(base)
    entry.chmod(0o666)
    assert sum_of(kernel(add)) == 11
    assert capfd.readouterr().err == f"warning: {entry}: others may write it (chmod go-w): compiled anew and replaced\n"
    assert entry.stat().st_mode & 0o777 == 0o600


def test_a_link_is_not_followed(base, tmp_path, capfd):
    sum_of(kernel(add))
    (entry,) = entries(base)
    entry.rename(tmp_path / "elsewhere")
    entry.symlink_to(tmp_path / "elsewhere")
    assert sum_of(kernel(add)) == 11
    assert "compiled anew and replaced" in capfd.readouterr().err
    assert not entry.is_symlink()


def use_a_file(base):
    base.write_text("")
    return "File exists"


def use_an_open_folder(base):
    base.mkdir()
    base.chmod(0o777)
    return "others may write it (chmod go-w)"


def use_a_foreign_folder(base):
    if os.geteuid():
        pytest.skip("only root gives folders away")
    base.mkdir(mode=0o755)
    os.chown(base, 65534, 65534)
    return "belongs to another user"


def use_an_open_folder_inside(base):
    (base / f"kernels-{source_digest(PACKAGE)}").mkdir(parents=True, mode=0o700)
    (base / f"kernels-{source_digest(PACKAGE)}").chmod(0o770)
    base.chmod(0o700)
    return "others may write it (chmod go-w)"


@pytest.mark.parametrize("use", [use_a_file, use_an_open_folder, use_a_foreign_folder, use_an_open_folder_inside])
def test_a_folder_that_cannot_be_trusted_is_not_used_which_is_said_once(base, capfd, use):
    reason = use(base)
    before = sorted(base.parent.rglob("*"))
    for _ in range(2):
        made = kernel(add)
        assert sum_of(made) == 11
        assert made.stats.cache_path is None
    err = capfd.readouterr().err
    assert err.startswith(f"warning: kernels are compiled in memory and not kept: {base}")
    assert err.endswith(f": {reason}\n")
    assert err.count("\n") == 1
    assert sorted(base.parent.rglob("*")) == before
    assert not list((ROOT / "tests").rglob("*.nb[ic]"))


@pytest.mark.parametrize("path", ["/proc/nothing", "/dev/null/x", "/tmp/" + "x" * 300, "~nobody-of-that-name/kernels"])
def test_a_path_that_cannot_be_made_is_not_used(base, monkeypatch, capfd, path):
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", path)
    monkeypatch.chdir(base.parent)
    assert sum_of(kernel(add)) == 11
    err = capfd.readouterr().err
    assert err.startswith("warning: kernels are compiled in memory and not kept: ")
    assert err.count("\n") == 1
    assert not list(base.parent.iterdir())


def test_a_child_does_not_say_it_again(base, capfd):
    base.write_text("")
    assert cache_folder(PACKAGE) is None
    assert capfd.readouterr().err
    code = "from dataflows.kernels.cache import cache_folder; print(cache_folder('tests'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("None\n", "")


def test_without_a_home_kernels_are_compiled_in_memory(base, monkeypatch, capfd):
    for name in ("PRUNESIM_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}["a user that the host does not know"])
    monkeypatch.chdir(base.parent)
    assert sum_of(kernel(add)) == 11
    assert (
        capfd.readouterr().err
        == "warning: kernels are compiled in memory and not kept: ~/.cache/prunesim: no home folder\n"
    )
    assert not list(base.parent.iterdir())


@pytest.mark.parametrize(
    ("asked", "shared", "expected"),
    [
        ("~/kernels", "", "HOME/kernels"),
        ("", "", "HOME/.cache/prunesim"),
        ("", "HOME/shared", "HOME/shared/prunesim"),
        ("", "relative", "HOME/.cache/prunesim"),
        ("here", "", "CWD/here"),
    ],
)
def test_where_the_folder_lies(base, monkeypatch, asked, shared, expected):
    home, here = base.parent / "home", base.parent
    home.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", asked)
    monkeypatch.setenv("XDG_CACHE_HOME", shared.replace("HOME", str(home)))
    assert str(kernel_cache.cache_base()) == expected.replace("HOME", str(home)).replace("CWD", str(here))


SOURCES = {
    "above/queue.py": "from dataflows.callee import inner\nfrom above.facts import (\n    deeper,\n)\n@kernel\n",
    "above/facts/__init__.py": "",
    "above/facts/deeper.py": "import workloads.constants\n",
    "above/other.py": "",
    "dataflows/callee.py": "@kernel\ndef inner(): ...\n",
    "dataflows/other.py": "import workloads.other\n",
    "workloads/constants.py": "LANES = 3\n",
    "workloads/other.py": "",
    "beside/kernels.py": "@kernel\n",
}


@pytest.mark.parametrize(
    ("package", "made_of"),
    [
        ("above", {"above.queue", "above.facts", "above.facts.deeper", "dataflows.callee", "workloads.constants"}),
        ("dataflows", {"dataflows.callee"}),
        ("nowhere", {"dataflows.callee"}),
    ],
)
def test_the_digest_names_every_source_that_a_kernel_is_made_of(tmp_path, package, made_of):
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    before, decisive = source_digest(package, tmp_path), set()
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text + "# edited\n")
        if source_digest(package, tmp_path) != before:
            decisive.add(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        (tmp_path / name).write_text(text)
    assert decisive == made_of
    assert source_digest(package, tmp_path) == before


def test_the_digest_names_the_settings_of_numba(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_BOUNDSCHECK", raising=False)  # CI runs this file with it set
    before = source_digest(PACKAGE, tmp_path)
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    assert source_digest(PACKAGE, tmp_path) != before


def test_kernels_of_packages_lie_apart(base):
    made = {}
    for package in (PACKAGE, "dataflows"):
        target = FunctionType(add.__code__, globals(), "add")
        target.__module__ = f"{package}.somewhere"
        made[package] = kernel(target)
        assert sum_of(made[package]) == 11
        assert made[package].stats.cache_path == str(base / f"kernels-{source_digest(package)}")
    assert len({entry.parent for entry in entries(base)}) == 2


def test_constants_of_our_kernels_come_from_digested_sources():
    below = set(kernel_cache._kernel_sources("dataflows", ROOT))
    assert {"dataflows.schedule", "dataflows.machines.scnn.bank_queues_in_lanes"} <= below
    assert not any(name.startswith("simulator") for name in below)
    above = set(kernel_cache._kernel_sources("simulator", ROOT))
    assert below | {"simulator.dram.controller", "simulator.dram.device"} <= above


def test_kernels_cannot_run_uncompiled(monkeypatch):
    monkeypatch.setattr("numba.core.config.DISABLE_JIT", 1)
    with pytest.raises(InputError, match=r"^NUMBA_DISABLE_JIT is set: "):
        kernel(add)
