"""The standards' numbers hang together, and a user's overrides are checked."""

import math
import re

import pytest
from pydantic import ValidationError

from dataflows.specs import DramSpec
from simulator.dram.spec import BankedDramSpec
from simulator.dram.standards import STANDARDS, standard_named
from simulator.engine.memory_kinds import peak_bytes_per_cycle
from workloads.errors import InputError

BYTES_GBS = {"DDR3-1600": (64, 12.8), "DDR4-2400": (64, 19.21), "DDR4-3200": (64, 25.6)}
BYTES_GBS |= {"LPDDR4-3200": (32, 6.4), "HBM2": (32, 16.0)}


@pytest.mark.parametrize("standard", STANDARDS.values(), ids=list(STANDARDS))
def test_numbers_hang_together(standard):
    assert standard.nRC >= standard.nRAS + standard.nRP
    assert standard.nCCD_L >= standard.nCCD_S >= standard.nBL
    assert standard.nRRD_L >= standard.nRRD_S
    assert standard.nWTR_L >= standard.nWTR_S
    # A write's data must not meet the read's before it on the bus.
    assert standard.nRTW >= standard.nCL + standard.nBL - standard.nCWL
    if standard.bank_groups == 1:
        assert standard.nCCD_L == standard.nCCD_S
        assert standard.nRRD_L == standard.nRRD_S
        assert standard.nWTR_L == standard.nWTR_S


@pytest.mark.parametrize("name", STANDARDS)
def test_burst_and_peak(name):
    standard = STANDARDS[name]
    burst_bytes, peak_gbs = BYTES_GBS[name]
    assert standard.burst_bytes == burst_bytes
    assert standard.burst_bytes * 1000 / (standard.nBL * standard.tCK_ps) == pytest.approx(peak_gbs, abs=0.005)


# tRFC by the density, in Gb, of what a refresh command reaches: a device of x8, or the channel of 16 or of 128 bits.
# JESD79-3F (DDR3), JESD79-4C (tRFC1), JESD209-4B (tRFCab, a channel); HBM2 as in Ramulator 2 and DRAMsim3 (a channel).
REFRESHED_BITS = {"DDR3-1600": 8, "DDR4-2400": 8, "DDR4-3200": 8, "LPDDR4-3200": 16, "HBM2": 128}
REFRESH_NS = {
    "DDR3-1600": {1: 110, 2: 160, 4: 260, 8: 350},
    "DDR4-2400": {2: 160, 4: 260, 8: 350, 16: 550},
    "DDR4-3200": {2: 160, 4: 260, 8: 350, 16: 550},
    "LPDDR4-3200": {2: 130, 4: 180, 8: 280},
    "HBM2": {2: 160, 4: 260, 8: 350, 16: 450},
}


@pytest.mark.parametrize("name", STANDARDS)
def test_refresh_goes_by_density(name):
    standard = STANDARDS[name]
    places = standard.bank_groups * standard.banks_per_group * standard.rows * standard.columns
    gigabits = places * REFRESHED_BITS[name] >> 30
    assert standard.nRFC * standard.tCK_ps / 1000 == pytest.approx(REFRESH_NS[name][gigabits], rel=0.001)


# What JEDEC gives: nanoseconds, and the clocks that are the least where that is more. JESD79-3F (bin 1600K), JESD79-4C
# (bins of 17-17-17 and 3200AA), both with pages of 1 KB; JESD209-4B (x16, set A). nCL is tAA, for LPDDR4 RL.
TIMES = {
    "DDR3-1600": {
        "nCL": 13.75, "nRCD": 13.75, "nRP": 13.75, "nRPab": 13.75, "nRAS": 35, "nRRD_S": (6, 4), "nRRD_L": (6, 4), "nFAW": 30,
        "nWTR_S": (7.5, 4), "nWTR_L": (7.5, 4), "nWR": 15, "nRTP": (7.5, 4), "nCCD_S": (0, 4), "nCCD_L": (0, 4),
        "nCWL": (0, 8),
    },
    "DDR4-2400": {
        "nCL": 14.16, "nRCD": 14.16, "nRP": 14.16, "nRPab": 14.16, "nRAS": 32, "nRRD_S": (3.3, 4), "nRRD_L": (4.9, 4), "nFAW": (21, 20),
        "nWTR_S": (2.5, 2), "nWTR_L": (7.5, 4), "nWR": 15, "nRTP": (7.5, 4), "nCCD_S": (0, 4), "nCCD_L": (5, 5),
        "nCWL": (0, 12),
    },
    "DDR4-3200": {
        "nCL": 13.75, "nRCD": 13.75, "nRP": 13.75, "nRPab": 13.75, "nRAS": 32, "nRRD_S": (2.5, 4), "nRRD_L": (4.9, 4), "nFAW": (21, 20),
        "nWTR_S": (2.5, 2), "nWTR_L": (7.5, 4), "nWR": 15, "nRTP": (7.5, 4), "nCCD_S": (0, 4), "nCCD_L": (5, 5),
        "nCWL": (0, 16),
    },
    "LPDDR4-3200": {
        "nCL": (0, 28), "nRCD": (18, 4), "nRP": (18, 4), "nRPab": (21, 4), "nRAS": (42, 3), "nRRD_S": (10, 4), "nRRD_L": (10, 4),
        "nFAW": 40, "nWTR_S": (10, 8), "nWTR_L": (10, 8), "nWR": (18, 6), "nRTP": (7.5, 8), "nCCD_S": (0, 8),
        "nCCD_L": (0, 8), "nCWL": (0, 14),
    },
}  # fmt: skip
# Clocks that a standard adds: LPDDR4 one behind a write's data, and tDQSCK before a read's.
ADDED = {"LPDDR4-3200": {"nWTR_S": 1, "nWTR_L": 1, "nWR": 1, "nRTW": 6}}


@pytest.mark.parametrize("name", TIMES)
def test_clocks_are_the_published_times_rounded_up(name):
    """Two transfers a clock: 32 ns at 2400 MT/s are 38.4 clocks, hence 39."""
    standard, mega_transfers, added = STANDARDS[name], int(name.partition("-")[2]), ADDED.get(name, {})
    assert standard.tCK_ps == 2_000_000 // mega_transfers
    clocks = {}
    for number, time in TIMES[name].items():
        nanoseconds, least = time if isinstance(time, tuple) else (time, 0)
        clocks[number] = max(math.ceil(nanoseconds * mega_transfers / 2000), least) + added.get(number, 0)
    assert {number: getattr(standard, number) for number in clocks} == clocks
    assert standard.nRC == standard.nRAS + standard.nRP
    assert standard.nRTW == standard.nCL + standard.nBL + 2 - standard.nCWL + added.get("nRTW", 0)
    refresh_ns = 3904 if name == "LPDDR4-3200" else 7800
    assert standard.nREFI == refresh_ns * mega_transfers // 2000


def test_hbm2_has_the_clocks_of_its_source():
    """Ramulator 2.1 at 2 Gb/s, where a clock is 1 ns; JEDEC leaves most of them to the vendor."""
    clocks = {
        "tCK_ps": 1000, "nCL": 14, "nCWL": 5, "nRCD": 14, "nRP": 14, "nRPab": 14, "nRAS": 34, "nRC": 48, "nCCD_S": 2, "nCCD_L": 4,
        "nRRD_S": 4, "nRRD_L": 4, "nFAW": 15, "nWTR_S": 6, "nWTR_L": 8, "nWR": 16, "nRTP": 5, "nREFI": 3900,
        "nRTW": 14 + 2 + 2 - 5,
    }  # fmt: skip
    assert {number: getattr(STANDARDS["HBM2"], number) for number in clocks} == clocks


def test_the_reference_device():
    standard = STANDARDS["DDR4-2400"]
    assert standard.capacity_bytes == 8 << 30
    assert standard.columns // standard.burst_length == 128


def test_an_override_replaces_one_number():
    changed = standard_named("DDR4-2400").override({"nRCD": 20})
    assert (changed.nRCD, changed.nRP) == (20, 17)


def test_errors_name_the_nearest():
    with pytest.raises(InputError, match=re.escape("unknown DRAM standard 'DDR4-2401': did you mean 'DDR4-2400'?")):
        standard_named("DDR4-2401")
    with pytest.raises(InputError, match=re.escape("DDR4-2400 has no number 'nCCD': did you mean 'nCCD_S'?")):
        standard_named("DDR4-2400").override({"nCCD": 5})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rows": 100}, "rows = 100, must be a power of two"),
        ({"banks_per_group": 8}, "32 banks, at most 16"),
        ({"nRP": -1}, "nRP = -1, must lie between 0 and 65535"),
        ({"nRFC": 65536}, "nRFC = 65536, must lie between 0 and 65535"),
        ({"columns": 4}, "columns = 4, must hold a burst of 8"),
        ({"channel_bits": 12}, "channel_bits must be a multiple of 8"),
        ({"nREFI": 400}, "nREFI = 400 leaves no time between refreshes"),
    ],
)
def test_numbers_that_make_no_sense(change, text):
    with pytest.raises(InputError, match=re.escape(text)):
        standard_named("DDR4-2400").override(change)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"standard": "DDR5"}, "unknown DRAM standard 'DDR5'"),
        ({"override": {"nRCDD": 1}}, "did you mean 'nRCD'?"),
        ({"address_map": "RowBankCol"}, "unknown address map 'RowBankCol'"),
        ({"interleave_bytes": 100}, "interleave_bytes must be a multiple of the burst, 64 bytes"),
        ({"drain_stop": 26}, "drain_stop < drain_start <= write_buffer must hold"),
        ({"write_buffer": 16}, "drain_stop < drain_start <= write_buffer must hold"),
        ({"read_queue": 65}, "less than or equal to 64"),
        ({"schedular": "row_hit"}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_make_no_sense(settings, text):
    with pytest.raises(ValidationError, match=re.escape(text)):
        BankedDramSpec.model_validate(settings)


@pytest.mark.parametrize("name", sorted(STANDARDS))
def test_machines_plan_with_the_peak_of_every_standard(name):
    dram = DramSpec.model_validate({"kind": "banked", "standard": name, "channels": 2})
    peak = peak_bytes_per_cycle(dram, 1_000_000_000)
    assert dram.planned_gbs == pytest.approx(float(peak), rel=1e-3)
