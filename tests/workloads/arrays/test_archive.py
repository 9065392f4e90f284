import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from workloads.arrays.stored import StoredTensor, open_archive
from workloads.errors import InputError


@pytest.fixture
def listings(monkeypatch):
    """The archives whose entries were listed."""
    listed = []
    whole = zipfile.ZipFile._RealGetContents

    def noted(archive):
        listed.append(archive)
        whole(archive)

    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", noted)
    return listed


@pytest.fixture
def later(monkeypatch):
    """A clock on which files that were written just now have long been settled."""
    now = time.time_ns
    monkeypatch.setattr("workloads.arrays.archive.time.time_ns", lambda: now() + 10_000_000_000)


def stored(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.usefixtures("later")
def test_entries_of_one_file_are_listed_once(tmp_path, listings):
    path = stored(tmp_path / "a.npz", one=np.arange(3), two=np.arange(4))
    for _ in range(3):
        assert StoredTensor(path, "one").array((3,)).tolist() == [0, 1, 2]
        assert StoredTensor(path, "two").array((4,)).tolist() == [0, 1, 2, 3]
    assert len(listings) == 1


@pytest.mark.usefixtures("later")
def test_another_file_in_its_place_is_listed_anew(tmp_path, listings):
    path = stored(tmp_path / "a.npz", one=np.arange(3))
    assert StoredTensor(path, "one").array((3,)).tolist() == [0, 1, 2]
    os.replace(stored(tmp_path / "b.npz", one=np.arange(3) + 5), path)  # noqa: PTH105 (over a file)
    assert StoredTensor(path, "one").array((3,)).tolist() == [5, 6, 7]
    assert len(listings) == 2


def test_a_file_that_was_written_just_now_may_change_again_and_is_listed_every_time(tmp_path, listings):
    path = stored(tmp_path / "a.npz", one=np.arange(3))
    for _ in range(2):
        StoredTensor(path, "one").array((3,))
    assert len(listings) == 2


@pytest.mark.usefixtures("later")
def test_a_broken_file_is_no_archive_the_second_time_either(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK no archive")
    for _ in range(2):
        with pytest.raises(InputError, match=r"a\.npz: not an npz file, or truncated$"), open_archive(path):
            pass
