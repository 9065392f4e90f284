"""The power table: our prices on DRAMsim3's counts, and our memory's power beside DRAMsim3's."""

import csv
from dataclasses import replace

import pytest

from simulator.validation.dram_agreement import reference_counts
from simulator.validation.dram_power_agreement import POWER, PowerRow, format_power, power_rows


@pytest.fixture(scope="module")
def rows():
    return power_rows()


def reference_rows():
    with POWER.open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def test_the_counts_are_those_of_the_agreement_table():
    """Whoever counted this power has DRAMsim3's cycles and activates, on every case."""
    measured = {case: theirs for case, (_, theirs) in reference_counts("row_hit").items()}
    counted = {
        (row["trace"], row["map"], row["refresh"]): (int(row["cycles"]), int(row["act"])) for row in reference_rows()
    }
    assert counted == measured
    assert len(counted) == 40


def test_open_and_closed_clocks_are_the_cycles():
    for row in reference_rows():
        assert int(row["active"]) + int(row["idle"]) == int(row["cycles"])


@pytest.mark.parametrize(
    "case", [("a_seq_read", "M1", "noref"), ("g_random_write", "M2", "ref"), ("e_mix_R1W1", "M1", "ref")]
)
def test_their_power_by_hand(case):
    """V x mA x clocks x devices over clocks, from the counts: 1.2 V, eight devices, and the currents of the file."""
    row = next(row for row in reference_rows() if (row["trace"], row["map"], row["refresh"]) == case)
    count = {name: int(row[name]) for name in ("cycles", "reads", "writes", "act", "refcmd", "active", "idle")}
    milliampere_clocks = (
        count["act"] * (48 * 56 - 43 * 39 - 34 * 17)
        + count["reads"] * (135 - 43) * 4
        + count["writes"] * (123 - 43) * 4
        + count["refcmd"] * (250 - 43) * 420
        + count["active"] * 43
        + count["idle"] * 34
    )
    assert 1.2 * 8 * milliampere_clocks / count["cycles"] == pytest.approx(float(row["power_mw"]), abs=0.001)


def test_our_prices_give_their_power(rows):
    """Away by less than 0.833 / 0.83, the clock of the runs over that of the part's energies."""
    assert len(rows) == 40
    assert all(-0.0036 < row.price_distance < 0 for row in rows)


def test_our_power_is_near_theirs(rows):
    distances = sorted(row.distance for row in rows)
    assert distances[0] == pytest.approx(-0.050, abs=0.001)
    assert distances[-1] == pytest.approx(0.011, abs=0.001)
    assert all(row.agrees for row in rows)


def test_what_does_not_agree(rows):
    assert not replace(rows[0], ours_mw=rows[0].dramsim3_mw * 1.061).agrees
    assert not replace(rows[0], priced_mw=rows[0].dramsim3_mw * 1.0041).agrees


def test_the_table_as_text():
    lines = format_power([PowerRow("a", "M1", "ref", 1100.0, 1000.0, 999.0)]).splitlines()
    assert lines[2] == "pattern          map refresh    ours DRAMsim3   away  priced   away"
    assert lines[3] == "a                M1  ref      1100.0   1000.0 +10.0%   999.0 -0.10%"
    assert lines[4] == (
        "power is +10.0% to +10.0% away from DRAMsim3's, 10.0% in the median; prices alone at most 0.10%"
    )
