"""Shares, which may be near zero: their metric, and goals whose deviations are differences."""

import math

import pytest

from dataflows.schedule import Cause
from simulator.validation.figure_metrics import METRICS, Run
from simulator.validation.figure_records import markdown, write_records
from simulator.validation.figure_rows import Figure, Goal, Outside, Reading
from simulator.validation.figures import FigureSet
from simulator.validation.results import Result
from simulator.validation.sensitivity import Effect
from tests.validation.own_figures import OWN, own_figures

SHARE = Goal(relative=0.0, absolute=0.05)
IDLE = Figure(id="idle", study="s", metric="idle", unit="of PE-cycles", published=0.0001, kind="k", source="nobody")
READING = Reading(machine="m", parameter="p", label="l", changes={})
OWN_SHARE = OWN.replace("relative = 0.05", "relative = 0.0\nabsolute = 0.05")


def run(issued, fragmented, **stack):
    causes = dict.fromkeys((cause.key for cause in Cause), 0) | stack
    total = {"pe_cycle_stack": causes, "issued_macs": issued, "fragmented_lanes": fragmented, "pes": 4}
    cycles = sum(causes.values()) // 4
    return Run({}, {"total": total | {"cycles": cycles, "multipliers": 4 * 16}})


def test_every_cause_but_a_pes_own_work_is_idle():
    own = (Cause.BUSY, Cause.INDEX, Cause.BANK_CONFLICT)
    for cause in Cause:
        assert METRICS["idle"]([run(1, 0, **{cause.key: 8})]) == (0 if cause in own else 1)
    waits = {"bank_conflict": 3, "drain": 2, "imbalance": 5, "unmapped": 10}
    assert METRICS["idle"]([run(100, 60, busy=20, **waits)]) == pytest.approx(17 / 40)


def test_runs_are_taken_one_after_the_other():
    first, last = run(16, 0, busy=4, imbalance=12), run(16, 0, busy=80, imbalance=4)
    assert METRICS["idle"]([first, last]) == pytest.approx(16 / 100)


def test_without_bank_conflicts_utilization_is_that_of_busy_pes_in_the_cycles_that_are_not_idle():
    # 20 busy PE-cycles of 16 lanes, of which 100 are used: the lanes fill the books of a report.
    runs = [run(100, 220, busy=20, imbalance=15, unmapped=5), run(32, 32, busy=4, drain=4)]
    product = METRICS["busy_utilization"](runs) * (1 - METRICS["idle"](runs))
    assert METRICS["utilization"](runs) == pytest.approx(product)


def test_a_goal_without_a_relative_part_counts_differences():
    assert (SHARE.deviation(0.03, 0.0001), SHARE.allowed(0.0001)) == (pytest.approx(0.0299), 0.05)
    assert SHARE.value(-0.04, 0.3) == pytest.approx(0.26)
    assert (str(SHARE), SHARE.text(0.0299), SHARE.text(-0.1)) == ("0.05", "+0.030", "-0.100")
    both = Goal(relative=0.03, absolute=0.5, unit="ms")
    assert both.deviation(11.0, 10.0) == pytest.approx(0.1)
    assert both.value(0.1, 10.0) == pytest.approx(11.0)
    assert (both.is_difference, Goal(relative=0.0).is_difference) == (False, False)


def test_a_share_near_zero_is_judged_by_its_difference():
    assert Result(IDLE, "m", 0.05, SHARE).verdict == "within"
    assert Result(IDLE, "m", 0.0502, SHARE).verdict == "unexplained"
    recorded = Outside(id="idle", deviation=0.4)
    values = (0.4, 0.409, 0.42, 0.04, math.nan)
    moved = [Result(IDLE, "m", value, SHARE, recorded).moved for value in values]
    assert moved == ["", "", "moved from +0.400", "closed, was +0.400", "moved from +0.400"]


def test_a_reading_explains_a_share_of_the_difference():
    assert Effect(IDLE, SHARE, READING, 0.2, 0.4).share == pytest.approx(0.2 / 0.3999)
    assert Effect(IDLE, SHARE, READING, 0.2, 0.4).change == pytest.approx(-0.2)
    assert Effect(IDLE, SHARE, READING, 0.0, 0.01).share is None  # less than a percentage point is missing


def test_the_document_and_the_records_hold_differences(tmp_path):
    folder = own_figures(tmp_path / "own", OWN_SHARE.format(published=0.5))
    (figure,) = FigureSet.read(folder).figures
    assert figure.unit == "of peak"  # a goal without a unit is for figures of any
    write_records([Outside(id="rtl", deviation=-0.25)], folder)
    text = markdown(FigureSet.read(folder))
    assert "| rtl | ±0.05 |" in text
    assert "| rtl | 0.5 of peak | 0.25 | -0.250 | ±0.05 | unexplained |" in text


@pytest.mark.parametrize(("published", "code", "said"), [(0.2025, 0, "+0.0"), (0.31, 1, "UNEXPLAINED, not recorded")])
def test_the_command_compares_by_the_difference(cli, tmp_path, published, code, said):
    done = cli("validate", "--figures", own_figures(tmp_path / "own", OWN_SHARE.format(published=published)))
    assert (done.code, said in done.out) == (code, True)
    assert "%" not in done.out


def test_published_shares_of_layers_are_of_the_kind_that_counts_differences():
    chosen = FigureSet.read()
    layers = [figure for figure in chosen.figures if figure.metric in ("idle", "busy_utilization") and not figure.most]
    assert {figure.kind for figure in layers} == {"share"}
    assert (chosen.goals["share"].is_difference, chosen.goals["share"].allowed(0.9)) == (True, 0.05)
