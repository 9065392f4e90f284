"""Threads that share kernel work: how many there are, and that their number shows in no result."""

import threading

import pytest

from dataflows.kernels.threads import LEAST_NANOSECONDS, run_slices, thread_count
from workloads.errors import InputError


@pytest.mark.parametrize("text", ["abc", "0", "-1", "1.5", "1025", "9" * 5000, "²"])
def test_threads_are_a_number(monkeypatch, text):
    monkeypatch.setenv("PRUNESIM_THREADS", text)
    with pytest.raises(InputError, match=r"^PRUNESIM_THREADS = .*: must be a whole number from 1 to 1024$"):
        thread_count()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_stand_in_the_order_of_their_indices(monkeypatch, threads):
    monkeypatch.setenv("PRUNESIM_THREADS", str(threads))
    assert run_slices(lambda i: i * i, range(20)) == [i * i for i in range(20)]
    assert run_slices(lambda i: i, []) == []


def test_tasks_of_a_task_run_in_its_own_thread(monkeypatch):
    monkeypatch.setenv("PRUNESIM_THREADS", "2")

    def task(_):
        inner = run_slices(lambda _: threading.get_ident(), range(4))
        return {*inner} == {threading.get_ident()} != {threading.main_thread().ident}

    assert run_slices(task, range(4)) == [True] * 4


def test_a_failure_in_a_task_reaches_the_caller(monkeypatch):
    monkeypatch.setenv("PRUNESIM_THREADS", "2")
    with pytest.raises(ZeroDivisionError):
        run_slices(lambda i: 1 // i, range(4))


@pytest.mark.parametrize(
    ("nanoseconds", "shared"), [(None, True), (LEAST_NANOSECONDS, True), (399_999, False), (0, False)]
)
def test_little_work_stays_on_its_own_thread(monkeypatch, nanoseconds, shared):
    monkeypatch.setenv("PRUNESIM_THREADS", "2")
    found = run_slices(lambda _: threading.get_ident(), range(4), nanoseconds)
    assert (threading.get_ident() not in found) is shared
