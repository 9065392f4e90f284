"""A terminal is told what a first run waits for, and nothing of it stays there."""

import io
import sys

import numpy as np
import pytest

from dataflows.kernels import compiling
from dataflows.kernels.cache import cache_folder
from dataflows.kernels.compiled import kernel
from tests.dataflows.kernels import samples


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.setattr(compiling, "_kernels", [])
    cache_folder.cache_clear()

    def begin():
        # In the test itself: pytest puts its own stream in place after the fixtures.
        shown = Terminal()
        monkeypatch.setattr(sys, "stderr", shown)
        monkeypatch.setattr(sys, "__stderr__", shown)
        return shown

    yield begin
    cache_folder.cache_clear()


ONE, TWO = (f"\r\x1b[Kcompiling kernels for this machine, once: {number} …" for number in (1, 2))


def test_kernels_that_are_compiled_are_counted_in_one_line(terminal):
    shown = terminal()
    made = kernel(samples.total.function)
    assert made(np.arange(4)) == 6
    assert shown.getvalue().startswith(ONE)
    assert shown.getvalue().endswith("\r\x1b[K"), "the line goes again"
    assert made(np.arange(4, dtype=np.int32)) == 6
    assert TWO in shown.getvalue()
    assert compiling.status() == ""


def test_kept_kernels_are_not_spoken_of(terminal):
    kernel(samples.total.function)(np.arange(4))
    compiling._kernels.clear()
    shown = terminal()
    assert kernel(samples.total.function)(np.arange(4)) == 6
    assert shown.getvalue() == ""


def test_where_a_bar_stands_it_says_the_words(terminal, monkeypatch):
    shown = terminal()
    monkeypatch.setattr(sys, "__stderr__", None)  # a bar takes the place of standard error
    with compiling.waiting():
        assert compiling.status() == ""
        compiling.begin("one")
        compiling.begin("two")
        assert compiling.status() == "compiling kernels for this machine, once: 2 …"
    assert compiling.status() == ""
    assert shown.getvalue() == ""


def test_what_is_no_terminal_is_told_nothing(terminal, monkeypatch):
    shown = terminal()
    monkeypatch.setattr(shown, "isatty", lambda: False)
    assert kernel(samples.total.function)(np.arange(4)) == 6
    assert shown.getvalue() == ""


def test_a_closed_terminal_ends_nothing(terminal, monkeypatch):
    def closed(_):
        raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(terminal(), "write", closed)
    assert kernel(samples.total.function)(np.arange(4)) == 6
