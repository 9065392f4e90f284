"""The list of what a first run compiles ahead names all that a small network needs."""

import sys

import pytest

from benchmarks import first_kernels
from dataflows.kernels import ahead
from dataflows.kernels.kept import _processor


def test_the_list_is_written_and_what_it_lacks_is_said(tmp_path, monkeypatch, capsys):
    lines = ["a.module:first(int64)", "a.module:second(bool)"]
    monkeypatch.setattr(first_kernels, "needed", lambda: lines)
    monkeypatch.setattr(ahead, "__file__", str(tmp_path / "ahead.py"))
    monkeypatch.setattr(sys, "argv", ["first_kernels"])
    assert first_kernels.main() == 0
    assert (tmp_path / "first_kernels.txt").read_text() == "a.module:first(int64)\na.module:second(bool)\n"
    monkeypatch.setattr(ahead, "listed", lambda: lines[1:])
    monkeypatch.setattr(sys, "argv", ["first_kernels", "--check"])
    assert first_kernels.main() == 1
    assert capsys.readouterr().out == "a.module:first(int64)\n"


@pytest.mark.slow
@pytest.mark.skipif(not _processor(), reason="images are made on such Linux only")
def test_the_list_lacks_nothing():
    assert [line for line in first_kernels.needed() if line not in ahead.listed()] == []
