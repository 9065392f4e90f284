"""Two checkouts are measured in alternation; results are compared, and failures say whose they are."""

import pytest

from benchmarks.speed import sides
from benchmarks.speed.sides import HERE, Measured, MeasurementError, Side, Sides


class FakeSide:
    """A side whose times are written down beforehand, and that tells the order in which it is asked."""

    def __init__(self, name, times, log, result=7, unable=()):
        self.name, self.times, self.log, self.result, self.unable = name, times, log, result, unable

    def ask(self, order, *task):
        if order == "prepare":
            if task[0] in self.unable:
                raise MeasurementError(f"{self.name} cannot {task[0]}")
            return self.result
        if order == "time":
            self.log.append((self.name, task[0]))
            return self.times[task[0]].pop(0)
        return self.log.append((self.name, order))

    def close(self):
        self.log.append((self.name, "close"))


def fakes(log, **of_before):
    now = FakeSide("now", {"a": [3.0, 2.0], "b": [0.5, 0.75]}, log)
    return Sides(now, FakeSide("before", {"a": [9.0, 8.0], "b": [1.0, 2.0]}, log, **of_before))


def test_each_round_runs_every_task_on_both_sides_and_the_best_counts():
    log = []
    measured = fakes(log).measure(("a",), ("b",), most=2)
    turn = [("before", "a"), ("now", "a"), ("before", "b"), ("now", "b")]
    assert log == [*turn, *turn, ("before", "forget"), ("now", "forget")]
    assert measured == [Measured(2.0, 8.0, 7, equal=True), Measured(0.5, 1.0, 7, equal=True)]


def test_another_result_than_before_is_not_equal():
    assert [one.equal for one in fakes([], result=8).measure(("a",), ("b",), most=2)] == [False, False]


def test_what_the_other_checkout_cannot_do_is_measured_here_alone(capsys):
    a, b = fakes([], unable=("b",)).measure(("a",), ("b",), most=2)
    assert (a.before, b.before, b.now, b.equal) == (8.0, None, 0.5, True)
    assert capsys.readouterr().err == "not measured before: before cannot b\n"


def test_what_this_checkout_cannot_do_is_a_failure():
    with pytest.raises(MeasurementError, match="now cannot a"):
        Sides(FakeSide("now", {}, [], unable=("a",))).measure(("a",))


def test_a_long_task_is_timed_once_and_a_short_one_until_it_is_enough(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(sides.time, "perf_counter", lambda: clock[0])

    def rounds(seconds):
        log, times = [], {"a": [seconds] * 100}

        class Slow(FakeSide):
            def ask(self, order, *task):
                clock[0] += seconds if order == "time" else 0
                return super().ask(order, *task)

        Sides(Slow("now", times, log)).measure(("a",))
        return log.count(("now", "a"))

    assert rounds(6.0) == 1
    assert rounds(3.0) == 2
    assert rounds(0.25) == 5
    assert rounds(0.0) == sides.MOST_ROUNDS


def test_all_sides_are_closed():
    log = []
    with fakes(log):
        pass
    assert log == [("before", "close"), ("now", "close")]


def test_a_worker_answers_from_its_checkout_and_says_what_went_wrong():
    side = Side("now", HERE)
    try:
        assert side.ask("prepare", "python_loop", 5) == 10
        assert 0 < side.ask("time", "python_loop", 5) < 1
        with pytest.raises(
            MeasurementError, match=r"(?s)now \(.*\), \('prepare', 'nothing'\): Traceback.*KeyError: 'nothing'"
        ):
            side.ask("prepare", "nothing")
        assert side.ask("prepare", "layer_able", "scnn", 3, 8, 8) is True
    finally:
        side.close()


def test_a_command_is_timed_and_its_failure_is_told():
    side = Side("now", HERE)
    seconds, printed = side.command_seconds(["sh", "-c", "echo $PYTHONPATH $MORE"], MORE="more")
    assert printed == f"{HERE} more\n"
    assert 0 < seconds < 10
    with pytest.raises(MeasurementError, match="no such thing"):
        side.command_seconds(["sh", "-c", "echo no such thing >&2; exit 3"])
