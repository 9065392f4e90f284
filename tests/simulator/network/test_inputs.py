"""Several inputs of a network one behind the other: as each alone, as one run, and what is said of them."""

from fractions import Fraction

import pytest

from dataflows.registry import create, machines
from simulator.engine.errors import BooksError
from simulator.input_runs import simulate_inputs
from simulator.network_simulation import simulate
from simulator.reports.books import check_inputs
from simulator.reports.diff import Tolerances, difference
from simulator.reports.metrics import sense_of
from simulator.reports.network_inputs import InputSpan, NetworkInputs
from tests.simulator.network.graphs import BLOCK, CHAIN, POOLED
from tests.simulator.network.workloads import network

ABLE = sorted(set(machines()) - {"eie"})  # 3x3 kernels


def in_a_row(machine, workload, count=3, **settings):
    (report,) = simulate_inputs([create(machine, settings)], workload, count)
    return report


def test_figures_by_hand():
    """Inputs of 4 images that are done in 100, 231 and 363: 131.5 cycles apart, at 1 GHz 4 / 131.5 ns."""
    spans = (InputSpan(0, 100, 100), InputSpan(90, 231, 150), InputSpan(220, 363, 140))
    row = NetworkInputs(4, 10**9, 363, {"busy": 363}, 10, 20, spans)
    assert row.interval_cycles == Fraction(263, 2)
    assert row.to_dict() == {
        "count": 3, "images": 4, "cycles": 363, "latency_cycles": 100, "latency_us": 0.1, "interval_cycles": 131.5,
        "interval_us": 0.1315, "images_per_s": 4e9 / 131.5, "pe_cycle_stack": {"busy": 363}, "read_bytes": 10,
        "write_bytes": 20,
        "each": [
            {"start_cycle": 0, "done_cycle": 100, "alone_cycles": 100},
            {"start_cycle": 90, "done_cycle": 231, "alone_cycles": 150},
            {"start_cycle": 220, "done_cycle": 363, "alone_cycles": 140},
        ],
    }  # fmt: skip
    thirds = NetworkInputs(1, 1, 14, {}, 0, 0, tuple(InputSpan(0, done, 1) for done in (4, 5, 8, 14)))
    assert thirds.to_dict()["interval_cycles"] == 3.333
    free = NetworkInputs(1, 1, 0, {}, 0, 0, (InputSpan(0, 0, 0),) * 2)
    assert free.images_per_s is None


def test_books_of_inputs():
    good = NetworkInputs(1, 1, 20, {"busy": 30, "memory": 10}, 5, 6, (InputSpan(0, 11, 11), InputSpan(10, 20, 11)))
    check_inputs(good, 2, busy_cycles=30, moved_bytes=11)
    for changes, law in [
        ({"cycles": 21}, "the run ends with its last input; causes sum to PEs x cycles"),
        (
            {"pe_cycle_stack": {"busy": 41, "memory": -1}},
            "no cause is negative; PEs are as busy as with each input alone",
        ),
        ({"read_bytes": 4}, "DRAM carries what it does for each input alone"),
        ({"each": (InputSpan(10, 20, 11), InputSpan(0, 11, 11))}, "inputs start one after the other, from 0 on"),
        ({"each": (InputSpan(0, 20, 11), InputSpan(10, 9, 11))}, "every input is done behind its start"),
    ]:
        wrong = NetworkInputs(**{**vars(good), **changes})
        with pytest.raises(BooksError) as fault:
            check_inputs(wrong, 2, busy_cycles=30, moved_bytes=11)
        assert str(fault.value) == f"inputs: the books do not balance: {law}; {wrong}"


@pytest.mark.parametrize("machine", ABLE)
@pytest.mark.parametrize("graph", [CHAIN, BLOCK, None], ids=["chain", "block", "unknown"])
@pytest.mark.parametrize("overlap", ["none", pytest.param("serial", marks=pytest.mark.slow)])
def test_inputs_of_which_each_waits_for_the_one_before_add_up(machine, graph, overlap):
    workload = network(graph)
    row = in_a_row(machine, workload, overlap=overlap).network.inputs
    alone = [simulate([create(machine, {"overlap": overlap})], workload.at_input(number))[0] for number in range(3)]
    cycles = [report.network.cycles for report in alone]
    dones = [cycles[0], sum(cycles[:2]), sum(cycles)]
    assert [(one.start_cycle, one.done_cycle) for one in row.each] == list(zip([0, *dones], dones, strict=False))
    assert [one.alone_cycles for one in row.each] == cycles
    assert row.interval_cycles == Fraction(sum(cycles[1:]), 2)


@pytest.mark.parametrize("machine", ABLE)
@pytest.mark.parametrize("overlap", ["weights", "tiles"])
@pytest.mark.parametrize("pooling", ["leaving", "memory"])
def test_inputs_that_overlap_follow_no_later_than_each_would_alone(machine, overlap, pooling):
    workload = network(POOLED)
    report = in_a_row(machine, workload, overlap=overlap, pooling=pooling)
    row = report.network.inputs
    assert row.latency_cycles == report.network.cycles
    assert row.each[-1].done_cycle == row.cycles
    assert row.cycles <= sum(one.alone_cycles for one in row.each)
    assert row.images_per_s == pytest.approx(report.accelerator["clock_hz"] / row.interval_cycles)


def test_the_first_inputs_network_is_the_same_with_others_behind_it():
    workload = network(BLOCK)
    (alone,) = simulate([create("scnn")], workload)
    data = in_a_row("scnn", workload).network.to_dict()
    row = data.pop("inputs")
    assert data == alone.network.to_dict()
    assert row["latency_cycles"] == data["cycles"]
    assert "inputs" not in alone.network.to_dict()


@pytest.mark.parametrize("overlap", ["none", "weights"])
def test_inputs_of_a_single_layer_follow_one_another_too(overlap):
    report = in_a_row("structured", network(CHAIN).select("a"), overlap=overlap)
    row = report.network.inputs
    assert row.each[0].alone_cycles == report.total.cycles
    assert (row.cycles < 3 * report.total.cycles) is (overlap == "weights")


def test_images_of_a_batch_are_counted():
    row = in_a_row("structured", network(CHAIN, batch=4)).network.inputs
    assert row.images == 4
    assert row.images_per_s == pytest.approx(4 * row.clock_hz / row.interval_cycles)


def test_columns_and_lines(cli, tmp_path):
    file = tmp_path / "r.csv"
    result = cli("run", "examples/tiny.toml", "--on", "scnn", "--inputs", "2", "--csv", file)
    heads, *_, last = [line.split(",") for line in file.read_text().splitlines()]
    cells = dict(zip(heads, last, strict=True))
    assert int(cells["network.inputs.count"]) == 2
    interval, latency = float(cells["network.inputs.interval_us"]), float(cells["network.time_us"])
    assert (
        f"latency {latency / 1000:.3g} ms; {1e6 / latency:,.1f} images/s where each image waits for the one before (1 / latency)"
        in result.out
    )
    assert (
        f"throughput {1e6 / interval:,.1f} images/s, an image every {interval / 1000:.3g} ms: 2 inputs one behind the other"
        in result.out
    )
    alone = cli("run", "examples/tiny.toml", "--on", "scnn", "--set", "overlap=none").out
    assert "latency" not in alone
    several = cli("run", "examples/tiny.toml", "--on", "scnn", "--set", "overlap=none", "--inputs", "2").out
    assert "throughput" in several


def test_differences_of_inputs_have_a_sense_and_a_cause():
    before, after = (
        in_a_row("structured", network(CHAIN), count, overlap=overlap).to_dict()
        for count, overlap in ((2, "weights"), (3, "serial"))
    )
    moved = {change.metric: change for change in difference([before], [after], Tolerances()).changes}
    senses = {key: sense_of(f"network.inputs.{key}") for key in ("images_per_s", "interval_us", "count", "images")}
    assert senses == {"images_per_s": 1, "interval_us": -1, "count": 0, "images": 0}
    # Of bytes that grow by a half, the read ones are a part.
    row = before["network"]["inputs"]
    grown = after["network"]["inputs"]["read_bytes"] - row["read_bytes"]
    assert moved["network.inputs.read_bytes"].effect == pytest.approx(grown / (row["read_bytes"] + row["write_bytes"]))
