"""Sums of counts times prices, by hand; memory's prices by the piece beside those of whole activities."""

import pytest

from dataflows.specs import DramSpec
from simulator.dram.activity import DramActivity
from simulator.energy.dram_energy import MemoryPrices, activity_energy
from simulator.energy.dram_power import dram_parts
from simulator.energy.price_map import ACTIONS, COMPONENTS, LEAKAGE, PURPOSES, PriceMap, keys_of
from simulator.reports.price import Price

PRICES = {
    ("multipliers", "multiply"): Price(4.0, 2.0, 8.0),
    ("buffer", "read"): Price(10.0, 10.0, 10.0),
    ("buffer", "write"): Price(20.0, 15.0, 20.0),
    ("registers", "read"): Price(1.0, 0.5, 2.0),
}
LEAKS = {"multipliers": Price(0.5, 0.25, 1.0), "buffer": Price(2.0, 2.0, 2.0), "registers": Price(0.0, 0.0, 1.0)}


def test_every_count_is_paid_once_in_every_group():
    counts = {"multipliers": {"multiply": 3}, "buffer": {"read": 2, "write": 1}, "registers": {"read": 6}}
    purposes = {"compute": ["multipliers"], "storage": ["buffer", "registers"]}
    prices = PriceMap.of(keys_of(counts), lambda *key: PRICES[key], LEAKS, purposes)
    sums = prices.sums(counts, 10.0)
    assert sums[COMPONENTS] == {
        "multipliers": Price(12.0, 6.0, 24.0),
        "buffer": Price(40.0, 35.0, 40.0),
        "registers": Price(6.0, 3.0, 12.0),
    }
    assert sums[ACTIONS] == {
        "multiply": Price(12.0, 6.0, 24.0),
        "read": Price(26.0, 23.0, 32.0),
        "write": Price(20.0, 15.0, 20.0),
    }
    assert sums[LEAKAGE] == {name: price.times(10.0) for name, price in LEAKS.items()}
    assert sums[PURPOSES] == {"compute": Price(17.0, 8.5, 34.0), "storage": Price(66.0, 58.0, 82.0)}
    assert sums["chip"] == {"dynamic": Price(58.0, 44.0, 76.0), "leaked": Price(25.0, 22.5, 40.0)}
    assert prices.total(counts, 10.0) == 83.0


@pytest.mark.parametrize("kind", ["ideal", "banked"])
@pytest.mark.parametrize("part", ["DDR4_8Gb_x8_2400", "HBM2_4Gb_x128", "LPDDR4_per_bit"])
def test_memory_costs_by_the_piece_what_it_costs_at_once(kind, part):
    dram, made_of = DramSpec(kind=kind, bandwidth_gbs=30.0), dram_parts()[part]
    activity = DramActivity(
        activates=7, read_bursts=50, write_bursts=20, refreshes=3, open_clocks=900, closed_clocks=100, burst_bytes=64
    )
    at_once = activity_energy(activity, dram, made_of, 2.5)
    by_piece = MemoryPrices.of(dram, made_of).energy(activity, 2.5)
    assert by_piece.keys() == set(at_once.__dataclass_fields__)
    for name, price in by_piece.items():
        assert price == pytest.approx(getattr(at_once, name), rel=1e-12)
        assert price.value > 0 or "per_bit" in part
