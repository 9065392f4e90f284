"""Energy in whole runs: of a machine that counts, without it, and of one that says nothing."""

import json
import math

import pytest

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component, Kind
from dataflows.machines.ideal import Ideal
from dataflows.registry import create
from dataflows.specs import EnergySpec
from simulator.energy.acted import Acted, with_idle_slots
from simulator.energy.estimate import Estimator
from simulator.network_simulation import simulate
from simulator.reports.diff import Tolerances, difference
from simulator.reports.energy_report import KEYS
from simulator.terminal.energy import print_energies, print_energy
from tests.simulator.energy.counted_machine import CountedDcnn
from workloads.catalog import load_workload


class Silent(Ideal):
    """A machine that names no components."""

    def components(self):
        return ()


class CountedIdeal(Ideal):
    """A machine that skips zeros, with a dense baseline that counts nothing."""

    def components(self):
        return (Component("multipliers", Kind.MULTIPLIER, self.spec.multipliers, 16),)

    def actions(self, trace, schedule, effectual_macs):
        assert trace.layer.dense_macs >= effectual_macs
        counts = ActionCounts.of(self.components())
        counts.multiply(schedule, effectual_macs)
        return counts


@pytest.fixture(scope="module")
def workload():
    return load_workload("examples/tiny.toml")


@pytest.fixture(scope="module")
def report(workload):
    (report,) = simulate([CountedDcnn()], workload)
    return report


def without_energy(data):
    """A report of JSON without all that says energy."""
    added = {"actions", "energy", "power_mw", "tops_per_watt", "energy_delay_product", "energy_vs_dense", "area"}
    if isinstance(data, dict):
        return {key: without_energy(value) for key, value in data.items() if key not in added}
    return [without_energy(one) for one in data] if isinstance(data, list) else data


def test_energy_adds_keys_and_changes_nothing_else(report, workload):
    (plain,) = simulate([CountedDcnn()], workload, energy=False)
    data = plain.to_dict()
    assert not {"actions", "energy", "area"} & {*data, *data["total"], *data["layers"][0], *data["network"]}
    assert without_energy(json.loads(json.dumps(report.to_dict()))) == without_energy(json.loads(json.dumps(data)))


def test_a_layer_costs_its_actions_its_leakage_and_its_memory(report):
    prices, layer = Estimator(CountedDcnn()), report.layers[1]
    energy = layer.energy
    counts = {(name, action): count for name, row in energy.counts.items() for action, count in row.items()}
    dynamic = math.fsum(prices.action_pj(*key).value * count for key, count in counts.items())
    assert energy.dynamic.value == pytest.approx(dynamic, rel=1e-12)
    leaking_mw = math.fsum(prices.leakage_mw(name).value for name in energy.counts)
    assert energy.leaked.value == pytest.approx(leaking_mw * layer.time_us * 1000, rel=1e-12)
    assert energy.total.value == pytest.approx(dynamic + energy.leaked.value + energy.memory.value, rel=1e-12)
    assert counts["multipliers", "idle"] == layer.multipliers * layer.cycles - layer.issued_macs
    assert energy.memory.value > 0


def test_the_energy_in_all_is_that_of_its_parts(report):
    prices, layer = Estimator(CountedDcnn()), report.layers[1]
    lanes = layer.multipliers // layer.pes
    acted = Acted(
        layer.energy.counts, layer.time_us, layer.pe_cycle_stack, layer.fragmented_lanes, lanes, layer.dram.activity
    )
    assert prices.total_pj(acted) == pytest.approx(prices.energy(acted).total.value, rel=1e-12)


def test_causes_share_what_leaks_and_empty_slots(report):
    prices, layer = Estimator(CountedDcnn()), report.layers[1]
    # A PE waits for memory with 16 multipliers, and leaks as it does at all times.
    waiting = layer.pe_cycle_stack["memory"]
    leaked = layer.energy.leaked.value * waiting / (layer.pes * layer.cycles)
    idle = prices.action_pj("multipliers", "idle").value * waiting * 16
    assert layer.energy.causes["memory"].value == pytest.approx(leaked + idle, rel=1e-12)


def test_a_network_has_the_actions_of_its_layers_over_its_own_time(report):
    total, network = report.total, report.network
    ratio = network.energy["energy"]["leakage_pj"] / total.energy.leaked.value
    assert ratio == pytest.approx(network.cycles / total.cycles, rel=1e-12)
    for action in ("multiply", "read", "write", "count"):
        assert network.energy["energy"]["actions"][action] == pytest.approx(
            total.energy.actions[action].value, rel=1e-12
        )
    assert network.energy["energy"]["actions"]["idle"] < total.energy.actions["idle"].value


def test_layers_one_by_one_take_what_their_sum_does(workload):
    machine = CountedDcnn(CountedDcnn().spec.model_copy(update={"overlap": "none"}))
    (report,) = simulate([machine], workload.select("conv*"))
    assert report.network.energy["energy"] == report.total.energy.to_dict()


def test_a_machine_that_is_its_own_baseline_takes_as_much(report):
    assert report.total.energy.vs_dense == pytest.approx(1.0, rel=1e-12)


def test_a_machine_that_skips_is_compared_with_its_baseline_without_zeros(workload, monkeypatch):
    monkeypatch.setattr("simulator.network_simulation.baseline_of", lambda _: CountedDcnn())
    (report,) = simulate([CountedIdeal()], workload.select("conv1"))
    (layer,) = report.layers
    assert layer.energy.dense_pj is not None
    (own,) = simulate([CountedDcnn()], workload.select("conv1"))
    # Only where zeros lie differs, and the multipliers of this machine work on zeros as on all else.
    assert layer.energy.dense_pj == pytest.approx(own.layers[0].energy.total.value, rel=1e-9)


def test_settings_of_energy_leave_the_digest_where_they_are_the_defaults(report, workload):
    (same,) = simulate([CountedDcnn()], workload, energy=False)
    assert same.digest == report.digest
    other = CountedDcnn(CountedDcnn().spec.model_copy(update={"energy": EnergySpec(node_nm=16)}))
    (smaller,) = simulate([other], workload)
    assert smaller.digest != report.digest
    assert smaller.total.cycles == report.total.cycles
    assert smaller.total.energy.dynamic.value < report.total.energy.dynamic.value
    assert smaller.area.total.value < report.area.total.value / 4


def test_a_machine_without_components_says_so(workload, capsys):
    (silent,) = simulate([Silent()], workload.select("conv1"))
    data = silent.to_dict()
    assert data["area"] is None
    assert all(row[key] is None for row in (*data["layers"], data["total"]) for key in KEYS)
    assert not any(
        column.partition(".")[0] in ("energy", "actions", "tops_per_watt", "area")
        for row in silent.rows()
        for column in row
    )
    (plain,) = simulate([Silent()], workload.select("conv1"), energy=False)
    assert not {*KEYS, "area"} & {*plain.to_dict(), *plain.to_dict()["total"]}
    print_energy(silent)
    print_energies([silent])
    assert capsys.readouterr().out == "\nenergy: not modelled for ideal\n" * 2


def test_the_tables_of_one_and_of_several_machines(report, capsys):
    print_energy(report)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].strip() == "energy (45 nm)"
    assert lines[2].split()[:4] == ["layer", "energy", "mJ", "band"]
    assert [line.split()[0] for line in lines[3:10]] == ["conv1", "conv2", "depthwise", "dilated", "fc", "total", "as"]
    assert lines[-1].startswith("area 1.6")
    print_energies([report, report])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["accelerator", "dcnn", "dcnn"]
    assert "area mm2" in lines[2]


def test_nothing_is_printed_of_energy_that_nobody_asked_for(workload, capsys):
    (plain,) = simulate([CountedDcnn()], workload.select("conv1"), energy=False)
    print_energy(plain)
    print_energies([plain])
    assert capsys.readouterr().out == ""


def test_rows_and_differences_have_energy(report):
    row = report.rows()[-1]
    assert row["energy.total_pj"] == report.total.energy.total.value
    assert row["area.total_mm2"] == report.area.total.value
    assert row["actions.index.count"] == report.total.energy.counts["index"]["count"]
    new = json.loads(json.dumps(report.to_dict()))
    new["total"]["energy"]["total_pj"] *= 2
    new["total"]["tops_per_watt"]["dense"] /= 2
    new["area"]["total_mm2"] /= 2
    new["total"]["actions"]["index"]["count"] += 1
    found = {change.metric: change.sense for change in difference([report.to_dict()], [new], Tolerances()).changes}
    assert found == {
        "energy.total_pj": -1, "tops_per_watt.dense": -1, "area.total_mm2": 1, "actions.index.count": 0,
    }  # fmt: skip


def test_a_difference_tells_cycles_and_energy_and_what_follows_them(workload):
    old, new = (
        simulate([create("scnn", {"energy": {"node_nm": node}, "dram": {"bandwidth_gbs": rate}})], workload)[
            0
        ].to_dict()
        for node, rate in ((45.0, 50.0), (45.0, 0.5))
    )
    slower = [c for c in difference([old], [new], Tolerances()).changes if c.layer == "total" and not c.follows]
    assert {change.metric for change in slower} == {"cycles", "energy.total_pj", "dram.peak_gbs", "dense_cycles"}
    (smaller,) = simulate([create("scnn", {"energy": {"node_nm": 22.0}})], workload)
    changes = [c for c in difference([old], [smaller.to_dict()], Tolerances()).changes if c.layer == "total"]
    assert {change.metric for change in changes if not change.follows} == {"area.total_mm2", "energy.total_pj"}
    # Of a part the effect is its share of the whole: no part moves the energy by more than itself.
    parts = {change.metric: change for change in changes}
    part = parts["energy.components.scatter_crossbar"]
    assert part.effect == pytest.approx(abs(part.new - part.old) / old["total"]["energy"]["total_pj"])


def test_what_floating_point_leaves_is_no_difference(report):
    new = json.loads(json.dumps(report.to_dict()))
    new["total"]["energy"]["total_pj"] *= 1 + 1e-14
    assert difference([report.to_dict()], [new], Tolerances()).changes == ()
    new["total"]["energy"]["total_pj"] *= 1 + 1e-11
    assert [c.metric for c in difference([report.to_dict()], [new], Tolerances()).changes] == ["energy.total_pj"]


def test_empty_slots_are_what_products_leave():
    counts = {"multipliers": {"multiply": 3, "gate": 2, "idle": 9}, "adders": {"add": 1}}
    assert with_idle_slots(counts, 20) == {"multipliers": {"multiply": 3, "gate": 2, "idle": 15}, "adders": {"add": 1}}


def test_a_layer_that_takes_no_time_takes_no_energy(report):
    counts = {"multipliers": {"multiply": 0, "idle": 0}}
    acted = Acted(counts, 0.0, dict.fromkeys(report.layers[0].pe_cycle_stack, 0), 0, 16, report.layers[0].dram.activity)
    energy = Estimator(CountedDcnn()).energy(acted)
    assert energy.dynamic.value == energy.leaked.value == 0
    assert energy.figures(0.0, 0, 0)["power_mw"] == 0


def test_a_part_that_no_table_has_is_refused_before_anything_runs(workload):
    machine = CountedDcnn(CountedDcnn().spec.model_copy(update={"energy": EnergySpec(dram_part="DDR4_8Gb_x8")}))
    with pytest.raises(ValueError, match=r"^energy\.dram_part = 'DDR4_8Gb_x8': did you mean 'DDR4_8Gb_x"):
        simulate([machine], workload, progress=lambda *_: pytest.fail("a layer ran"))


def test_create_gives_a_machine_with_the_default_prices():
    assert create("dcnn").spec.energy == EnergySpec()
