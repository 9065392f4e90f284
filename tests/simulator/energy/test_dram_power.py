"""Parts by their currents, computed by hand from the tables' rows."""

import pytest

from simulator.energy.dram_power import dram_parts


def test_a_part_of_ddr4_by_hand():
    """1.2 V, eight devices, 0.83 ns a clock; IDD0 48, IDD2N 34, IDD3N 43, IDD4W 123, IDD4R 135, IDD5AB 250 mA."""
    part = dram_parts()["DDR4_8Gb_x8_2400"]
    volt_devices_ns = 1.2 * 8 * 0.83
    assert part.activate_pj == pytest.approx(volt_devices_ns * (48 * 56 - 43 * 39 - 34 * 17))
    assert part.read_pj == pytest.approx(volt_devices_ns * (135 - 43) * 4)
    assert part.write_pj == pytest.approx(volt_devices_ns * (123 - 43) * 4)
    assert part.refresh_pj == pytest.approx(volt_devices_ns * (250 - 43) * 420)
    assert (part.open_mw, part.closed_mw) == (pytest.approx(1.2 * 43 * 8), pytest.approx(1.2 * 34 * 8))
    assert (part.bus_bits, part.burst_bytes, part.row_bytes, part.generation) == (64, 64, 8192, "DDR4")
    assert part.refresh_ns == pytest.approx(9360 * 0.83)


@pytest.mark.parametrize(
    ("name", "row_bytes"),
    [
        ("DDR3_8Gb_x8_1600", 16384),  # 2048 columns of 64 bits
        ("HBM2_4Gb_x128", 2048),  # 64 columns of two transfers of 128 bits; JESD235C: 2 KiB
        ("GDDR5_8Gb_x32", 16384),  # 128 columns of a burst of 8 transfers of 128 bits
    ],
)
def test_a_row_holds_columns_of_its_protocol(name, row_bytes):
    assert dram_parts()[name].row_bytes == row_bytes


def test_currents_of_another_generation_are_no_part():
    """What the table calls LPDDR4 has DDR4's currents, so that LPDDR4 is priced by the bit: 512 pJ for 64."""
    parts = dram_parts()
    assert "LPDDR4_8Gb_x16_2400" not in parts
    assert len(parts) == 12 + 2
    part = parts["LPDDR4_per_bit"]
    assert part.read_pj / (8 * part.burst_bytes) == part.write_pj / (8 * part.burst_bytes) == 8
    assert parts["HBM2_per_bit"].read_pj / 512 == pytest.approx(3.9)
    for name in ("LPDDR4_per_bit", "HBM2_per_bit"):
        other = parts[name]
        assert other.activate_pj == other.refresh_pj == other.open_mw == other.closed_mw == 0
        assert other.generation == name
