"""What broadcast activations cost: entry by entry of the list, every PE with all of its filters."""

from __future__ import annotations

import numpy as np

from dataflows.described.queues import FRONT_CYCLES, play_items
from dataflows.described.steps import StepRule
from dataflows.kernels.compiled import kernel


@kernel
def broadcast_outputs(
    sent: np.ndarray,
    team: np.ndarray,
    times: np.ndarray,
    weights: np.ndarray,
    costs: np.ndarray,
    busy: np.ndarray,
    there: np.ndarray,
    rule: StepRule,
    did: np.ndarray,
    outputs: np.ndarray,
) -> None:
    """Add to did (teams, 1, PEs, DID) what some positions take.

    sent     uint8 (positions, entries): which entries of their lists are sent
    team, times  int64 (positions,): as in `TeamBlocks`
    weights, costs, busy  int64 (entries, PEs): stored weights that an entry meets, its cycles, and those that are busy
    there    bool (PEs,): whether a PE has a filter
    outputs  int64 (positions, 1, 1 + PEs): as in `walk_outputs`
    """
    entries, pes = costs.shape
    own, worked, met = np.zeros(pes, np.int64), np.zeros(pes, np.int64), np.zeros(pes, np.int64)
    shown, order = np.zeros(pes, np.int64), np.zeros(entries, np.int64)
    queued = rule.queue > 0
    items = np.zeros((entries if queued else 1, pes), np.int64)
    state = np.zeros((2 + max(rule.queue, 1), pes), np.int64)
    for x in range(team.size):
        begun = _list_sent(sent[x], order)
        own[:], worked[:], met[:], shown[:] = 0, 0, 0, 0
        together = np.int64(0)
        for i in range(begun):
            e = order[i]
            slowest = np.int64(0)
            for u in range(pes):
                own[u] += costs[e, u]
                worked[u] += busy[e, u]
                met[u] += weights[e, u]
                slowest = max(slowest, costs[e, u])
            together += slowest
            if queued:
                items[i] = costs[e]
        started = 0
        if queued and begun > 0:
            together = np.int64(play_items(items, begun, rule.queue, shown, state))
            started = FRONT_CYCLES
        elif rule.filters_meet == 1:
            together = own.max()
        if rule.recorded:
            outputs[x, 0, 0] = begun
            outputs[x, 0, 1:] = own
        for u in range(pes):
            at = did[team[x], 0, u]
            lasts = own[u] if rule.filters_meet == 2 or rule.recorded else together
            if there[u]:
                at[0] += worked[u] * times[x]
                at[1] += (own[u] - worked[u]) * times[x]
                at[2] += (lasts - own[u] - shown[u] - started) * times[x]
                at[3] += shown[u] * times[x]
                at[4] += started * times[x]
                at[6] += met[u] * times[x]
            else:
                at[5] += lasts * times[x]


@kernel
def _list_sent(sent: np.ndarray, order: np.ndarray) -> int:
    """List the entries that are sent, and return how many."""
    begun = 0
    for e in range(sent.size):  # no branch, which nobody could foresee
        order[begun] = e
        begun += sent[e]
    return begun
