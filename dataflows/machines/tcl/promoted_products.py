"""TCL's products in the order in which a tile makes them: each weight with the activation that its place selects.

Scheduled apart from `weight_schedule`, slot by slot, so that `--check` sees a promotion that went astray.
"""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.machines.tcl.weight_schedule import ScheduleRule


@kernel
def multiply_set(
    slots: np.ndarray, reads: np.ndarray, rule: ScheduleRule, values: np.ndarray, windows: np.ndarray
) -> np.ndarray:
    """Int64 (N, windows, filters): sums of a set whose weights are int64 (filters, rows, lanes), and are overwritten.

    reads    int64 (rows, lanes): how far the activation of a slot lies from a window's first place
    values   int64 (N, places): the padded maps of a pack, channel by channel
    windows  int64 (windows,): the first place of each output position's window
    """
    filters, rows, lanes = slots.shape
    sums = np.zeros((values.shape[0], windows.size, filters), np.int64)
    skipped = 0
    for t in range(rows):
        if skipped < rule.lookahead and not slots[:, t].any():
            skipped += 1
            continue
        skipped = 0
        for f in range(filters):
            selected = _promote(slots[f], t, rule)
            for lane in range(lanes):
                weight = slots[f, t, lane]
                if weight != 0:
                    ahead, aside = 0, 0
                    if selected[lane] >= 0:
                        ahead, aside = rule.places[selected[lane]]
                    _add_products(weight, reads[t + ahead, (lane + aside) % lanes], values, windows, sums[:, :, f])
    return sums


@kernel
def _promote(slots: np.ndarray, t: int, rule: ScheduleRule) -> np.ndarray:
    """Fill row t of a filter's weights (rows, lanes); int64 (lanes,): the place that filled each slot, or -1."""
    rows, lanes = slots.shape
    selected = np.full(lanes, -1, np.int64)
    while True:
        best, best_lane, best_place = 0, -1, -1
        for lane in range(lanes):
            if slots[t, lane] == 0:
                choices, first = 0, -1
                for p in range(len(rule.places)):
                    ahead, aside = rule.places[p]
                    if t + ahead < rows and slots[t + ahead, (lane + aside) % lanes] != 0:
                        choices += 1
                        first = p if first < 0 else first
                if choices and (best == 0 or (choices < best if rule.fewest else choices > best)):
                    best, best_lane, best_place = choices, lane, first
        if best_lane < 0:
            return selected
        ahead, aside = rule.places[best_place]
        slots[t, best_lane] = slots[t + ahead, (best_lane + aside) % lanes]
        slots[t + ahead, (best_lane + aside) % lanes] = 0
        selected[best_lane] = best_place


@kernel
def _add_products(weight: int, read: int, values: np.ndarray, windows: np.ndarray, sums: np.ndarray) -> None:
    """Add the products of one weight at every window to sums (N, windows)."""
    for image in range(values.shape[0]):
        for window in range(windows.size):
            sums[image, window] += weight * values[image, windows[window] + read]
