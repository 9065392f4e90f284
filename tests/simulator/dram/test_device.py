"""Every gap of the device at its exact clock: legal then, and not a clock sooner."""

import pytest

from simulator.dram import device
from simulator.dram.layout import READ, WRITE, fresh_state
from simulator.dram.spec import BankedDramSpec
from simulator.dram.standards import STANDARDS


class Probe:
    """A device to which a test gives commands, whatever the controller would think of them."""

    def __init__(self, standard):
        self.spec = BankedDramSpec(standard=standard)
        self.state = fresh_state(self.spec.limits(1), channels=1, refresh=True)
        self.limits, self.channel = self.state.limits[0], self.state.channels[0]

    def issue(self, clock, command, bank=0):
        if command == "ACT":
            device.activate(self.limits, self.channel, clock, bank, 7)
        elif command == "PRE":
            device.precharge(self.limits, self.channel, clock, bank)
        elif command == "PREA":
            device.precharge_all(self.limits, self.channel, clock)
        elif command == "REF":
            device.refresh(self.limits, self.channel, clock)
        else:
            device.column(self.limits, self.channel, clock, bank, READ if command == "RD" else WRITE)

    def earliest(self, command, bank=0):
        if command == "ACT":
            own = (self.channel["activate_ready"], self.channel["group_activate_ready"])
            return max(own[0][bank], own[1][bank], self.channel["rank_activate_ready"])
        if command == "PRE":
            return self.channel["precharge_ready"][bank]
        if command == "PREA":
            return self.channel["precharge_all_ready"]
        if command == "REF":
            return self.channel["refresh_ready"]
        return device.column_ready(self.channel, bank, READ if command == "RD" else WRITE)


SAME, GROUP, OTHER = "same bank", "same group", "other group"


def bank_at(place, standard):
    """A bank that stands so to bank 0; None where the standard has none."""
    other = standard.banks_per_group if standard.bank_groups > 1 else None
    return {SAME: 0, GROUP: 1, OTHER: other}[place]


def written(d):
    return d.nCWL + d.nBL


GAPS = [
    ("ACT", "RD", SAME, lambda d: d.nRCD),
    ("ACT", "WR", SAME, lambda d: d.nRCD),
    ("ACT", "PRE", SAME, lambda d: d.nRAS),
    ("ACT", "PREA", SAME, lambda d: d.nRAS),
    ("ACT", "ACT", SAME, lambda d: d.nRC),
    ("ACT", "REF", SAME, lambda d: d.nRC),
    ("ACT", "ACT", GROUP, lambda d: d.nRRD_L),
    ("ACT", "ACT", OTHER, lambda d: d.nRRD_S),
    ("PRE", "ACT", SAME, lambda d: d.nRP),
    ("PRE", "REF", SAME, lambda d: d.nRP),
    ("PREA", "ACT", OTHER, lambda d: d.nRPab),
    ("PREA", "REF", SAME, lambda d: d.nRPab),
    ("REF", "ACT", OTHER, lambda d: d.nRFC),
    ("RD", "RD", SAME, lambda d: d.nCCD_L),
    ("RD", "RD", GROUP, lambda d: d.nCCD_L),
    ("RD", "RD", OTHER, lambda d: d.nCCD_S),
    ("WR", "WR", GROUP, lambda d: d.nCCD_L),
    ("WR", "WR", OTHER, lambda d: d.nCCD_S),
    ("RD", "WR", SAME, lambda d: d.nRTW),
    ("RD", "WR", OTHER, lambda d: d.nRTW),
    ("WR", "RD", GROUP, lambda d: written(d) + d.nWTR_L),
    ("WR", "RD", OTHER, lambda d: written(d) + d.nWTR_S),
    ("RD", "PRE", SAME, lambda d: d.nRTP),
    ("RD", "PREA", SAME, lambda d: d.nRTP),
    ("WR", "PRE", SAME, lambda d: written(d) + d.nWR),
    ("WR", "PREA", SAME, lambda d: written(d) + d.nWR),
]


CASES = [(name, *gap) for name, own in STANDARDS.items() for gap in GAPS if bank_at(gap[2], own) is not None]


@pytest.mark.parametrize(("standard", "earlier", "later", "place", "gap"), CASES, ids=["-".join(c[:4]) for c in CASES])
def test_gap(standard, earlier, later, place, gap):
    probe = Probe(standard)
    probe.issue(1000, earlier)
    assert probe.earliest(later, bank_at(place, probe.spec.device)) == 1000 + gap(probe.spec.device)


@pytest.mark.parametrize("standard", STANDARDS)
def test_four_activates_in_a_window(standard):
    probe = Probe(standard)
    own = probe.spec.device
    step = max(own.nRRD_S, own.nRRD_L)
    last = bank_at(OTHER, own) or 4
    for number in range(4):
        probe.issue(1000 + number * step, "ACT", number)
    assert probe.earliest("ACT", last) == max(1000 + own.nFAW, 1000 + 3 * step + own.nRRD_S)
    probe.issue(1000 + own.nFAW + 50, "ACT", last)
    assert probe.earliest("ACT", last + 1) >= 1000 + step + own.nFAW


def test_an_early_gap_does_not_shorten_a_late_one():
    probe = Probe("DDR4-2400")
    probe.issue(1000, "WR")
    probe.issue(1001, "RD", 4)
    assert probe.earliest("RD", 0) == 1000 + 12 + 4 + 9
    assert probe.earliest("WR", 0) == 1001 + 11
