"""What small memories are built of, and what they cost."""

import pytest

from dataflows.hardware.components import Action, Component, Kind
from simulator.energy.register_files import Built, built_of, register_bank, write
from simulator.energy.technology import Technology

LATCH, FLIP_FLOP, MULTIPLEXER, NAND = 2.660e-6, 4.522e-6, 1.862e-6, 0.798e-6  # mm2 at 45 nm
TECHNOLOGY = Technology(45, 10**9)


def registers(words, bits, kind=Kind.REGISTERS, **sizes):
    return Component("file", kind, 1, bits, words, **sizes)


@pytest.mark.parametrize(
    ("words", "bits", "built"),
    [
        (1, 4096, Built.CELLS), (1, 64, Built.FLIP_FLOPS), (2, 64, Built.FLIP_FLOPS), (3, 64, Built.LATCHES),
        (4, 29, Built.LATCHES), (32, 24, Built.LATCHES), (64, 16, Built.LATCHES), (65, 16, Built.CELLS),
    ],
)  # fmt: skip
def test_words_and_size_decide(words, bits, built):
    if words > 1:
        assert built_of(registers(words, bits)) is built
        assert built_of(registers(words, bits, Kind.SRAM)) is built
    assert built_of(registers(words, bits, Kind.EDRAM)) is Built.CELLS


def test_banks_are_built_one_by_one():
    # SCNN's accumulators: 1,024 sums of 24 bits in 32 banks of 96 bytes; in one bank they are 3 KB of memory cells.
    assert built_of(registers(1024, 24, banks=32)) is Built.LATCHES
    assert built_of(registers(1024, 24)) is Built.CELLS


def test_the_area_of_an_array_of_latches_by_hand():
    area = TECHNOLOGY.area_mm2(registers(32, 24)).value
    gates = 32 * (LATCH + 2 * NAND)
    assert area == pytest.approx(32 * 24 * LATCH + 24 * FLIP_FLOP + gates + 31 * 24 * MULTIPLEXER)
    assert TECHNOLOGY.area_mm2(registers(1024, 24, banks=32)).value == pytest.approx(32 * area)


def test_the_band_holds_flip_flops_and_memory_cells():
    price = TECHNOLOGY.area_mm2(registers(32, 24))
    assert price.high == pytest.approx(32 * 24 * FLIP_FLOP + 31 * 24 * MULTIPLEXER)
    assert price.low < price.value / 3
    # A FIFO of half a KB is memory cells and may be latches; a memory of that size that is called one may not.
    fifo = TECHNOLOGY.area_mm2(registers(50, 80))
    assert fifo.high > 50 * 80 * LATCH > 2 * fifo.value
    called = TECHNOLOGY.area_mm2(registers(50, 80, Kind.SRAM))
    assert called.high == pytest.approx(1.2 * called.value)
    assert TECHNOLOGY.area_mm2(registers(1024, 24)).high == pytest.approx(
        1.2 * TECHNOLOGY.area_mm2(registers(1024, 24)).value
    )


def test_a_register_is_the_table_s_and_has_no_wire():
    one = registers(1, 16)
    for operation in (write(one, 1.0, Built.FLIP_FLOPS), register_bank(one, 1.0, Built.FLIP_FLOPS)):
        assert operation.pj.value == pytest.approx(16 * 0.009)
        assert operation.wire_bit_mm == 0
    assert register_bank(one, 1.0, Built.FLIP_FLOPS).area_mm2.value == pytest.approx(16 * 5.98e-6)


def test_a_read_is_near_another_synthesis():
    """0.130 pJ for 16 words of 8 bits (tables/operations.csv)."""
    file = registers(16, 8)
    assert built_of(file) is Built.LATCHES
    read = Technology(40, 10**9).action_pj(file, Action.READ).value
    assert read == pytest.approx(0.130, rel=0.15)


@pytest.mark.parametrize("built", [Built.LATCHES, Built.FLIP_FLOPS])
def test_a_write_pays_its_line_along_all_words(built):
    few, many = (write(registers(words, 16), 1.0, built) for words in (4, 32))
    assert few.pj.value < many.pj.value
    assert few.wire_bit_mm < many.wire_bit_mm
    # A register's worth at least; with latches those, too.
    assert few.pj.value > 16 * 0.009 * (1 + LATCH / FLIP_FLOP if built is Built.LATCHES else 1)


def test_leakage_goes_with_area():
    small, large = registers(4, 24), registers(32, 24)
    ratio = TECHNOLOGY.area_mm2(large).value / TECHNOLOGY.area_mm2(small).value
    assert TECHNOLOGY.leakage_mw(large) / TECHNOLOGY.leakage_mw(small) == pytest.approx(ratio)
