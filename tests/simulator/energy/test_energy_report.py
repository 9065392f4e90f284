"""Sums, shares and figures of energy and area, worked out by hand."""

import pytest

from simulator.reports.energy_books import energy_laws
from simulator.reports.energy_report import AreaReport, EnergyReport
from simulator.reports.price import Price


def report(**changes):
    parts = {
        "counts": {"multipliers": {"multiply": 6, "multiply_zero": 1, "idle": 3}, "index": {"count": 2}},
        "components": {"multipliers": Price(70, 50, 70), "index": Price.exact(10)},
        "actions": {"multiply": Price(60, 45, 60), "multiply_zero": Price(8, 4, 8), "idle": Price(2, 1, 2), "count": Price.exact(10)},
        "leakage": {"multipliers": Price.exact(15), "index": Price.exact(5)},
        "purposes": {"compute": Price(85, 65, 85), "sparsity": Price.exact(15)},
        "causes": {"busy": Price(90, 70, 90), "memory": Price.exact(10)},
        "dram": {"read_pj": Price(80, 60, 100), "background_pj": Price.exact(20)},
        "dense_pj": 400.0,
    }  # fmt: skip
    return EnergyReport(**parts | changes)


def test_figures_of_a_layer():
    figures = report().figures(time_us=2.0, dense_macs=50, effectual_macs=5)
    assert figures["energy"] == {
        "total_pj": 200, "low_pj": 160, "high_pj": 220, "dynamic_pj": 80, "leakage_pj": 20, "sparsity_share": 0.15,
        "components": {"multipliers": 70, "index": 10},
        "leakage": {"multipliers": 15, "index": 5},
        "actions": {"multiply": 60, "multiply_zero": 8, "idle": 2, "count": 10},
        "purposes": {"compute": 85, "sparsity": 15},
        "causes": {"busy": 90, "memory": 10},
        "dram": {"read_pj": 80, "background_pj": 20, "total_pj": 100},
    }  # fmt: skip
    assert figures["actions"] == report().counts
    assert figures["power_mw"] == 0.1  # 200 pJ in 2 us are 100 uW
    assert figures["tops_per_watt"] == {"dense": 0.5, "effectual": 0.05}
    assert figures["energy_delay_product"] == pytest.approx(4e-16)  # 200e-12 J x 2e-6 s
    assert figures["energy_vs_dense"] == 0.5


def test_a_network_says_nothing_that_is_of_its_layers_alone():
    figures = report().run_figures(2.0, 50, 5)
    assert list(figures) == ["energy", "power_mw", "tops_per_watt", "energy_delay_product"]


def test_layers_add_up():
    total = EnergyReport.sum([report(), report(counts={"index": {"count": 3}, "adders": {"add": 4}})])
    assert total.counts == {
        "multipliers": {"multiply": 6, "multiply_zero": 1, "idle": 3}, "index": {"count": 5}, "adders": {"add": 4},
    }  # fmt: skip
    assert total.total == Price(400, 320, 440)
    assert total.vs_dense == 0.5
    assert EnergyReport.sum([report(), report(dense_pj=None)]).vs_dense is None


def test_the_books_balance_and_name_what_does_not():
    def broken(energy, **changes):
        found = energy_laws(energy, **{"slots": 10, "issued_macs": 7, "effectual_macs": 6} | changes)
        return [law for law, holds in found if not holds]

    assert broken(report()) == []
    assert broken(report(), slots=11) == ["every multiplier slot has one action"]
    assert broken(report(), issued_macs=8) == ["slots that held a product are the issued products"]
    assert broken(report(), effectual_macs=7) == ["effectual products are multiplied"]
    assert broken(report(counts={**report().counts, "index": {"count": -1}})) == [
        "no action is counted less than never"
    ]
    assert broken(report(actions={"multiply": Price(79, 60, 80)})) == ["energy by action is that by component"]
    assert broken(report(purposes={"compute": Price.exact(100)})) == ["energy by purpose is the chip's"]
    assert broken(report(causes={})) == ["energy by cause is the chip's"]
    assert broken(report(dram={"read_pj": Price(1000, 2000, 3000)})) == ["the band holds the figure"]


def test_area_and_the_share_of_hardware_for_zeros():
    area = AreaReport({"multipliers": Price(3, 2, 4), "index": Price.exact(1)}, frozenset({"index"}))
    assert area.to_dict() == {
        "total_mm2": 4, "low_mm2": 3, "high_mm2": 5, "components": {"multipliers": 3, "index": 1}, "sparsity_share": 0.25,
    }  # fmt: skip
