"""What is priced of an activity: ranks of another width, rows of another size, and memory as if it streamed."""

import pytest

from dataflows.specs import DramSpec
from simulator.dram.activity import DramActivity
from simulator.energy.dram_power import dram_parts
from simulator.energy.dram_work import DramWork, dram_work

COUNTED = DramActivity(
    activates=10, precharges=9, read_bursts=100, write_bursts=50, forwarded_bursts=7, refreshes=4, open_clocks=1000,
    closed_clocks=500, burst_bytes=64,
)  # fmt: skip


def test_banked_memory_is_priced_as_it_was_counted():
    """DDR4-2400: rows of 8 KiB, clocks of 0.833 ns; forwarded reads cost nothing, and time is the counted one."""
    work = dram_work(COUNTED, DramSpec(kind="banked"), dram_parts()["DDR4_8Gb_x8_2400"], 123.0)
    assert work == DramWork(10 * 8192, 6400, 3200, 4, pytest.approx(833), pytest.approx(416.5))


def test_a_channel_of_half_the_bus_is_half_a_rank():
    """A pseudo channel of HBM2 has 64 of the part's 128 bits, rows of 1 KiB and clocks of 1 ns."""
    spec = DramSpec(kind="banked", standard="HBM2")
    work = dram_work(COUNTED, spec, dram_parts()["HBM2_4Gb_x128"], 0.0)
    assert work == DramWork(10 * 1024, 6400, 3200, 2, 500, 250)


def test_an_override_of_the_bus_is_fewer_devices():
    spec = DramSpec(kind="banked", override={"channel_bits": 32})
    work = dram_work(COUNTED, spec, dram_parts()["DDR4_8Gb_x8_2400"], 0.0)
    assert (work.activated_bytes, work.refreshes) == (10 * 4096, 2)


def streamed(bandwidth_gbs, time_us, part="HBM2_4Gb_x128", read=1000, write=600):
    activity = DramActivity(read_bursts=read, write_bursts=write, burst_bytes=64)
    return dram_work(activity, DramSpec(bandwidth_gbs=bandwidth_gbs), dram_parts()[part], time_us)


def test_ideal_memory_streams():
    """1600 bursts of 64 bytes at 32 bytes a ns take 3200 ns of 10 us; a refresh every 3900 ns."""
    work = streamed(25.6, 10.0)
    assert work == DramWork(1600 * 64, 64_000, 38_400, pytest.approx(10_000 / 3900), 3200, 6800)


def test_ideal_memory_has_the_ranks_that_its_bandwidth_needs():
    """Three ranks of 32 GB/s for 64.1: as many bytes, thrice the time."""
    work = streamed(64.1, 10.0)
    assert (work.open_ns, work.closed_ns) == (3200, 30_000 - 3200)
    assert work.refreshes == pytest.approx(30_000 / 3900)


def test_memory_that_is_not_modelled_is_open_as_long_as_its_bytes_take():
    """It moves them in no time, but a rank at its peak would need 3200 ns."""
    work = streamed(float("inf"), 1.0)
    assert (work.open_ns, work.closed_ns) == (3200, 0)
