"""What queued requests could issue next, as kernels: kept per bank, so that a choice is one pass over the banks.

`limits` is a LIMITS struct and `channel` a CHANNEL struct. See `controller` for the rules.
"""

from __future__ import annotations

from typing import Any

from dataflows.kernels.compiled import kernel
from simulator.dram.layout import (
    ACTIVATE,
    AGE_SHIFT,
    COLUMN,
    FAR,
    MAX_BANKS,
    MAX_SLOTS,
    NEVER,
    NO_CANDIDATE,
    NONE,
    PRECHARGE,
    as_index,
)

# A candidate as one integer, so that the best one is the least: clocks to wait, then age, then command and bank. The
# key is all but the wait, which depends on the clock. Without a request the age is NEVER, which fills its bits and the
# wait's, so that no wait makes such a key less than NO_CANDIDATE.
#
#   bits 45 and up: clocks to wait | 6 to 44: age | 4 and 5: command | 0 to 3: bank
#
# Example: the hit that bank 5 accepted at clock 1000 has the key 1000 << 6 | COLUMN << 4 | 5 = 64,005. At clock 1200,
# if its column may issue at 1203, it competes as 3 << 45 | 64,005, and loses to any command that is ready now.
_WAIT_SHIFT = 45
_PLACE_MASK = (1 << AGE_SHIFT) - 1


@kernel(forceinline=True)
def list_end(direction: int, bank: int) -> int:
    """The slot before the first and behind the last request of a list; no request is ever in it."""
    return as_index(MAX_SLOTS + direction * MAX_BANKS + bank)


@kernel(forceinline=True)
def reconsider(limits: Any, channel: Any, bank: int) -> None:
    """Find a bank's candidates anew, after its state or its requests in the direction being served have changed.

    It chooses between ages instead of branching: which case a bank is in cannot be foretold.
    """
    mode, keys = channel.mode, channel.candidate_key
    closed = channel.open_row[bank] == NONE
    # Where a list is empty, hit or miss is the list's end, whose age is NEVER: no case is needed for it.
    hit_age = channel.accepted[channel.hit[mode, bank]]
    miss_age = channel.accepted[channel.miss[mode, bank]]
    # Rule c: a row stays open for its owner and, under `row_hit_first`, for a hit that is older than the oldest miss.
    stays_open = channel.owner[bank] != NONE or (limits.row_hit_first and hit_age < miss_age)
    # Of the three commands a closed bank can only activate, for the oldest request of all; an open one serves hits or
    # closes.
    column_age = NEVER if closed else hit_age
    precharge_age = NEVER if closed or stays_open else miss_age
    activate_age = channel.accepted[channel.next[list_end(mode, bank)]] if closed else NEVER
    keys[COLUMN, bank] = column_age << AGE_SHIFT | COLUMN * MAX_BANKS | bank
    keys[PRECHARGE, bank] = precharge_age << AGE_SHIFT | PRECHARGE * MAX_BANKS | bank
    keys[ACTIVATE, bank] = activate_age << AGE_SHIFT | ACTIVATE * MAX_BANKS | bank


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
    mode, keys = channel.mode, channel.candidate_key
    # What the whole rank allows is folded into the clock once, not once for each bank.
    column_start = max(channel.rank_column_ready[mode], clock)
    activate_start = max(channel.rank_activate_ready, clock)
    best = NO_CANDIDATE
    # Banks that the device does not have keep the NO_CANDIDATE of `fresh_state` and never win.
    for bank in range(MAX_BANKS):
        # The wait is never negative, since each of the three clocks is at least `clock`; so it fits above the age.
        column_clock = max(channel.column_ready[bank], channel.group_column_ready[mode, bank], column_start)
        activate_clock = max(channel.activate_ready[bank], channel.group_activate_ready[bank], activate_start)
        precharge_clock = max(channel.precharge_ready[bank], clock)
        column_key = (column_clock - clock) << _WAIT_SHIFT | keys[COLUMN, bank]
        activate_key = (activate_clock - clock) << _WAIT_SHIFT | keys[ACTIVATE, bank]
        precharge_key = (precharge_clock - clock) << _WAIT_SHIFT | keys[PRECHARGE, bank]
        best = min(best, column_key, activate_key, precharge_key)
    # Place is command times MAX_BANKS plus bank: the 5 bank bits up to 21 = 1 x 16 + 5 are precharge of bank 5.
    wait, place = best >> _WAIT_SHIFT, best & _PLACE_MASK
    return (FAR if best == NO_CANDIDATE else clock + wait), place // MAX_BANKS, place % MAX_BANKS
