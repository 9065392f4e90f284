"""What queued requests could issue next, as kernels: kept per bank, so that a choice is one pass over the banks.

`limits` is a LIMITS struct and `channel` a CHANNEL struct. See `controller` for the rules.
"""

from __future__ import annotations

from typing import Any

from dataflows.kernel import kernel
from simulator.dram.layout import ACTIVATE, COLUMN, FAR, MAX_BANKS, NONE, PRECHARGE

# A candidate as one integer, so that the best one is the least: clocks to wait, then age, then command and bank.
# A wait of _NEVER stands for no candidate; a legal one is far shorter.
_NEVER = (1 << 18) - 1
_WAIT_SHIFT, _AGE_SHIFT = 45, 6
_PLACE_MASK = (1 << _AGE_SHIFT) - 1


@kernel(forceinline=True)
def reconsider(limits: Any, channel: Any, bank: int) -> None:
    """Find a bank's candidates anew, after its state or its requests in the direction being served have changed."""
    clocks, keys = channel.candidate_clock, channel.candidate_key
    clocks[COLUMN, bank] = clocks[PRECHARGE, bank] = clocks[ACTIVATE, bank] = FAR
    first = channel.first[channel.mode, bank]
    if first == NONE:
        return
    if channel.open_row[bank] == NONE:
        clocks[ACTIVATE, bank] = channel.activate_ready[bank]
        keys[ACTIVATE, bank] = channel.accepted[first] << _AGE_SHIFT | ACTIVATE * MAX_BANKS | bank
        return
    hit, miss = channel.hit[channel.mode, bank], channel.miss[channel.mode, bank]
    if hit != NONE:
        clocks[COLUMN, bank] = channel.column_ready[bank]
        keys[COLUMN, bank] = channel.accepted[hit] << _AGE_SHIFT | COLUMN * MAX_BANKS | bank
    if miss != NONE and channel.owner[bank] == NONE:
        hit_is_older = hit != NONE and channel.accepted[hit] < channel.accepted[miss]
        if not (limits.row_hit_first and hit_is_older):
            clocks[PRECHARGE, bank] = channel.precharge_ready[bank]
            keys[PRECHARGE, bank] = channel.accepted[miss] << _AGE_SHIFT | PRECHARGE * MAX_BANKS | bank


@kernel
def reconsider_all(limits: Any, channel: Any) -> None:
    """Find all candidates anew."""
    for bank in range(limits.banks):
        reconsider(limits, channel, bank)


@kernel(forceinline=True)
def best_candidate(channel: Any, clock: int) -> tuple[int, int, int]:
    """(clock, command, bank) of the command that is ready first, the oldest among equals; FAR if there is none.

    Every loop is a plain minimum over all banks, which the compiler turns into vector instructions.
    """
    mode = channel.mode
    rank_column, rank_activate = channel.rank_column_ready[mode], channel.rank_activate_ready
    clocks, keys = channel.candidate_clock, channel.candidate_key
    best = _NEVER << _WAIT_SHIFT
    for bank in range(MAX_BANKS):
        column_clock = max(clocks[COLUMN, bank], channel.group_column_ready[mode, bank], rank_column)
        activate_clock = max(clocks[ACTIVATE, bank], channel.group_activate_ready[bank], rank_activate)
        column_wait = min(max(column_clock - clock, 0), _NEVER)
        activate_wait = min(max(activate_clock - clock, 0), _NEVER)
        precharge_wait = min(max(clocks[PRECHARGE, bank] - clock, 0), _NEVER)
        column_key = column_wait << _WAIT_SHIFT | keys[COLUMN, bank]
        activate_key = activate_wait << _WAIT_SHIFT | keys[ACTIVATE, bank]
        precharge_key = precharge_wait << _WAIT_SHIFT | keys[PRECHARGE, bank]
        best = min(best, column_key, activate_key, precharge_key)
    wait, place = best >> _WAIT_SHIFT, best & _PLACE_MASK
    return (FAR if wait == _NEVER else clock + wait), place // MAX_BANKS, place % MAX_BANKS
