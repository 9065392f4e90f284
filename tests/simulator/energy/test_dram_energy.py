"""Energy of external memory: by hand, over parts, additive over layers, and for whole layers of either memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.registry import create
from dataflows.specs import DramSpec
from simulator.dram.activity import DramActivity
from simulator.dram.spec import BankedDramSpec
from simulator.dram.standards import STANDARDS
from simulator.energy.dram_energy import DramEnergy, activity_energy, dram_energy, part_of
from simulator.energy.dram_power import dram_parts
from simulator.energy.price import Price
from simulator.network_simulation import MachineRun
from tests.conformance.layers import LAYERS, random_trace
from workloads.errors import InputError

BANKED = DramSpec(kind="banked")
DDR4 = dram_parts()["DDR4_8Gb_x8_2400"]
COUNTED = DramActivity(
    activates=3, read_bursts=20, write_bursts=5, refreshes=2, open_clocks=1000, closed_clocks=300, burst_bytes=64
)


def test_counts_by_hand():
    """DDR4-2400: 3450.1 pJ a row, 2932.2 a read, 2549.8 a write, 692,737.9 a refresh, 412.8 and 326.4 mW."""
    found = activity_energy(COUNTED, BANKED, DDR4, 0.0)
    assert found.activate_pj.value == pytest.approx(3 * 3450.1, rel=1e-4)
    assert found.read_pj.value == pytest.approx(20 * 2932.2, rel=1e-4)
    assert found.write_pj.value == pytest.approx(5 * 2549.8, rel=1e-4)
    assert found.refresh_pj.value == pytest.approx(2 * 692_737.9, rel=1e-4)
    assert found.background_pj.value == pytest.approx(833.0 * 412.8 + 249.9 * 326.4)
    parts = [getattr(found, name).value for name in DramEnergy.__dataclass_fields__]
    assert found.total_pj.value == pytest.approx(sum(parts))
    assert found.to_dict() == {
        **dict(zip(DramEnergy.__dataclass_fields__, parts, strict=True)), "total_pj": found.total_pj.value
    }  # fmt: skip


def test_bands_are_over_the_parts_of_a_generation():
    """A read of DDR4 takes 2709 to 3123 pJ by the part; parts of other generations do not count."""
    read = activity_energy(DramActivity(read_bursts=1, burst_bytes=64), BANKED, DDR4, 0.0).read_pj
    assert (read.low, read.high) == (pytest.approx(2709, abs=1), pytest.approx(3123, abs=1))
    by_bit = activity_energy(COUNTED, BANKED, dram_parts()["LPDDR4_per_bit"], 0.0)
    assert by_bit.read_pj == Price.exact(20 * 64 * 8 * 8)
    assert by_bit.total_pj == Price.exact(25 * 64 * 8 * 8)


def machine(**dram):
    return create("dcnn", {"dram": dram}).spec


@pytest.mark.parametrize(
    ("standard", "part"),
    [
        ("DDR3-1600", "DDR3_4Gb_x8_1600"),
        ("DDR4-2400", "DDR4_8Gb_x8_2400"),
        ("DDR4-3200", "DDR4_8Gb_x8_3200"),
        ("LPDDR4-3200", "LPDDR4_per_bit"),
        ("HBM2", "HBM2_4Gb_x128"),
    ],
)
def test_the_part_of_a_standard(standard, part):
    assert part_of(machine(kind="banked", standard=standard)).name == part


def test_every_standard_has_a_part_of_its_peak():
    for standard in STANDARDS.values():
        part = part_of(machine(kind="banked", standard=standard.name))
        device_gbs = standard.burst_bytes * 1000 / (standard.nBL * standard.tCK_ps)
        assert part.peak_gbs * standard.channel_bits / part.bus_bits == pytest.approx(device_gbs, rel=0.01)


def test_ideal_memory_is_ddr4_unless_a_part_is_named():
    assert part_of(machine(kind="ideal")).name == "DDR4_8Gb_x8_2400"
    assert part_of(create("dcnn", {"energy": {"dram_part": "HBM2_per_bit"}}).spec).name == "HBM2_per_bit"


def test_a_part_that_no_table_has():
    spec = create("dcnn", {"energy": {"dram_part": "DDR4_8Gb_x8_2401"}}).spec
    with pytest.raises(InputError) as error:
        part_of(spec)
    assert str(error.value) == "energy.dram_part = 'DDR4_8Gb_x8_2401': did you mean 'DDR4_8Gb_x8_2400'?"


counts = st.builds(
    DramActivity,
    *[st.integers(0, 10**9)] * 8,
    burst_bytes=st.just(64),
)


@given(counts, counts, st.sampled_from(sorted(STANDARDS)), st.sampled_from(sorted(dram_parts())))
def test_layers_add_up_and_no_energy_is_negative(one, two, standard, part):
    for dram in (BankedDramSpec(standard=standard), DramSpec(bandwidth_gbs=30.0)):
        apart = [activity_energy(each, dram, dram_parts()[part], time_us) for each, time_us in ((one, 1e9), (two, 3e9))]
        together = activity_energy(one + two, dram, dram_parts()[part], 4e9)
        for name in DramEnergy.__dataclass_fields__:
            band = getattr(together, name)
            assert 0 <= band.low <= band.value <= band.high
            assert band.value == pytest.approx(getattr(apart[0] + apart[1], name).value)


@pytest.mark.parametrize("dram", [{"kind": "banked"}, {"kind": "banked", "standard": "HBM2", "channels": 2}, {}])
def test_a_layer(dram):
    """Bursts are the report's bytes; open and closed clocks fill the layer's time."""
    chosen = create("cambricon-x", {"dram": dram})
    report = MachineRun(chosen).layer(random_trace(LAYERS[0], 0.4, 0.5))
    activity, carried = report.dram.activity, report.dram.all
    assert activity.bursts * activity.burst_bytes == carried.burst_bytes > 0
    assert activity.activates <= carried.row_misses + carried.row_conflicts
    assert activity.write_bursts * activity.burst_bytes >= carried.write_bytes > 0
    if dram:
        clocks = (activity.open_clocks + activity.closed_clocks) / chosen.spec.dram.channels
        clock_us = BankedDramSpec.of(chosen.spec.dram).device.tCK_ps / 1e6
        assert clocks * clock_us == pytest.approx(report.time_us, abs=2 * clock_us)
        assert activity.open_clocks > 0
    found = dram_energy(report.dram, chosen.spec, report.time_us)
    assert found.total_pj.value > 0
    assert found.read_pj.value > found.write_pj.value > 0
