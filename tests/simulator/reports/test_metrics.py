"""Each metric once: what tables write, what legends explain, what axes say."""

import pytest

from dataflows.schedule import Cause
from simulator.network_simulation import simulate
from simulator.reports import metrics
from simulator.reports.columns import MORE, TIMES, cause_columns, legend
from simulator.reports.metrics import CAUSES, EMPTY_LANES, FACTORS, SIZE, STACK, Metric, flat, metric_of, title_of
from simulator.reports.network_total import total_row
from tests.simulator.energy.counted_machine import CountedDcnn
from workloads.catalog import load_workload


@pytest.fixture(scope="module")
def report():
    (report,) = simulate([CountedDcnn()], load_workload("blazepose").select("op00*"))
    return report


def test_every_metric_with_a_column_reads_a_number_of_the_report(report):
    row = flat(total_row(report.to_dict()))
    known = [one for one in vars(metrics).values() if isinstance(one, Metric) and one.column]
    for metric in (*known, *FACTORS, *CAUSES.values()):
        assert metric.column in row
        assert isinstance(metric.value(row), int | float)
    assert [metric.column for metric in SIZE] == list(report.size)


def test_the_shares_of_causes_sum_to_one_and_empty_lanes_are_those_of_the_report(report):
    row = flat(report.total.to_dict())
    assert sum(share.value(row) for share in CAUSES.values()) == pytest.approx(1)
    assert EMPTY_LANES.value(row) == row["empty_lanes"]


def test_what_a_row_has_not_is_a_dash_and_a_word_stays_a_word():
    assert metrics.SPEEDUP.text({"speedup": None}) == metrics.SPEEDUP.text({}) == "-"
    assert [metric.text({"bandwidth_gbs": "inf"}) for metric in SIZE] == ["-", "-", "-", "inf", "-"]
    assert metrics.CYCLES.text({"cycles": 1234567}) == "1,234,567"


def test_a_cause_that_a_row_has_not_has_no_share():
    row = {STACK + "busy": 30, STACK + "memory": 10}
    shares = {cause: share.value(row) for cause, share in CAUSES.items()}
    assert {cause: share for cause, share in shares.items() if share} == {Cause.BUSY: 0.75, Cause.MEMORY: 0.25}


def test_a_machine_that_does_nothing_has_shares_of_nothing():
    row = {"multipliers": 8, "cycles": 0, "fragmented_lanes": 0}
    assert EMPTY_LANES.text(row) == "0.0%"
    assert metrics.MOST_LOST.text(row) == "-"
    assert cause_columns([row]) == ()


def test_a_legend_explains_what_is_shown_and_nothing_else(report):
    assert legend(TIMES) == "speedup: over the machine's own dense baseline."
    assert "x skipped: products" in legend(FACTORS)
    assert legend(FACTORS).endswith("speedup = x size · x skipped · x util.")
    assert "PE-cycles" not in legend((*TIMES, *MORE))
    assert "PE-cycles" in legend(cause_columns([flat(report.total.to_dict())]))


def test_axes_have_names_and_a_sense():
    assert title_of("dram.burst_bytes") == "DRAM traffic, bytes"
    assert title_of("load_imbalance") == "load imbalance"
    better = {one.column for one in metrics._DRAWN if one.more_is_better}
    assert better == {
        "speedup", "speedup_over_baseline", "utilization", "effectual_utilization", "dram.efficiency",
        "dram.achieved_gbs", "network.gain", "network.inputs.images_per_s", "tops_per_watt.dense", "tops_per_watt.effectual", "network.tops_per_watt.dense",
        "network.tops_per_watt.effectual",
    }  # fmt: skip
    assert not metric_of("cycles").more_is_better
