"""How long every fold of the Flex-DPEs takes, and why.

What each Flex-DPE holds stands in `stationary_loads`, with how many vectors it multiplies in `stationary_walk`.
"""

from __future__ import annotations

import numpy as np

from dataflows.machines.sigma.spec import SigmaSpec
from dataflows.machines.sigma.stationary_loads import Loads, Operands
from dataflows.machines.sigma.stationary_walk import Passes, walk_loads
from dataflows.machines.sigma.stream_waits import count_waits
from dataflows.schedule import Cause, no_cycles
from workloads.whole_numbers import ceil_div


def loads_of(spec: SigmaSpec, mapped: np.ndarray) -> Loads:
    """The loads of so many values by group."""
    return Loads(mapped, spec.pes, spec.multipliers_per_pe, spec.groups == "alone")


def total_cycles(spec: SigmaSpec, loads: Loads, vectors: int) -> int:
    """Cycles of all folds, streaming with a cycle a vector."""
    of_folds = load_cycles(spec, loads) + sum(spec.pipeline_cycles) + vectors
    return int(of_folds.sum())


def load_cycles(spec: SigmaSpec, loads: Loads) -> np.ndarray:
    """Int64 (folds,): cycles until the stationary values of each fold are in place."""
    first, size, words = loads.first_of_fold, spec.multipliers_per_pe, spec.load_words_per_cycle
    if not len(first):
        return np.zeros(0, np.int64)
    if words < size:
        return np.add.reduceat(ceil_div(loads.values, words), first)
    # The bus fills whole Flex-DPEs: 300 words a cycle fill two of 128 multipliers, and 5 take 3 cycles.
    return ceil_div(np.diff(first, append=len(loads.group_of)), words // size)


def play(spec: SigmaSpec, operands: Operands, loads: Loads) -> tuple[np.ndarray, np.ndarray, Passes]:
    """Int64 (folds, PEs, CAUSES) and (folds, PEs): cycles by cause, and products; and what passes."""
    first, fold_of = loads.first_of_fold, loads.fold_of
    cycles, issued = no_cycles(len(first), spec.pes), np.zeros((len(first), spec.pes), np.int64)
    if not len(first):
        return cycles, issued, Passes(0, 0, 0, 0, 0, 0)
    busy, products, together, passes = walk_loads(operands, loads)
    place = np.arange(len(fold_of)) - first[fold_of]
    issued[fold_of, place] = products
    waits = stream_waits(spec, operands, loads)
    fill, drain = spec.pipeline_cycles
    of_loads = np.zeros((len(fold_of), cycles.shape[-1]), np.int64)
    of_loads[:, Cause.PORT] = (load_cycles(spec, loads) + waits)[fold_of]
    of_loads[:, Cause.FILL], of_loads[:, Cause.DRAIN] = fill, drain
    of_loads[:, Cause.BUSY] = busy
    of_loads[:, Cause.IMBALANCE] = together[fold_of] - busy
    of_loads[:, Cause.INDEX] = operands.vectors - together[fold_of]
    # All of a fold move in step; Flex-DPEs beyond its loads have no part in it.
    cycles[..., Cause.UNMAPPED] = of_loads[first].sum(axis=1)[:, None]
    cycles[fold_of, place] = of_loads
    return cycles, issued, passes


def stream_waits(spec: SigmaSpec, operands: Operands, loads: Loads) -> np.ndarray:
    """Int64 (folds,): cycles beyond one a vector, in which its values still come out of the SRAM."""
    waits, words = np.zeros(len(loads.first_of_fold), np.int64), spec.stream_words_per_cycle
    groups, depth, _ = operands.columns.shape
    # A fold wants at most a value for each multiplier, and each column of a vector once.
    if words < min(spec.multipliers, groups * depth):
        count_waits(operands, loads.size, loads.fold_of, words, waits)
    return waits
