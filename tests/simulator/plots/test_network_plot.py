"""The plot of networks as one run beside their layers."""

import pytest

from dataflows.registry import create
from simulator.network_simulation import simulate
from simulator.plots.data import rows_of
from simulator.plots.kinds.network import bars_of, network
from tests.simulator.network.graphs import BLOCK
from tests.simulator.network.workloads import network as small
from workloads.errors import InputError


@pytest.fixture(scope="module")
def reports():
    machines = [
        create(name, {"overlap": overlap}) for name in ("scnn", "structured") for overlap in ("tiles", "serial")
    ]
    return simulate(machines, small(BLOCK))


def test_a_group_of_bars_a_machine_with_the_layers_alone_first(reports):
    figure = network(reports)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == [
        "SCNN: layers alone", "overlap of serial", "overlap of tiles",
        "structured: layers alone", "overlap of serial", "overlap of tiles",
    ]  # fmt: skip


def test_bars_are_as_long_as_their_cycles_and_their_parts_fill_them(reports):
    rows = [row for row in rows_of(reports[:2]) if row["name"] == "total"]
    alone, serial, tiles = bars_of("scnn", rows)
    assert (alone.percent, alone.cycles) == (100, reports[0].total.cycles)
    assert serial.percent == pytest.approx(100 * reports[1].network.cycles / reports[1].total.cycles)
    assert (serial.cycles, tiles.cycles) == (reports[1].network.cycles, reports[0].network.cycles)
    for bar in (alone, serial, tiles):
        assert sum(bar.shares.values()) == pytest.approx(1)
    stack = reports[0].network.pe_cycle_stack
    assert tiles.shares["memory"] == pytest.approx(stack["memory"] / sum(stack.values()))
    drawn = network(reports[:1]).axes[0]
    assert sum(patch.get_width() for patch in drawn.patches) == pytest.approx(100 + tiles.percent)


def test_rows_of_a_sweep_over_overlap_are_bars_of_one_machine(reports):
    rows = [
        {**row, "overlap": row["network.overlap"], "key": str(place)}
        for place, report in enumerate(reports[:2])
        for row in report.rows()[-1:]
    ]
    labels = [text.get_text() for text in network(rows).axes[0].get_yticklabels()]
    assert labels == ["SCNN: layers alone", "overlap of serial", "overlap of tiles"]


def test_results_without_networks_are_refused():
    (alone,) = simulate([create("scnn", {"overlap": "none"})], small(BLOCK))
    with pytest.raises(InputError, match=r"^the results have no network that was played as one run$"):
        network([alone])
    rows = [{"accelerator": "scnn", "name": "total", "workload": "net", "cycles": 10}]
    with pytest.raises(InputError, match=r"^the results have no network that was played as one run$"):
        network(rows)
