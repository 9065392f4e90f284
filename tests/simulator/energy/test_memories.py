"""On-chip memories: points of the table, between them, and words that are cut."""

import pytest

from simulator.energy.memories import memory_cost
from simulator.energy.rows import table_rows

CELL = "itrs-lstp"


def row(size_bytes, bits, node=45):
    return next(
        one for one in table_rows("sram")
        if (float(one["tech_nm"]), one["cell"], int(one["bytes"]), int(one["width_bits"])) == (node, CELL, size_bytes, bits)
    )  # fmt: skip


@pytest.mark.parametrize(("size_bytes", "bits"), [(256, 32), (1024, 32), (131072, 64)])
def test_points_of_the_table_that_no_cut_betters_are_met(size_bytes, bits):
    cost, own = memory_cost(size_bytes, bits, 45, CELL), row(size_bytes, bits)
    assert cost.read_pj == pytest.approx(float(own["read_pJ"]))
    assert cost.write_pj == pytest.approx(float(own["write_pJ"]))
    assert cost.area_mm2 == pytest.approx(float(own["area_mm2"]))
    assert cost.leakage_mw == pytest.approx(float(own["leakage_mW"]))


def test_a_wide_word_of_a_small_memory_lies_in_arrays_side_by_side():
    # 2 KB of 256 bits: eight arrays of the table's smallest size take 14.2 pJ for a read and a write, one takes 22.4.
    cost, eighth = memory_cost(2048, 256, 45, CELL), row(256, 32)
    assert cost.read_pj == pytest.approx(8 * float(eighth["read_pJ"]))
    assert cost.area_mm2 == pytest.approx(8 * float(eighth["area_mm2"]))
    assert cost.read_pj < float(row(2048, 256)["read_pJ"])
    assert cost.area_mm2 < float(row(2048, 256)["area_mm2"])


@pytest.mark.parametrize("own", [one for one in table_rows("sram") if one["cell"] == CELL])
def test_no_memory_takes_more_than_its_row(own):
    cost = memory_cost(int(own["bytes"]), int(own["width_bits"]), float(own["tech_nm"]), CELL)
    assert cost.read_pj + cost.write_pj <= (float(own["read_pJ"]) + float(own["write_pJ"])) * (1 + 1e-9)


def test_arrays_are_no_smaller_and_no_narrower_than_the_table_s():
    # 300 bytes of 512 bits: one array, since two would have 150 bytes each.
    whole = memory_cost(300, 512, 45, CELL)
    half = memory_cost(150, 256, 45, CELL)
    assert whole.read_pj != pytest.approx(2 * half.read_pj)
