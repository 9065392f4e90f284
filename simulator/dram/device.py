"""The DRAM device as kernels: when its timing allows a command, and what a command changes.

`limits` is a LIMITS struct and `channel` a CHANNEL struct. The gaps between commands have JEDEC's meaning (JESD79-4);
those of a bank are kept with the bank, those of a bank group with the group, and the rest with the channel (one rank).
"""

from __future__ import annotations

from typing import Any

from dataflows.kernels.compiled import kernel
from simulator.dram.layout import NONE, READ, WRITE, as_index


@kernel(forceinline=True)
def column_ready(channel: Any, bank: int, direction: int) -> int:
    """Earliest clock of a column command of the open row."""
    shared = max(channel.group_column_ready[direction, bank], channel.rank_column_ready[direction])
    return max(channel.column_ready[bank], shared)


@kernel(forceinline=True)
def column(limits: Any, channel: Any, clock: int, bank: int, direction: int) -> None:
    """Read or write one burst of the open row."""
    rank = channel.rank_column_ready
    channel.columns += 1
    # Limits only ever grow: a command may ask for less than an older one does, and then changes nothing.
    rank[direction] = max(rank[direction], clock + limits.column_to_column_short)
    # Turning the bus round: a write after a read waits for the read's data, a read after a write until the write's data
    # are in the rank.
    # On DDR4-2400 a read at clock 100 keeps writes off until 111, a write at 100 keeps reads of other bank groups off
    # until 119.
    if direction == READ:
        rank[WRITE] = max(rank[WRITE], clock + limits.read_to_write)
        precharge_clock = clock + limits.read_to_precharge
    else:
        rank[READ] = max(rank[READ], clock + limits.write_to_read_short)
        precharge_clock = clock + limits.write_to_precharge
    # A group's limits are kept with each of its banks, so that a choice reads one vector. Its banks are numbered in a
    # row and are a power of two: of groups of 4, bank 6 is in banks 4 to 7, as 6 & -4 = 4.
    group = channel.group_column_ready
    first = as_index(bank & -limits.banks_per_group)
    for other in range(first, first + limits.banks_per_group):
        group[direction, other] = max(group[direction, other], clock + limits.column_to_column_long)
        if direction == WRITE:
            group[READ, other] = max(group[READ, other], clock + limits.write_to_read_long)
    channel.precharge_ready[bank] = max(channel.precharge_ready[bank], precharge_clock)
    # One command closes all banks, so it waits for the last of them.
    channel.precharge_all_ready = max(channel.precharge_all_ready, precharge_clock)


@kernel(forceinline=True)
def activate(limits: Any, channel: Any, clock: int, bank: int, row: int) -> None:
    """Open a row of a closed bank."""
    channel.activates += 1
    if channel.open_banks == 0:
        channel.opened = clock
    channel.open_banks += 1
    channel.open_row[bank] = row
    channel.column_ready[bank] = clock + limits.activate_to_column
    channel.precharge_ready[bank] = clock + limits.activate_to_precharge
    channel.activate_ready[bank] = clock + limits.activate_to_activate
    first = as_index(bank & -limits.banks_per_group)
    for other in range(first, first + limits.banks_per_group):
        channel.group_activate_ready[other] = clock + limits.activate_to_activate_long
    # A ring of four: with this activate stored, `oldest` points at the one three before it. The next activate is the
    # fifth and must lie a whole window after that one.
    # On DDR4-2400 activates at 0, 4, 8 and 12 leave the fifth waiting until 26, where the gap of 4 alone would let it
    # issue at 16.
    channel.last_activates[channel.oldest_activate] = clock
    channel.oldest_activate = (channel.oldest_activate + 1) & 3
    window_clock = channel.last_activates[channel.oldest_activate] + limits.activate_window
    rank_clock = max(window_clock, clock + limits.activate_to_activate_short)
    channel.rank_activate_ready = max(channel.rank_activate_ready, rank_clock)
    channel.precharge_all_ready = max(channel.precharge_all_ready, clock + limits.activate_to_precharge)
    channel.refresh_ready = max(channel.refresh_ready, clock + limits.activate_to_activate)


@kernel(forceinline=True)
def precharge(limits: Any, channel: Any, clock: int, bank: int) -> None:
    """Close an open bank."""
    channel.precharges += 1
    channel.open_banks -= 1
    if channel.open_banks == 0:
        channel.open_clocks += clock - channel.opened
    channel.open_row[bank] = NONE
    ready = clock + limits.precharge_to_activate
    channel.activate_ready[bank] = max(channel.activate_ready[bank], ready)
    channel.refresh_ready = max(channel.refresh_ready, ready)


@kernel
def precharge_all(limits: Any, channel: Any, clock: int) -> None:
    """Close all banks with one command."""
    channel.precharges += 1
    channel.open_banks = 0
    channel.open_clocks += clock - channel.opened
    for bank in range(limits.banks):
        channel.open_row[bank] = NONE
    # All banks close at once, so that one limit of the rank stands for those of its banks.
    ready = clock + limits.precharge_all_to_activate
    channel.rank_activate_ready = max(channel.rank_activate_ready, ready)
    channel.refresh_ready = max(channel.refresh_ready, ready)


@kernel
def refresh(limits: Any, channel: Any, clock: int) -> None:
    """Refresh all banks, which are closed."""
    channel.refreshes += 1
    channel.refresh_due -= 1
    # A refresh takes the whole rank: neither an activate nor the next refresh may come before its end.
    ready = clock + limits.refresh_to_activate
    channel.rank_activate_ready = max(channel.rank_activate_ready, ready)
    channel.refresh_ready = max(channel.refresh_ready, ready)
