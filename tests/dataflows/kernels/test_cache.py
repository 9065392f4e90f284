"""Compiled kernels come from where the digest of the sources says, from files that are ours and whole, or from memory."""

import os
import shutil
import subprocess
import sys
from types import FunctionType

import numpy as np
import pytest

from dataflows.kernels import cache as kernel_cache
from dataflows.kernels.cache import cache_folder
from dataflows.kernels.compiled import kernel
from dataflows.kernels.kept import _processor
from dataflows.kernels.sources import source_digest
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


def entries(base, suffix=".kernel"):
    return sorted(base.glob(f"kernels-*/*{suffix}"))


SUFFIXES = [".kernel", *([".image"] if _processor() else [])]


def without_images(base):
    """What only the images keep goes: numba's own entries are asked."""
    for image in entries(base, ".image"):
        image.unlink()


def test_a_kernel_is_compiled_once_and_kept(base, capfd):
    first = kernel(add)
    assert sum_of(first) == 11
    assert first.compiled == 1
    for suffix in SUFFIXES:
        (entry,) = entries(base, suffix)
        assert entry.parent.name == f"kernels-{source_digest(PACKAGE)}"
        assert (base.stat().st_mode & 0o777, entry.stat().st_mode & 0o777) == (0o700, 0o600)
    again = kernel(add)
    assert sum_of(again) == 11
    assert again.compiled == 0
    without_images(base)
    by_numba = kernel(add)
    assert sum_of(by_numba) == 11
    assert by_numba.compiled == 0
    assert len(entries(base, SUFFIXES[-1])) == 1, "the image is there again"
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


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_compiled_anew_and_replaced(base, capfd, damage, suffix):
    sum_of(kernel(add))
    if suffix == ".kernel":
        without_images(base)
    (entry,) = entries(base, suffix)
    whole = entry.read_bytes()
    entry.write_bytes(DAMAGES[damage](whole))
    damaged = kernel(add)
    assert sum_of(damaged) == 11
    assert damaged.compiled == (suffix == ".kernel"), "numba's own entry stands in for an image"
    assert capfd.readouterr().err == f"warning: {entry}: damaged: compiled anew and replaced\n"
    mended = kernel(add)
    assert sum_of(mended) == 11
    assert mended.compiled == 0
    assert len(entries(base, suffix)) == 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_entry_of_another_signature_is_not_taken(base, capfd, suffix):
    made = kernel(add)
    made(1.0, 2.0)
    (floats,) = entries(base, suffix)
    made(1, 2)
    (integers,) = set(entries(base, suffix)) - {floats}
    if suffix == ".kernel":
        without_images(base)
    shutil.copyfile(floats, integers)
    assert sum_of(kernel(add)) == 11
    assert "damaged" in capfd.readouterr().err


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_others_may_write_is_not_taken(base, capfd, suffix):
    sum_of(kernel(add))
    if suffix == ".kernel":
        without_images(base)
    (entry,) = entries(base, suffix)
    entry.chmod(0o666)
    assert sum_of(kernel(add)) == 11
    assert capfd.readouterr().err == f"warning: {entry}: others may write it (chmod go-w): compiled anew and replaced\n"
    assert entry.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_link_is_not_followed(base, tmp_path, capfd, suffix):
    sum_of(kernel(add))
    if suffix == ".kernel":
        without_images(base)
    (entry,) = entries(base, suffix)
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
        assert made.compiled == 1
    err = capfd.readouterr().err
    assert err.startswith(f"warning: kernels are compiled in memory and not kept: {base}")
    assert err.endswith(f": {reason}\n")
    assert err.count("\n") == 1
    assert [path for path in sorted(base.parent.rglob("*")) if not path.name.startswith("sources-")] == before
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


def test_kernels_of_packages_lie_apart(base):
    made = {}
    for package in (PACKAGE, "dataflows"):
        target = FunctionType(add.__code__, globals(), "add")
        target.__module__ = f"{package}.somewhere"
        made[package] = kernel(target)
        assert sum_of(made[package]) == 11
    folders = {base / f"kernels-{source_digest(package)}" for package in made}
    assert {entry.parent for entry in entries(base)} == folders
    assert len(folders) == 2


def test_kernels_cannot_run_uncompiled(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(InputError, match=r"^NUMBA_DISABLE_JIT is set: "):
        kernel(add)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    made = kernel(add)
    monkeypatch.setattr("numba.core.config.DISABLE_JIT", 1)  # as a file of settings of numba's may say
    with pytest.raises(InputError, match=r"^NUMBA_DISABLE_JIT is set: "):
        made("neither", "number")
