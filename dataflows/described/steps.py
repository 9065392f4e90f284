"""What the steps of teams cost: candidates counted word by word, all filter PEs side by side.

One kernel covers every description that is no broadcast. It knows no operand: what is not skipped is a bit everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataflows.described.queues import FRONT_CYCLES, play_items
from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import Lanes, bit_counts, largest, largest_word, load, shift_right, spread, store
from dataflows.schedule import Cause

DID_CAUSES = (Cause.BUSY, Cause.INDEX, Cause.IMBALANCE, Cause.PORT, Cause.FILL, Cause.UNMAPPED)
"""What the last axis of the results holds, and behind it products."""
DID = len(DID_CAUSES) + 1
BUSY, INDEX, IMBALANCE, PORT, FILL, UNMAPPED, ISSUED = range(DID)
STEP, OUTPUT, TILE = range(3)


class StepRule(NamedTuple):
    """How steps are counted and where PEs meet.

    factor, shift  (n + lanes - 1) * factor >> shift is ceil(n / lanes) for every count n of a window
    lanes          of C
    list_pes       PEs that windows are dealt to
    filters_meet, list_meet   `STEP`, `OUTPUT` or `TILE`
    queue          places of a queue of steps; 0: none
    recorded       whether the costs of outputs are kept, and waits left to `play_outputs`
    """

    factor: int
    shift: int
    lanes: int
    list_pes: int
    filters_meet: int
    list_meet: int
    queue: int
    recorded: bool


class HeldFilters(NamedTuple):
    """The filters of some rounds as `walk_outputs` takes them.

    words   uint32 (rounds, windows, slots, lanes of K, vectors, words, LANES): bits of what is stored
    least   uint32 (rounds, slots, vectors, LANES): least cycles of a step; 0 where there is no filter
    there   bool (rounds, filter PEs): whether a PE has a filter
    """

    words: np.ndarray
    least: np.ndarray
    there: np.ndarray


class TeamBlocks(NamedTuple):
    """Blocks of positions, those of a team side by side.

    rows    int64 (blocks, lanes of P Q): rows of the inputs, -1 behind the last
    team    int64 (blocks,): ascending
    times   int64 (blocks,): how many blocks there are that are just like it
    shares  PEs that share the rounds of a block
    """

    rows: np.ndarray
    team: np.ndarray
    times: np.ndarray
    shares: int


class _Sums(NamedTuple):
    """Of a round: products, busy and own cycles, uint32 (list PEs, vectors, LANES); and where PEs of a filter wait.

    output   own cycles of an output, like the others
    longest  uint32 (vectors, LANES): what PEs of one filter take together
    slowest  likewise, of one step or output
    taken    int64 (1,): what all take together
    """

    met: np.ndarray
    busy: np.ndarray
    own: np.ndarray
    output: np.ndarray
    longest: np.ndarray
    slowest: np.ndarray
    taken: np.ndarray


class _Items(NamedTuple):
    """The queue of an output's steps: costs int64 (steps, PEs), look-ups that show int64 (PEs,), room for its state."""

    costs: np.ndarray
    shown: np.ndarray
    state: np.ndarray


@kernel
def walk_outputs(
    inputs: np.ndarray,
    present: np.ndarray,
    blocks: TeamBlocks,
    filters: HeldFilters,
    rule: StepRule,
    did: np.ndarray,
    outputs: np.ndarray,
) -> None:
    """Add to did (teams * shares, list PEs, filter PEs, DID) what the rounds take for some blocks.

    inputs   uint32 (rows, windows, words);  present  bool (rows, windows): whether the window is a step
    outputs  int64 (blocks, rounds, 1 + list PEs * filter PEs): by output whether it has a step, and its costs, where
             they are recorded
    """
    rounds, windows, _, _, vectors, _, lanes = filters.words.shape
    list_pes, pes = rule.list_pes, filters.there.shape[1]
    sums = _Sums(
        np.zeros((list_pes, vectors, lanes), np.uint32),
        np.zeros((list_pes, vectors, lanes), np.uint32),
        np.zeros((list_pes, vectors, lanes), np.uint32),
        np.zeros((list_pes, vectors, lanes), np.uint32),
        np.zeros((vectors, lanes), np.uint32),
        np.zeros((vectors, lanes), np.uint32),
        np.zeros(1, np.int64),
    )
    steps = (windows + list_pes - 1) // list_pes
    queued = rule.queue > 0
    items = _Items(
        np.zeros((steps if queued else 1, list_pes * vectors * lanes), np.int64),
        np.zeros(list_pes * vectors * lanes, np.int64),
        np.zeros((2 + max(rule.queue, 1), list_pes * vectors * lanes), np.int64),
    )
    first = 0
    while first < blocks.team.size:
        end = first
        while end < blocks.team.size and blocks.team[end] == blocks.team[first]:
            end += 1
        for j in range(rounds):
            into = did[blocks.team[first] * blocks.shares + j % blocks.shares]
            for b in range(first, end):
                begun = _walk_output(inputs, present, blocks.rows[b], filters, j, rule, sums, items)
                if queued and begun > 0:
                    sums.taken[0] += play_items(items.costs, begun, rule.queue, items.shown, items.state)
                if rule.recorded:
                    outputs[b, j, 0] = begun
                    for at in range(list_pes * pes):
                        outputs[b, j, 1 + at] = sums.output[at // pes, at % pes // lanes, at % pes % lanes]
                # Counts of many blocks are added with their number, those of single ones together.
                if blocks.times[b] != 1 or b + 1 == end or blocks.times[b + 1] != 1 or queued:
                    started = FRONT_CYCLES if queued and begun > 0 else 0
                    _add_round(sums, items.shown, filters.there[j], windows, rule, blocks.times[b], started, into)
        first = end


@kernel
def _walk_output(
    inputs: np.ndarray,
    present: np.ndarray,
    rows: np.ndarray,
    filters: HeldFilters,
    j: int,
    rule: StepRule,
    sums: _Sums,
    items: _Items,
) -> int:
    """Add what round j takes for a block, and return how many steps there are."""
    windows, vectors = filters.words.shape[1], filters.words.shape[4]
    nothing = spread(np.uint32(0))
    begun = 0
    sums.output[:] = 0
    for first in range(0, windows, rule.list_pes):
        end = min(first + rule.list_pes, windows)
        if not _takes_place(present, rows, first, end):
            continue
        longest = nothing
        for vector in range(vectors):
            together = nothing
            for window in range(first, end):
                if end - first == 1 or _takes_place(present, rows, window, window + 1):
                    at = window, j, window - first, vector
                    together = largest(together, _count_step(inputs, rows, filters, at, rule, sums))
            if rule.list_meet == 0:
                store(sums.slowest, vector, load(sums.slowest, vector) + together)
            longest = largest(longest, together)
        if rule.queue > 0:
            _list_item(sums, items, begun)
        elif rule.filters_meet == 0:
            sums.taken[0] += np.int64(largest_word(longest))
        begun += 1
    _meet_at_output(sums, rule)
    return begun


@kernel
def _takes_place(present: np.ndarray, rows: np.ndarray, first: int, end: int) -> bool:
    """Whether any of some windows is a step for any position of a block."""
    for window in range(first, end):
        for x in rows:
            if x >= 0 and present[x, window]:
                return True
    return False


@kernel
def _count_step(
    inputs: np.ndarray,
    rows: np.ndarray,
    filters: HeldFilters,
    at: tuple[int, int, int, int],
    rule: StepRule,
    sums: _Sums,
) -> Lanes:
    """The cycles of a step on some filter PEs; they, busy ones and products are added to those of the output.

    at  window, round, list PE and vector of filter PEs
    """
    window, j, pe, vector = at
    words, vectors = filters.words, filters.words.shape[4]
    slots, filter_lanes, length = words.shape[2], words.shape[3], words.shape[5]
    upwards = spread(np.uint32(rule.lanes - 1))
    factor = spread(np.uint32(rule.factor))
    took = spread(np.uint32(0))
    met = took
    busy = took
    for slot in range(slots):
        most = spread(np.uint32(0))
        for lane in range(filter_lanes):
            place = (((j * words.shape[1] + window) * slots + slot) * filter_lanes + lane) * vectors + vector
            place *= length
            for x in rows:
                if x >= 0:
                    found = bit_counts(load(words, place) & spread(inputs[x, window, 0]))
                    for word in range(1, length):
                        found += bit_counts(load(words, place + word) & spread(inputs[x, window, word]))
                    met += found
                    most = largest(most, found)
        cycles = shift_right((most + upwards) * factor, np.uint32(rule.shift))
        busy += cycles
        took += largest(cycles, load(filters.least, (j * slots + slot) * vectors + vector))
    row = pe * vectors + vector
    store(sums.met, row, load(sums.met, row) + met)
    store(sums.busy, row, load(sums.busy, row) + busy)
    store(sums.output, row, load(sums.output, row) + took)
    return took


@kernel
def _list_item(sums: _Sums, items: _Items, number: int) -> None:
    """Put what a step costs each PE into the queue: what its output costs now, and did not before."""
    vectors, lanes = sums.output.shape[1:]
    costs = items.costs
    for pe in range(costs.shape[1]):
        before = np.int64(0)
        if number > 0:
            before = items.state[0, pe]
        now = np.int64(sums.output[pe // (vectors * lanes), pe // lanes % vectors, pe % lanes])
        costs[number, pe] = now - before
        items.state[0, pe] = now


@kernel
def _meet_at_output(sums: _Sums, rule: StepRule) -> None:
    """Add an output's cycles to those of its round, with where its PEs meet."""
    list_pes, vectors, _ = sums.output.shape
    longest = spread(np.uint32(0))
    for vector in range(vectors):
        slowest = spread(np.uint32(0))
        if rule.list_meet == 0:
            slowest = load(sums.slowest, vector)
        for pe in range(list_pes):
            row = pe * vectors + vector
            own = load(sums.output, row)
            store(sums.own, row, load(sums.own, row) + own)
            if rule.list_meet == 1:
                slowest = largest(slowest, own)
        store(sums.longest, vector, load(sums.longest, vector) + slowest)
        if rule.list_meet == 0:
            store(sums.slowest, vector, spread(np.uint32(0)))
        longest = largest(longest, slowest)
    if rule.filters_meet == 1 and rule.queue == 0:
        sums.taken[0] += np.int64(largest_word(longest))


@kernel
def _add_round(
    sums: _Sums,
    shown: np.ndarray,
    there: np.ndarray,
    windows: int,
    rule: StepRule,
    times: int,
    started: int,
    did: np.ndarray,
) -> None:
    """Add a round's sums, as often as its blocks are there, to those of its PEs; empty the sums.

    started  cycles in which a queue's first item was on its way
    """
    _, vectors, lanes = sums.met.shape
    for pe in range(rule.list_pes):
        for u in range(there.size):
            vector, lane = u // lanes, u % lanes
            own = np.int64(sums.own[pe, vector, lane])
            together = own
            if not rule.recorded:
                if rule.filters_meet != 2:
                    together = sums.taken[0]
                elif rule.list_meet != 2:
                    together = np.int64(sums.longest[vector, lane])
            at = did[pe, u]
            if there[u] and pe < windows:
                busy = np.int64(sums.busy[pe, vector, lane])
                port = shown[(pe * vectors + vector) * lanes + lane]
                at[0] += busy * times
                at[1] += (own - busy) * times
                at[2] += (together - own - port - started) * times
                at[3] += port * times
                at[4] += started * times
                at[6] += np.int64(sums.met[pe, vector, lane]) * times
            else:
                at[5] += together * times
    sums.met[:], sums.busy[:], sums.own[:], sums.longest[:], sums.taken[:], shown[:] = 0, 0, 0, 0, 0, 0


@kernel
def play_outputs(outputs: np.ndarray, there: np.ndarray, windows: int, depth: int, did: np.ndarray) -> None:
    """Add to did (list PEs, filter PEs, DID) the waits of a team's PEs, before each of which outputs queue.

    outputs  int64 (outputs, 1 + list PEs * filter PEs): as `walk_outputs` records them, in order
    there    bool (filter PEs,): whether a PE has a filter in any of them
    """
    list_pes, pes = did.shape[0], did.shape[1]
    costs = np.zeros((outputs.shape[0], list_pes * pes), np.int64)
    items = 0
    for number in range(outputs.shape[0]):
        if outputs[number, 0] > 0:
            costs[items] = outputs[number, 1:]
            items += 1
    if items == 0:
        return
    shown = np.zeros(list_pes * pes, np.int64)
    state = np.zeros((2 + depth, list_pes * pes), np.int64)
    end = play_items(costs, items, depth, shown, state)
    for pe in range(list_pes):
        for u in range(pes):
            at, place = did[pe, u], pe * pes + u
            if there[u] and pe < windows:
                own = costs[:, place].sum()
                at[2] += end - own - shown[place] - 3
                at[3] += shown[place]
                at[4] += 3
            else:
                at[5] += end
