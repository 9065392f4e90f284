"""Address maps bit by bit, and channels burst by burst."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dram.address_map import ADDRESS_MAPS, AddressMap
from simulator.dram.channels import DramChannels
from simulator.dram.spec import BankedDramSpec
from simulator.dram.standards import STANDARDS
from workloads.errors import InputError


def test_the_default_map_has_the_columns_lowest():
    places = AddressMap.named("RoBaBgCo", STANDARDS["DDR4-2400"])
    assert (places.column_shift, places.group_shift, places.bank_shift, places.row_shift) == (0, 7, 9, 11)
    assert (places.column_mask, places.group_mask, places.bank_mask, places.row_mask) == (127, 3, 3, 65535)


def test_a_map_with_the_bank_groups_lowest():
    places = AddressMap.named("RoBaCoBg", STANDARDS["DDR4-2400"])
    assert (places.group_shift, places.column_shift, places.bank_shift, places.row_shift) == (0, 2, 9, 11)


@pytest.mark.parametrize("standard", STANDARDS.values(), ids=list(STANDARDS))
@pytest.mark.parametrize("name", ADDRESS_MAPS)
def test_every_map_uses_every_bit_once(name, standard):
    places = AddressMap.named(name, standard)
    fields = ("group", "bank", "row", "column")
    bits = [getattr(places, f"{field}_mask") << getattr(places, f"{field}_shift") for field in fields]
    assert sum(bits) == bits[0] | bits[1] | bits[2] | bits[3] == standard.capacity_bytes // standard.burst_bytes - 1


def test_an_unknown_map_names_the_nearest():
    with pytest.raises(InputError, match=r"unknown address map 'RoBaBgCh': did you mean 'RoBaBgCo'\?"):
        AddressMap.named("RoBaBgCh", STANDARDS["DDR4-2400"])


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 3000)), min_size=1, max_size=5),
    st.integers(1, 4),
    st.sampled_from([64, 192, 256]),
)
def test_runs_are_cut_by_channel_as_single_bursts_would_be(runs, channels, interleave):
    spec = BankedDramSpec(channels=channels, interleave_bytes=interleave, refresh=False)
    dram = DramChannels(spec, ["all"])
    address, size = (np.array(column) for column in zip(*runs, strict=True))
    dram.submit("all", address, size, write=False, cycle=0, tag="all")
    state = dram._state
    for channel in range(channels):
        offered = []
        for segment in state.segments[channel, 0, : state.channels[channel]["tail"][0]]:
            offered += range(segment["line"], segment["line"] + segment["lines"])
        expected = []
        for start, length in runs:
            for line in range(start // 64, (start + length - 1) // 64 + 1):
                turn, within = divmod(line * 64, interleave)
                if turn % channels == channel:
                    expected.append((turn // channels * interleave + within) // 64)
        assert offered == expected
