import pytest

from dataflows.schedule import Cause
from simulator.plots.kinds.causes import cause_shares, causes
from simulator.plots.style import PARTS


def total(**changes) -> dict:
    stack = dict.fromkeys((cause.key for cause in Cause), 0) | {"busy": 60, "memory": 30, "imbalance": 10}
    return {
        "pe_cycle_stack": stack,
        "issued_macs": 90,
        "fragmented_lanes": 150,
        "cycles": 100,
        "speedup": 2.0,
    } | changes


def report(name: str, **changes) -> dict:
    return {"accelerator": {"name": name}, "workload": {"name": "net"}, "total": total(**changes)}


def test_shares_split_busy_by_slots_and_sum_to_one():
    shares = cause_shares(total())
    assert shares["products"] == pytest.approx(0.6 * 90 / 240)
    assert shares["fragmented"] == pytest.approx(0.6 * 150 / 240)
    assert shares["memory"] == pytest.approx(0.3)
    assert sum(shares.values()) == pytest.approx(1)


def test_a_machine_that_spent_nothing_has_no_shares():
    assert sum(cause_shares(total(pe_cycle_stack=dict.fromkeys((cause.key for cause in Cause), 0))).values()) == 0


def test_bars_hold_the_shares_and_the_axis_its_unit():
    figure = causes([report("a"), report("b", speedup=None)])
    (axes,) = figure.axes
    assert axes.get_xlabel() == "share of PE-cycles, %"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    for row in (0, 1):
        widths = [bars[row].get_width() for bars in axes.containers]
        assert sum(widths) == pytest.approx(100)
    assert [text.get_text() for text in axes.texts] == ["100 cycles, speedup 2.00", "100 cycles"]


def test_every_cause_has_a_part_of_the_bar():
    assert set(PARTS) == {"products", "fragmented"} | {cause.key for cause in Cause} - {Cause.BUSY.key}
    stack = dict.fromkeys((cause.key for cause in Cause), 0) | {"busy": 60, "port": 40}
    figure = causes([report("a", pe_cycle_stack=stack)])
    label, colour, _ = PARTS[Cause.PORT.key]
    (drawn,) = [bars for bars in figure.axes[0].containers if bars.get_label() == label]
    assert drawn[0].get_width() == pytest.approx(40)
    assert len({part[1] for part in PARTS.values()}) == len(PARTS), colour
