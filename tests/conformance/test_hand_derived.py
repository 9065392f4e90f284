"""Cycles of layers on machines, worked out by hand from the machines' descriptions, and compared with the simulator.

No kernel and no schedule was read for them: formulas come from docstrings and settings. Most were written down before
the simulator was asked. Not so these, whose formula was settled with its answer in sight: of KGRC `start` and the dense
design without start cycles, of EIE `two blocks` and `two vectors`, of SCNN `DEPTHWISE` and the first two of `BOUNDED`.
The rule of `GROUPED` was also seen as code. Memory is infinitely fast and buffers take whatever comes, so that cycles
are the machine's own. Masks are chosen such that what a description leaves open does not matter.

`HAND` is exact for every version of a machine, `BOUNDED` within 6 %, `GROUPED` and `OVERLAPPED` exact where the machine
has the setting. Where derivation and simulator differed one of the two, or the description, was mended; those pairs stand
at the end of `HAND`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import ceil

import numpy as np
import pytest

from dataflows.registry import machine
from tests.conformance.hand_pairs import (
    ALL_TAPS,
    BATCH,
    CENTRE,
    DEPTHWISE,
    DILATED,
    FC,
    FC_BATCH,
    GROUPS_2,
    IMAGE,
    NARROW,
    NORTH,
    PCONV,
    PLAIN,
    POINTWISE,
    SOUTH,
    STRIDED,
    VOLUME,
    WEST,
    WIDE,
    Pair,
    by_filter,
    channels,
    conv,
    corner,
    every,
    filters,
    grid,
    kernel_groups,
    last_of_windows,
    own_values,
    taps,
    turns,
    values,
)
from workloads.layer import Layer

# ------------------------------------------------------- DianNao: N·[O·]P·Q·[T·]R·S·ceil(C/G / Ti)·ceil(K/G / Tn)·G

DIANNAO = [
    Pair("diannao", PLAIN, 28 * 28 * 9 * (64 // 16) * (64 // 16)),
    Pair("diannao", IMAGE, 28 * 28 * 9 * ceil(3 / 16) * (64 // 16)),
    Pair("diannao", STRIDED, 15 * 15 * 9 * ceil(20 / 16) * ceil(40 / 16)),
    Pair("diannao", POINTWISE, 13 * 13 * ceil(250 / 16) * ceil(70 / 16)),
    Pair("diannao", DILATED, 14 * 14 * 9 * ceil(20 / 16) * ceil(24 / 16)),
    Pair("diannao", WIDE, 14 * 14 * 25 * ceil(20 / 16) * ceil(33 / 16)),
    Pair("diannao", FC, ceil(250 / 16) * ceil(100 / 16)),
    Pair("diannao", FC_BATCH, 4 * ceil(300 / 16) * ceil(70 / 16)),
    Pair("diannao", VOLUME, 4 * 10 * 10 * 27 * ceil(20 / 16) * ceil(40 / 16)),
    # 16 channels of a group fill a vector and its 24 filters need two rounds, so that groups cannot share one.
    Pair("diannao", GROUPS_2, 2 * 14 * 14 * 9 * (16 // 16) * ceil(24 / 16)),
    # A dense machine: zeros change nothing.
    Pair("diannao", PLAIN, 28 * 28 * 9 * 4 * 4, weights=every(4), activations=grid(2)),
    # The pipeline fills once a round of output channels, of which there are 64 / 16.
    Pair("diannao", IMAGE, 28 * 28 * 9 * 4 + 5 * (64 // 16), {"pipeline_fill_cycles": 5}),
    Pair("diannao", BATCH, 3 * 28 * 28 * 9 * 4 * 4),
    Pair("diannao", NARROW, 10 * 9 * 3 * (16 // 16) * ceil(18 / 16)),
]

# ----------------------------------------------------------------- DaDianNao: as DianNao, with 16 x 16 output neurons

DADIANNAO = [
    Pair("dadiannao", PLAIN, 28 * 28 * 9 * (64 // 16) * ceil(64 / 256)),
    Pair("dadiannao", conv("300 filters", 250, 300, 13, 1), 13 * 13 * ceil(250 / 16) * ceil(300 / 256)),
    Pair("dadiannao", STRIDED, 15 * 15 * 9 * ceil(20 / 16) * 1),
    Pair("dadiannao", WIDE, 14 * 14 * 25 * ceil(20 / 16) * 1),
    Pair("dadiannao", DILATED, 14 * 14 * 9 * ceil(20 / 16) * 1),
    Pair("dadiannao", FC_BATCH, 4 * ceil(300 / 16) * 1),
    Pair("dadiannao", VOLUME, 4 * 10 * 10 * 27 * ceil(20 / 16) * 1),
    Pair("dadiannao", GROUPS_2, 2 * 14 * 14 * 9 * (16 // 16) * 1),
    Pair("dadiannao", BATCH, 3 * 28 * 28 * 9 * 4),
    Pair("dadiannao", NARROW, 10 * 9 * 3 * (16 // 16)),
]

# ---------------------- DCNN: the fullest PE's tile of ceil(P/8) x ceil(Q/8) outputs, R·S·ceil(C/G / 16) cycles each, K

DCNN = [
    Pair("dcnn", PLAIN, ceil(28 / 8) ** 2 * 9 * (64 // 16) * 64),
    Pair("dcnn", IMAGE, ceil(28 / 8) ** 2 * 9 * ceil(3 / 16) * 64),
    Pair("dcnn", STRIDED, ceil(15 / 8) ** 2 * 9 * ceil(20 / 16) * 40),
    Pair("dcnn", POINTWISE, ceil(13 / 8) ** 2 * ceil(250 / 16) * 70),
    Pair("dcnn", DILATED, ceil(14 / 8) ** 2 * 9 * ceil(20 / 16) * 24),
    Pair("dcnn", WIDE, ceil(14 / 8) ** 2 * 25 * ceil(20 / 16) * 33),
    # Lanes hold channels of one group: a depthwise layer fills one of 16.
    Pair("dcnn", DEPTHWISE, ceil(12 / 8) ** 2 * 9 * ceil(1 / 16) * 20),
    Pair("dcnn", GROUPS_2, ceil(14 / 8) ** 2 * 9 * (16 // 16) * 48),
    # One output position: output channels are spread over the 64 PEs.
    Pair("dcnn", FC, ceil(100 / 64) * ceil(250 / 16)),
    Pair("dcnn", FC_BATCH, 4 * ceil(70 / 64) * ceil(300 / 16)),
    # A map that spills is cut into parts of the PEs' rows, whose outputs add up to the same.
    Pair("dcnn", PLAIN, ceil(28 / 8) ** 2 * 9 * (64 // 16) * 64, {"sram_bytes": 65536}),
    # A PE keeps its tile in all four slices.
    Pair("dcnn", VOLUME, 4 * ceil(10 / 8) ** 2 * 27 * ceil(20 / 16) * 40),
    Pair("dcnn", BATCH, 3 * ceil(28 / 8) ** 2 * 9 * (64 // 16) * 64),
    Pair("dcnn", NARROW, ceil(10 / 8) * ceil(9 / 8) * 3 * (16 // 16) * 18),
]

# ------------------------------------------------ ideal: products of two non-zeros over multipliers; padding has none

IDEAL = [
    # On a padded axis of 28 the three positions of a kernel meet 27, 28 and 27 inputs.
    Pair("ideal", PLAIN, ceil(64 * 64 * (27 + 28 + 27) ** 2 / 1024)),
    Pair("ideal", PLAIN, ceil(64 * 64 * 28 * 28 * 9 / 1024), {"skip": "nothing"}),
    # Outputs 0..14 read input 2p - 1 + r: position 0 misses p = 0, position 2 misses p = 14.
    Pair("ideal", STRIDED, ceil(20 * 40 * (14 + 15 + 14) ** 2 / 1024)),
    Pair("ideal", DILATED, ceil(20 * 24 * (12 + 14 + 12) ** 2 / 1024)),
    Pair("ideal", PLAIN, ceil(64 * 32 * (27 + 28 + 27) ** 2 / 1024), activations=channels(2)),
    # The centre of a kernel meets each of the 14 x 14 inputs that are not zero once.
    Pair("ideal", PLAIN, ceil(64 * 64 * 14 * 14 / 1024), weights=taps(CENTRE), activations=grid(2)),
    Pair("ideal", FC, ceil(250 * 100 / 100), {"multipliers": 100}),
    Pair("ideal", GROUPS_2, ceil(2 * 16 * 24 * (13 + 14 + 13) ** 2 / 1024)),
    # Output row 0 misses the first of its three inputs.
    Pair("ideal", NARROW, ceil(16 * 18 * (9 + 10 + 10) * 9 / 1024)),
]

# EIE: an activation is broadcast, taken from the queue and its pointers are read (3 cycles) before its first entry is
# worked off; with an entry in every PE columns follow without a gap; the last result comes 4 cycles after its entry.

EIE = [
    # 128 rows: two entries of each column in each of the 64 PEs.
    Pair("eie", Layer.dense("two rows", in_features=250, out_features=128), 3 + 250 * 2 + 4),
    # Only non-zero activations are broadcast.
    Pair("eie", Layer.dense("two rows", in_features=250, out_features=128), 3 + 125 * 2 + 4, activations=channels(2)),
    # 100 rows: PEs 0 to 35 have two entries, the others one; the fullest decides.
    Pair("eie", FC, 3 + 250 * 2 + 4),
    # 40 rows a PE of which the last has weights: 39 zeros before it take two fillers, each standing for 16.
    Pair("eie", Layer.dense("fillers", in_features=50, out_features=64 * 40), 3 + 50 * (2 + 1) + 4,
         weights=lambda shape: np.broadcast_to(np.arange(shape[0])[:, None, None, None] >= 64 * 39, shape).copy()),
    # With runs of up to 63 there are none.
    Pair("eie", Layer.dense("long runs", in_features=50, out_features=64 * 40), 3 + 50 * 1 + 4, {"run_bits": 6},
         weights=lambda shape: np.broadcast_to(np.arange(shape[0])[:, None, None, None] >= 64 * 39, shape).copy()),
    # Every other column is empty; its pointers take the cycle that its entry would have taken. The last is not empty.
    Pair("eie", Layer.dense("empty columns", in_features=251, out_features=64), 3 + 251 + 4, weights=channels(2)),
    # Two blocks of rows (4,096 accumulators), each sent the whole vector; results exceed the register file, so that PEs
    # write them to their SRAMs, four values of 16 bits a cycle.
    Pair("eie", Layer.dense("two blocks", in_features=10, out_features=8192), 2 * (3 + 10 * 64 + 4 + 64 // 4)),
    # Vectors follow one another when all PEs are done; together their results exceed the register file.
    Pair("eie", Layer.dense("two vectors", in_features=10, out_features=4096, batch=2),
         2 * (3 + 10 * 64 + 4 + 64 // 4)),
    # Only PE 0 has entries, one a column; others read pointers alone and are no slower.
    Pair("eie", Layer.dense("one PE", in_features=200, out_features=128), 3 + 200 + 4, weights=filters(0, of=128)),
]  # fmt: skip

# KGRC (16 bit): TM 32, TN 8, tiles of 4 x 14 x 14, TK 9; PM 16 over 4 row groups, so 4 rows of each; PF 4, PK 3; Ab 4
# and ports of 8 values. With neither start nor list cycles the published equations stand alone:
#     tile = steps · max(Lin, Lwgt, Lcmpt) + Lcmpt, layer = tiles · max(tile, Lout) + Lout

ALONE = {"start_cycles": 0, "row_list_cycles": 0}
POINT_OUT = 32 // 4 * ceil(14 * 14 / 8)  # Lout of 32 filters x 14 x 14 outputs: 8 * 25 = 200

KGRC = [
    # 2 x 4 tiles, 8 steps. Lcmpt = 49 * 3 * 2 = 294 exceeds Lin = 2 * ceil(15 * 15 / 8) = 58 and Lwgt = 64 * 2 = 128.
    Pair("kgrc", PLAIN, 8 * (8 * 294 + 294) + POINT_OUT, ALONE),
    # 4 of 9 positions: Lcmpt = 49 * ceil(4 / 3) * 2 = 196.
    Pair("kgrc", PLAIN, 8 * (8 * 196 + 196) + POINT_OUT, ALONE, taps(CENTRE, NORTH, SOUTH, (0, 0))),
    # 4 of 8 rows: Lcmpt = 49 * 3 * 1 = 147 exceeds Lwgt = 16 * 2 * 2 = 64.
    Pair("kgrc", PLAIN, 8 * (8 * 147 + 147) + POINT_OUT, ALONE, kernel_groups(4, ALL_TAPS)),
    # 2 of 8 rows and 3 positions: Lcmpt = 49 * 1 * 1 is less than Lin = 58, which every step then takes.
    Pair("kgrc", PLAIN, 8 * (8 * 58 + 49) + POINT_OUT, ALONE, kernel_groups(2, ((0, 0), (1, 1), (2, 2)))),
    # 14 x 14 outputs from 28 x 28 inputs: Lin = 2 * ceil(28 * 28 / 8) = 196 < 294; 2 tiles of 3 steps.
    Pair("kgrc", conv("strided", 24, 64, 28, 3, stride=2, padding=1), 2 * (3 * 294 + 294) + POINT_OUT, ALONE),
    # Lcmpt = 49 * 1 * 2 = 98; Lin = 2 * ceil(196 / 8) = 50, Lwgt = 64.
    Pair("kgrc", conv("1x1", 256, 64, 14, 1), 2 * (32 * 98 + 98) + POINT_OUT, ALONE),
    # Only the 14 rows that a 1x1 kernel reads: Lin = 2 * ceil(14 * 27 / 8) = 96 < 98 (of 27 rows it would be 184).
    Pair("kgrc", conv("1x1 strided", 24, 64, 27, 1, stride=2), 2 * (3 * 98 + 98) + POINT_OUT, ALONE),
    # 25 positions in chunks of 9, 9 and 7, each of Lcmpt = 49 * 3 * 2 = 294; the longest chunk's is added.
    Pair("kgrc", conv("5x5", 24, 32, 14, 5, padding=2), 3 * 3 * 294 + 294 + POINT_OUT, ALONE),
    Pair("kgrc", conv("dilated", 24, 64, 14, 3, dilation=2, padding=2), 2 * (3 * 294 + 294) + POINT_OUT, ALONE),
    # One position: Lcmpt = 2, Lin = 2; Lwgt = 32 * 8 / 4 * 1 = 64 binds; Lout = 8 * 1. Four tiles of 32 steps.
    Pair("kgrc", Layer.dense("fc", in_features=256, out_features=128), 4 * (32 * 64 + 2) + 8, ALONE),
    Pair("kgrc", Layer.dense("fc", in_features=256, out_features=128, batch=4), 16 * (32 * 64 + 2) + 8, ALONE),
    # 784 outputs a tile; Lcmpt = 196 * 3 * 2 = 1176 for each of three chunks; Lout = 8 * 98.
    Pair("kgrc", Layer.conv("volume", in_channels=24, out_channels=64, input_size=(4, 14, 14), kernel_size=3, padding=1),
         2 * (3 * 3 * 1176 + 1176) + 784, ALONE),
    # 40 filters: a tile of 32 and one of 8, whose outputs leave in 8 / 4 * 25 cycles.
    Pair("kgrc", conv("ragged", 24, 40, 14, 3, padding=1), 2 * (3 * 294 + 294) + 8 // 4 * 25, ALONE),
    # Every chunk begins with 20 cycles; Lcmpt itself, which is added once, is as in the equation. Nothing drops rows.
    Pair("kgrc", conv("start", 24, 64, 14, 3, padding=1), 2 * (3 * (20 + 294) + 294) + POINT_OUT),
    # Rows are dropped: their list takes 48 more.
    Pair("kgrc", PLAIN, 8 * (8 * (48 + 20 + 147) + 147) + POINT_OUT, weights=kernel_groups(4, ALL_TAPS)),
    # 7 of 8 rows compute in two turns like 8, so that the mode without a list is faster.
    Pair("kgrc", PLAIN, 8 * (8 * (20 + 294) + 294) + POINT_OUT, weights=kernel_groups(7, ALL_TAPS)),
    # A group of 16 channels exceeds TN and runs alone: a tile of 24 filters, 2 steps; Lout = 24 / 4 * 25.
    Pair("kgrc", GROUPS_2, 2 * (2 * 294 + 294) + 150, ALONE),
    # The dense design (TM 56, TN 4, PM 56, PF 8, PK 1) skips nothing: Lcmpt = ceil(196 / 8) * 9 = 225 exceeds Lin = 29 and
    # Lwgt = 56 * 2 = 112; tiles of 56 and of 8 filters, the last of which leaves in 8 / 4 * 25; 8 cycles a chunk.
    Pair("kgrc", PLAIN, 8 * (16 * 225 + 225) + 50, {**ALONE, "design": "dense"}, kernel_groups(4, ALL_TAPS)),
    Pair("kgrc", PLAIN, 8 * (16 * (8 + 225) + 225) + 50, {"design": "dense"}),
    # With 8 bits PF is 8: Lcmpt = 25 * 3 * 2; Ab 8 and ports of 16: Lout = 32 / 8 * ceil(196 / 16).
    Pair("kgrc", PLAIN, 8 * (8 * 150 + 150) + 4 * 13, {**ALONE, "value_bits": 8}),
    # Images are tiles; all boxes of one filter tile come before the next.
    Pair("kgrc", BATCH, 3 * 8 * (8 * 294 + 294) + POINT_OUT, ALONE),
    # 90 outputs: Lcmpt = 23 * 1 * 2, Lin = 2 * ceil(20 * 9 / 8) = 46, Lwgt = ceil(18 * 8 / 4) * 1 = 36, two steps; Lout
    # of 18 filters = ceil(18 / 4) * 12.
    Pair("kgrc", NARROW, 2 * 46 + 46 + 5 * 12, ALONE),
]  # fmt: skip

# Structured: ceil(K/64)·ceil(P·Q/21)·Z, 8 cycles of fill before and the last block's sums, 64 a cycle, behind.

STRUCTURED = [
    # 38 pixel blocks, the last of 7 positions: 7 * 64 sums.
    Pair("structured", PLAIN, 38 * 576 + 8 + 7),
    Pair("structured", PLAIN, 38 * 144 + 8 + 7, weights=every(4)),
    # Half the columns, those of even filters, and a third, those of odd ones: the union keeps 2/3 of 576.
    Pair("structured", PLAIN, 38 * 384 + 8 + 7,
         weights=lambda shape: np.where((np.arange(64) % 2 == 0)[:, None, None, None], every(2)(shape), every(3)(shape))),
    # Empty channels are empty columns.
    Pair("structured", PLAIN, 38 * 32 * 9 + 8 + 7, weights=channels(2)),
    Pair("structured", PLAIN, 38 * 576 + 8 + 7, activations=grid(2)),
    Pair("structured", IMAGE, 38 * 27 + 8 + 7),
    # 9 columns: a block's 21 * 64 sums take 21 cycles to leave, longer than the next block computes. The first
    # computes, 37 blocks leave one after the other, and so does the last one of 7 positions.
    Pair("structured", IMAGE, 8 + 9 + 37 * 21 + 7, weights=channels(3)),
    Pair("structured", PLAIN, 38 * 576 * 2 + 8 + 7, {"index_entries_per_cycle": 0.5}),
    # 64 x 39 with 8 bits: 784 = 20 * 39 + 4.
    Pair("structured", PLAIN, 21 * 576 + 8 + 4, {"value_bits": 8}),
    # 225 = 10 * 21 + 15 positions; 15 * 40 sums.
    Pair("structured", STRIDED, 11 * 180 + 8 + ceil(15 * 40 / 64)),
    # Filters in blocks of 64 and 6; 169 = 8 * 21 + 1.
    Pair("structured", POINTWISE, 2 * 9 * 250 + 8 + 1),
    # 196 = 9 * 21 + 7; 7 * 24 sums, and 7 * 33.
    Pair("structured", DILATED, 10 * 180 + 8 + ceil(7 * 24 / 64)),
    Pair("structured", WIDE, 10 * 500 + 8 + ceil(7 * 33 / 64)),
    Pair("structured", FC, 2 * 250 + 8 + 1),
    Pair("structured", FC_BATCH, 4 * 2 * 300 + 8 + 1),
    Pair("structured", VOLUME, ceil(400 / 21) * 540 + 8 + 1),
    # A filter block belongs to one group: two of 24 filters and 144 columns; 144 = 6 * 21 + 18.
    Pair("structured", GROUPS_2, 2 * 10 * 144 + 8 + ceil(7 * 24 / 64)),
    Pair("structured", DEPTHWISE, 20 * 7 * 9 + 8 + 1),
    Pair("structured", BATCH, 3 * 38 * 576 + 8 + 7),
    # 90 = 4 * 21 + 6.
    Pair("structured", NARROW, 5 * 48 + 8 + ceil(6 * 18 / 64)),
]  # fmt: skip

# Systolic, folds one after the other: n + r + c - 2 each; the first fold's operands take a cycle a row before it.

SYSTOLIC = [
    # depth 576 = 4 * 128 + 64 rows, 64 columns, 784 positions pass.
    Pair("systolic", PLAIN, 128 + 4 * (784 + 128 + 64 - 2) + (784 + 64 + 64 - 2)),
    # Without shadow registers each fold waits for its own rows.
    Pair("systolic", PLAIN, 4 * (128 + 784 + 128 + 64 - 2) + (64 + 784 + 64 + 64 - 2), {"shadow_registers": False}),
    Pair("systolic", IMAGE, 27 + (784 + 27 + 64 - 2)),
    Pair("systolic", STRIDED, 128 + (225 + 128 + 40 - 2) + (225 + 52 + 40 - 2)),
    Pair("systolic", POINTWISE, 128 + (169 + 128 + 70 - 2) + (169 + 122 + 70 - 2)),
    Pair("systolic", DILATED, 128 + (196 + 128 + 24 - 2) + (196 + 52 + 24 - 2)),
    # depth 500 = 3 * 128 + 116.
    Pair("systolic", WIDE, 128 + 3 * (196 + 128 + 33 - 2) + (196 + 116 + 33 - 2)),
    # The images of a fully connected layer are positions.
    Pair("systolic", FC_BATCH, 128 + 2 * (4 + 128 + 70 - 2) + (4 + 44 + 70 - 2)),
    # depth 540 = 4 * 128 + 28.
    Pair("systolic", VOLUME, 128 + 4 * (400 + 128 + 40 - 2) + (400 + 28 + 40 - 2)),
    # 4,096 positions are twice what half the accumulators hold: two blocks, each of one fold.
    Pair("systolic", conv("two blocks", 3, 64, 64, 3, padding=1), 27 + 2 * (2048 + 27 + 64 - 2)),
    # 250 filters: 128 and 122 columns.
    Pair("systolic", conv("250 filters", 64, 250, 10, 1), 64 + (100 + 64 + 128 - 2) + (100 + 64 + 122 - 2)),
    # A group's depth of 144 exceeds the rows, so that none lies beside it: 128 + 16.
    Pair("systolic", GROUPS_2, 128 + 2 * ((196 + 128 + 24 - 2) + (196 + 16 + 24 - 2))),
    # Output stationary: 784 = 6 * 128 + 16 positions in rows, depth passes; sums are not waited for.
    Pair("systolic", PLAIN, 6 * (576 + 128 + 64 - 2) + (576 + 16 + 64 - 2), {"dataflow": "output"}),
    Pair("systolic", FC_BATCH, 300 + 4 + 70 - 2, {"dataflow": "output"}),
    # The two products that the description works out itself.
    Pair("systolic", Layer.dense("2x2x2", in_features=2, out_features=2, batch=2), 4,
         {"dataflow": "output", "rows": 2, "columns": 2}),
    Pair("systolic", Layer.dense("4x4x4", in_features=4, out_features=4, batch=4), 10,
         {"dataflow": "output", "rows": 4, "columns": 4}),
    # Input stationary: depth in rows, positions in columns, filters pass.
    Pair("systolic", PLAIN,
         128 + 6 * (4 * (64 + 128 + 128 - 2) + (64 + 64 + 128 - 2)) + 4 * (64 + 128 + 16 - 2) + (64 + 64 + 16 - 2),
         {"dataflow": "input"}),
    Pair("systolic", BATCH, 128 + 3 * (4 * (784 + 128 + 64 - 2) + (784 + 64 + 64 - 2))),
    Pair("systolic", NARROW, 48 + (90 + 48 + 18 - 2)),
    # Two blocks of two filters; the second's first 128 rows take longer than the 65 cycles of the fold before.
    Pair("systolic", Layer.dense("waits", in_features=192, out_features=4), 128 + 129 + 65 + (128 - 65) + 129 + 65,
         {"columns": 2}),
    # Likewise two blocks of two positions through which one filter passes.
    Pair("systolic", conv("waits", 192, 1, 2, 1), 128 + 129 + 65 + (128 - 65) + 129 + 65,
         {"dataflow": "input", "columns": 2}),
]  # fmt: skip

# ABM: for a block of 20 positions a kernel takes max(non-zeros, distinct values x positions / 5); 48 cores. Unless a pair
# says otherwise, every non-zero of a kernel has a value of its own.

ABM = [
    # 16 codes: 16 * 20 / 5 = 64 < 576. Core 0 has filters 0 and 48; 784 / 20 is 40 blocks.
    Pair("abm", PLAIN, 2 * 40 * 576, {"codebook_values": 16}),
    # As many values as codes tell apart: 255 * 20 / 5 = 1020; the last 4 positions: 204 < 576.
    Pair("abm", PLAIN, 2 * (39 * 1020 + 576)),
    # Three values by name.
    Pair("abm", PLAIN, 2 * 40 * 576, weights=values(3)),
    # 36 non-zeros a filter, as many values: 36 * 4 = 144, and 36 * 4 / 5 < 36 for the last 4 positions.
    Pair("abm", PLAIN, 2 * (39 * 144 + 36), weights=every(16)),
    Pair("abm", PLAIN, 2 * (39 * 144 + 36), weights=every(16), activations=grid(2)),
    # Filter 0 is whole, others keep 36: core 0 takes 576 and, for filter 48, 16 * 20 / 5 = 64 (or 36) cycles.
    Pair("abm", PLAIN, 39 * (576 + 64) + (576 + 36), {"codebook_values": 16},
         lambda shape: every(16)(shape) | filters(0, of=64)(shape)),
    Pair("abm", IMAGE, 2 * (39 * 27 * 4 + 27)),
    Pair("abm", STRIDED, 11 * 180 * 4 + 180 * 1),
    # 169 = 8 * 20 + 9: 250 * 9 / 5 = 450.
    Pair("abm", POINTWISE, 2 * (8 * 1000 + 450)),
    Pair("abm", FC, 3 * 250),
    Pair("abm", FC_BATCH, 4 * 2 * 300),
    Pair("abm", VOLUME, 20 * 255 * 4),
    # 196 = 9 * 20 + 16: ceil(144 * 16 / 5) = 461; and 144 = 7 * 20 + 4: ceil(9 * 4 / 5) = 8 < 9.
    Pair("abm", GROUPS_2, 9 * 144 * 4 + 461),
    Pair("abm", DEPTHWISE, 7 * 9 * 4 + 9),
    # 64 cores of 16 adders and 4 multipliers, 16 codes: 16 * 16 / 4 = 64 < 576; 27 < 64 in IMAGE.
    Pair("sparse-yolo", PLAIN, 49 * 576),
    Pair("sparse-yolo", IMAGE, 49 * 64),
    Pair("abm", BATCH, 3 * 2 * 40 * 576, {"codebook_values": 16}),
    # 90 = 4 * 20 + 10.
    Pair("abm", NARROW, 4 * 48 * 4 + 48 * 2),
]  # fmt: skip
ABM = [replace(pair, weights=own_values(pair.weights)) for pair in ABM]

# Stacked: filter k on PE k mod 16, a weight a cycle with 16 positions. A decoder of 4 entries hides single fillers.

STACKED = [
    Pair("stacked", PLAIN, 4 * 576 * 49),
    # The other levels' weights lie anywhere, so that filters drift apart: ports and queues enough for all.
    Pair("stacked", PLAIN, 4 * 288 * 49, {"input_ports": 64, "input_queue_depth": 576}, every(2)),
    Pair("stacked", PLAIN, 4 * 288 * 49, {"levels": "0.5"}, every(2), grid(2)),
    # PE 0 has filter 0, which is whole, and three that keep 36.
    Pair("stacked", PLAIN, (576 + 3 * 36) * 49, {"levels": "0.5"},
         lambda shape: every(16)(shape) | filters(0, of=64)(shape)),
    Pair("stacked", IMAGE, 4 * 27 * 49),
    Pair("stacked", STRIDED, 3 * 180 * ceil(225 / 16)),
    Pair("stacked", POINTWISE, 5 * 250 * ceil(169 / 16)),
    Pair("stacked", DILATED, 2 * 180 * ceil(196 / 16)),
    Pair("stacked", FC, 7 * 250),
    Pair("stacked", FC_BATCH, 4 * 5 * 300),
    Pair("stacked", GROUPS_2, 3 * 144 * ceil(196 / 16)),
    # 16 filters need 16 channels: 16 * 9 vectors through 16 or 8 ports; 4 filters 4 of them a cycle.
    Pair("stacked", DEPTHWISE, (9 + 9) * (144 // 16), {"input_ports": 16}),
    Pair("stacked", DEPTHWISE, (16 * 9 // 8 + 9) * (144 // 16), {"input_ports": 8}),
    # The last of 576 weights alone: 575 zeros take two fillers of 256; a decoder of one entry needs a cycle for each.
    Pair("stacked", PLAIN, 4 * 3 * 49, {"levels": "0.5", "decoded_entries": 1}, every(576, 575)),
    Pair("stacked", PLAIN, 4 * 1 * 49, {"levels": "0.5"}, every(576, 575)),
    Pair("stacked", BATCH, 3 * 4 * 576 * 49),
    Pair("stacked", NARROW, 2 * 48 * ceil(90 / 16)),
]  # fmt: skip

# Cambricon-X: for an output the sum over windows of 256 of max(1, ceil(non-zeros / 16)); filter k on PE k mod 16.

CAMBRICON_X = [
    # 576 inputs: windows of 256, 256 and 64.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (16 + 16 + 4)),
    # Zero activations are not skipped.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (16 + 16 + 4), activations=channels(2)),
    # Every 8th channel: 8 of 64 at each position, 32, 32 and 8 a window.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (2 + 2 + 1), weights=channels(8)),
    # The first kernel row alone: 192 weights in the first window; empty windows take a cycle each.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (12 + 1 + 1), weights=taps((0, 0), (0, 1), (0, 2))),
    # One weight a kernel, the centre: list places 256 to 319, so the second window has all 64.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (1 + 4 + 1), weights=taps(CENTRE)),
    # Filter 0 alone is there: its PE takes 36 cycles and three for each of its three empty filters.
    Pair("cambricon-x", PLAIN, 28 * 28 * (36 + 3 * 3), weights=filters(0, of=64)),
    Pair("cambricon-x", PLAIN, 28 * 28 * (36 + 3 * 3), {"fetch": "shared"}, filters(0, of=64)),
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (2 + 2 + 1), {"fetch": "shared"}, channels(8)),
    Pair("cambricon-x", IMAGE, 28 * 28 * 4 * ceil(27 / 16)),
    Pair("cambricon-x", STRIDED, 15 * 15 * 3 * ceil(180 / 16)),
    Pair("cambricon-x", POINTWISE, 13 * 13 * 5 * ceil(250 / 16)),
    Pair("cambricon-x", DILATED, 14 * 14 * 2 * ceil(180 / 16)),
    # 500 = 256 + 244.
    Pair("cambricon-x", WIDE, 14 * 14 * 3 * (16 + 16)),
    Pair("cambricon-x", FC, 7 * ceil(250 / 16)),
    Pair("cambricon-x", FC_BATCH, 4 * 5 * (16 + ceil(44 / 16))),
    # 4,096 inputs are twice what half of NBin holds: two chunks or more, in which all PEs take equally long.
    Pair("cambricon-x", Layer.dense("chunks", in_features=4096, out_features=100), 7 * 16 * 16),
    # Groups in flight together: 48 filters are three turns of the PEs, 20 are two.
    Pair("cambricon-x", GROUPS_2, 14 * 14 * 3 * 9),
    Pair("cambricon-x", DEPTHWISE, 12 * 12 * 2 * 1),
    Pair("cambricon-x", BATCH, 3 * 28 * 28 * 4 * (16 + 16 + 4)),
    Pair("cambricon-x", NARROW, 10 * 9 * 2 * (48 // 16)),
    # 100 multipliers take 256 weights in three cycles.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (3 + 3 + 1), {"multipliers_per_pe": 100}),
    # Runs of up to 15 zeros: in each window of 256 the last weight alone stands behind 255 zeros, 15 fillers that stand
    # for 16 each, and with it they are one selection of 16; the third window is empty.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * 3, {"index_bits": 4}, last_of_windows),
    # With three bits the fillers, which stand for 8, are 31: two selections of 16.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (2 + 2 + 1), {"index_bits": 3}, last_of_windows),
]

# Pattern: batches of at most 16 kernels of a channel; min(n * reads + 1, X * reads) cycles for n of X positions, reads
# being the blocks of 16 positions; four arrays take equal parts, behind 8 cycles of fill.

PATTERN = [
    Pair("pattern", PLAIN, 64 * 4 * 9 * 49 // 4 + 8),
    Pair("pattern", IMAGE, 3 * 4 * 9 * 49 // 4 + 8),
    Pair("pattern", STRIDED, 20 * 3 * 9 * 15 // 4 + 8),
    # 1x1 kernels gain nothing: 70 kernels are five batches; 13750 cycles, 3437.5 an array.
    Pair("pattern", POINTWISE, ceil(250 * 5 * 1 * 11 / 4) + 8),
    Pair("pattern", DILATED, 20 * 2 * 9 * 13 // 4 + 8),
    Pair("pattern", WIDE, 20 * 3 * 25 * 13 // 4 + 8),
    Pair("pattern", FC, ceil(250 * 7 / 4) + 8),
    Pair("pattern", FC_BATCH, 4 * (300 * 5 // 4) + 8),
    # Channels have kernels in their own group alone.
    Pair("pattern", GROUPS_2, 32 * 2 * 9 * 13 // 4 + 8),
    Pair("pattern", DEPTHWISE, 20 * 1 * 9 * 9 // 4 + 8),
    # One pattern of four positions.
    Pair("pattern", PLAIN, 64 * 4 * (4 * 49 + 1) // 4 + 8, weights=taps(*PCONV[0])),
    # Four patterns with 16 kernels each in every channel: sorted, each fills a batch.
    Pair("pattern", PLAIN, 64 * 4 * (4 * 49 + 1) // 4 + 8, weights=by_filter(*PCONV)),
    # In the order of the filters each batch has all four, which need five positions together.
    Pair("pattern", PLAIN, 64 * 4 * (5 * 49 + 1) // 4 + 8, {"patterns": 0}, by_filter(*PCONV)),
    # Two patterns that share the centre, 8 kernels each: one batch of 7 positions beats two of 4.
    Pair("pattern", conv("16 filters", 64, 16, 28, 3, padding=1), 64 * (7 * 49 + 1) // 4 + 8,
         weights=by_filter((CENTRE, NORTH, SOUTH, WEST), (CENTRE, (0, 0), (2, 2), (0, 2)))),
    # One weight a kernel; setting the array at no cost; at a cost that exceeds the gain (9 * 49 without).
    Pair("pattern", PLAIN, 64 * 4 * (1 * 49 + 1) // 4 + 8, weights=taps(CENTRE)),
    Pair("pattern", PLAIN, 64 * 4 * (1 * 49) // 4, {"switch_cycles": 0, "fill_cycles": 0}, taps(CENTRE)),
    Pair("pattern", PLAIN, 64 * 4 * 9 * 49 // 4 + 8, {"switch_cycles": 400}, taps(CENTRE)),
    # Channels without weights are left out; so are empty filters: 32 of 64 are two batches.
    Pair("pattern", PLAIN, 32 * 4 * 9 * 49 // 4 + 8, weights=channels(2)),
    Pair("pattern", PLAIN, 64 * 2 * 9 * 49 // 4 + 8, weights=filters(0, of=2)),
    # Channel c on array c mod 4: arrays 0 and 1 have 63 of 250.
    Pair("pattern", POINTWISE, 63 * 5 * 11 + 8, {"reconfigurable": False}),
    # Every fourth channel alone: array 0 has all of the work.
    Pair("pattern", PLAIN, 16 * 4 * 9 * 49 + 8, {"reconfigurable": False}, channels(4)),
    Pair("pattern", BATCH, 3 * (64 * 4 * 9 * 49 // 4) + 8),
    Pair("pattern", NARROW, 16 * 2 * 3 * 6 // 4 + 8),
]  # fmt: skip

# SCNN: for a channel of a group ceil(a / I) * ceil(w / F) steps, and behind the last group its halo sums and then its
# outputs, four a cycle. Earlier drains hide behind the next group's work, which is longer in each pair below.

ONE_WEIGHT = {"weights_per_vector": 1}
"""Vectors of one weight: four activations of a tile of 4 x 4 or less go to four different banks, so nothing waits."""

SCNN = [
    # Tiles of 2 x 2 and 8 channels are 32 sums in 32 banks: no two of the 16 products of a step meet. Groups of 8, the
    # last of 6: two weight vectors each. No halo; 6 * 4 outputs leave.
    Pair("scnn", POINTWISE, 9 * 250 * 1 * 2 + 6 * 4 // 4),
    Pair("scnn", POINTWISE, 9 * 250 * 1 * 2 + 6 * 4 // 4, {"queue_depth": 0}),
    Pair("scnn", POINTWISE, 9 * 125 * 1 * 2 + 6 * 4 // 4, activations=channels(2)),
    # 16 products in two of each of 8 banks, which without queues takes two cycles; the last group's second vector has 8.
    Pair("scnn", POINTWISE, 250 * (8 * 2 * 2 + 2 + 1) + 6, {"accumulator_banks": 8, "queue_depth": 0}),
    # One bank takes a product a cycle, with or without a queue.
    Pair("scnn", POINTWISE, 70 * 250 * 4 + 6, {"accumulator_banks": 1, "queue_depth": 0}),
    Pair("scnn", POINTWISE, 70 * 250 * 4 + 6, {"accumulator_banks": 1}),
    # Tiles of 4 x 4, sums of 6 x 6; (36 - 16) * 8 sums to neighbours, 16 * 8 outputs.
    Pair("scnn", PLAIN, 8 * 64 * 4 * 72 + 40 + 32, ONE_WEIGHT),
    Pair("scnn", IMAGE, 8 * 3 * 4 * 72 + 40 + 32, ONE_WEIGHT),
    # One weight a kernel: 8 zeros between two, so no stored zeros; 4 weights stand 36 sums apart and a row of a tile has
    # 4 activations, so that 16 products meet banks 0 to 15 behind some first one.
    Pair("scnn", PLAIN, 8 * 64 * 4 * 2 + 40 + 32, weights=taps(CENTRE)),
    # Empty channels, of activations or weights, cost nothing.
    Pair("scnn", PLAIN, 8 * 32 * 4 * 2 + 40 + 32, weights=taps(CENTRE), activations=channels(2)),
    Pair("scnn", PLAIN, 8 * 32 * 4 * 72 + 40 + 32, ONE_WEIGHT, channels(2)),
    # One activation in each 4 x 4 tile; at its end 15 zeros stand before it, which a run of 4 bits can tell.
    Pair("scnn", PLAIN, 8 * 64 * 1 * 2 + 40 + 32, weights=taps(CENTRE), activations=grid(4)),
    Pair("scnn", PLAIN, 8 * 64 * 1 * 2 + 40 + 32, weights=taps(CENTRE), activations=grid(4, 3)),
    # The last of a group's 72 weights: 71 zeros before it are four stored zeros and 7; five entries are two vectors.
    Pair("scnn", PLAIN, 8 * 64 * 4 * ceil(5 / 4) + 40 + 32,
         weights=lambda shape: taps((2, 2))(shape) & filters(7, of=8)(shape)),
    # A group's 3 * 4 * 2 steps are fewer than the 72 in which its sums leave, one group's after the other's.
    Pair("scnn", IMAGE, 24 + 8 * 72, weights=taps(CENTRE)),
    # With one copy of the accumulators each group waits until the one before has left.
    Pair("scnn", IMAGE, 8 * (24 + 72), {"accumulator_copies": 1}, taps(CENTRE)),
    # PEs that have activations in even channels and those in odd ones take turns. A channel's block is two vectors; a
    # FIFO with room for two blocks lets all go on side by side, one with room for one makes them wait for each other.
    Pair("scnn", PLAIN, 8 * 32 * 4 * 2 + 72, weights=taps(CENTRE), activations=turns),
    Pair("scnn", PLAIN, 8 * 32 * 4 * 2 + 72, {"weight_fifo_vectors": 4}, taps(CENTRE), turns),
    Pair("scnn", PLAIN, 8 * 64 * 4 * 2 + 72, {"weight_fifo_vectors": 2}, taps(CENTRE), turns),
    # Zeros of activations are stored and multiplied.
    Pair("scnn", PLAIN, 8 * 64 * 4 * 2 + 40 + 32, {"skip": "weights"}, taps(CENTRE), grid(4)),
    # A stride of 2 makes 4 virtual channels of 15 x 15 or less, whose 1 + 2 + 2 + 4 weights a kernel never go to waste;
    # tiles of 2 x 2, sums of 3 x 3: (9 - 4) * 8 and 4 * 8 leave.
    Pair("scnn", STRIDED, 5 * 20 * 1 * 72 + 10 + 8, ONE_WEIGHT),
    # Tiles of 2 x 2, sums of 6 x 6.
    Pair("scnn", DILATED, 3 * 20 * 1 * 72 + 64 + 8, ONE_WEIGHT),
    # 33 filters: four groups of 8 and one of a single filter.
    Pair("scnn", WIDE, 20 * 1 * 33 * 25 + 32 // 4 + 1, ONE_WEIGHT),
    # Tiles of 14 x 14 make 16 x 16 sums, twice the 128 that accumulators hold for each of 8 channels; the fewest parts
    # that fit are three: 5, 5 and 4 rows (7 x 16 sums). 70 and 56 activations are 18 and 14 vectors. Last leave 6 x 16
    # sums: (96 - 56) * 8 to neighbours, 56 * 8 outputs.
    Pair("scnn", conv("parts", 3, 16, 112, 3, padding=1), 2 * 3 * (18 + 18 + 14) * 72 + 80 + 112, ONE_WEIGHT),
    # A filter meets the 16 channels of its own group; sums of 4 x 4.
    Pair("scnn", GROUPS_2, 48 * 16 * 1 * 9 + 24 + 8, ONE_WEIGHT),
    # Output channels are accumulated eight together whatever their groups: 8, 8 and 4. A filter meets one channel.
    Pair("scnn", DEPTHWISE, 20 * 1 * 9 + 4 * (16 - 4) // 4 + 4 * 4 // 4, ONE_WEIGHT),
    # Fully connected: PEs have slices of the filters, one activation at a time: 2, 4 and 10 filters are 1, 1, 3 vectors.
    Pair("scnn", FC, 250 * 1 + 1),
    Pair("scnn", Layer.dense("fc 4", in_features=250, out_features=256), 250 * 1 + 1),
    Pair("scnn", Layer.dense("fc 10", in_features=250, out_features=640), 250 * 3 + ceil(10 / 4)),
    Pair("scnn", Layer.dense("fc 10", in_features=250, out_features=640), 125 * 3 + 3, activations=channels(2)),
    Pair("scnn", FC_BATCH, 4 * 300 * 1 + 1),
    Pair("scnn", BATCH, 3 * 8 * 64 * 4 * 72 + 40 + 32, ONE_WEIGHT),
    # Virtual maps of 10 x 9, tiles of 2 x 2, sums of 3 x 2; the last of three groups has two filters.
    Pair("scnn", NARROW, 18 * 16 * 1 * 3 + 1 + 2, ONE_WEIGHT),
    # One PE alone has activations: it is as slow as all.
    Pair("scnn", PLAIN, 8 * 64 * 4 * 2 + 40 + 32, weights=taps(CENTRE), activations=corner),
]  # fmt: skip

HAND = [
    *DIANNAO, *DADIANNAO, *DCNN, *IDEAL, *EIE, *KGRC, *STRUCTURED, *SYSTOLIC, *ABM, *STACKED, *CAMBRICON_X, *PATTERN, *SCNN,
]  # fmt: skip

# SCNN's kernels of 3x3 with vectors of 4 x 4: neighbouring positions meet neighbouring activations in one bank, and what
# queues of 8 cannot hold is not in the description. 16 products a step meet 32 banks, so there is little to hold.

BOUNDED: list[Pair] = [
    Pair("scnn", PLAIN, 8 * 64 * 4 * 18 + 40 + 32),
    Pair("scnn", IMAGE, 8 * 3 * 4 * 18 + 40 + 32),
    Pair("scnn", STRIDED, 5 * 20 * 1 * (2 + 4 + 4 + 8) + 10 + 8),
    Pair("scnn", DILATED, 3 * 20 * 1 * 18 + 64 + 8),
    Pair("scnn", WIDE, 20 * 1 * (4 * 50 + 7) + 8 + 1),
    Pair("scnn", GROUPS_2, 6 * 16 * 1 * 18 + 24 + 8),
]

GROUPED: list[Pair] = [
    # 16 groups of one channel and one filter fill vectors and neurons; four are left.
    Pair("diannao", DEPTHWISE, 12 * 12 * 9 * ceil(20 / 16)),
    Pair("diannao", DEPTHWISE, 12 * 12 * 9 * 20, {"groups": "alone"}),
    # Four groups of 4 channels and 4 filters fill a round.
    Pair("diannao", conv("eight groups", 32, 32, 14, 3, padding=1, groups=8), 14 * 14 * 9 * (8 // 4)),
    Pair("dadiannao", DEPTHWISE, 12 * 12 * 9 * ceil(20 / 16)),
    Pair("dadiannao", DEPTHWISE, 12 * 12 * 9 * 20, {"groups": "alone"}),
    Pair("dadiannao", conv("eight groups", 32, 32, 14, 3, padding=1, groups=8), 14 * 14 * 9 * (8 // 4)),
    # Three filters a group: five groups have theirs on 16 neurons, the sixth is left.
    Pair("diannao", conv("multiplier", 6, 18, 7, 3, padding=1, groups=6), 7 * 7 * 9 * 2),
    # 8 channels a step: packs of 8, 8 and 4 groups. Lcmpt = 36 * 3 * 2, of 4 filters 36 * 3 * 1; Lout = 4 / 4 * 18.
    Pair("kgrc", DEPTHWISE, 2 * (216 + 216) + (108 + 108) + 18, ALONE),
    Pair("kgrc", DEPTHWISE, 20 * (108 + 108) + 18, {**ALONE, "groups": "alone"}),
    # 14 groups of depth 9 fit 128 rows; six are left.
    Pair("systolic", DEPTHWISE, 126 + (144 + 126 + 14 - 2) + (144 + 54 + 6 - 2)),
    # 14 groups of depth 9 fit 128 rows: 126 rows, 14 columns, twice.
    Pair("systolic", conv("28 depthwise", 28, 28, 12, 3, padding=1, groups=28), 126 + 2 * (144 + 126 + 14 - 2)),
    # One after the other: 9 rows and one column each.
    Pair("systolic", DEPTHWISE, 9 + 20 * (144 + 9 + 1 - 2), {"groups": "alone"}),
]

BACK_TO_BACK = {"fold_overlap": "back_to_back"}

OVERLAPPED: list[Pair] = [
    # Behind the first fold's rows, 784 cycles a fold; the skew of the last, of 64 rows, shows.
    Pair("systolic", PLAIN, 128 + 5 * 784 + (64 + 64 - 2), BACK_TO_BACK),
    Pair("systolic", IMAGE, 27 + 784 + (27 + 64 - 2), BACK_TO_BACK),
    Pair("systolic", POINTWISE, 128 + 2 * 169 + (122 + 70 - 2), BACK_TO_BACK),
    # Output stationary: 6 folds of 128 positions and one of 16, through each of which 576 values pass.
    Pair("systolic", PLAIN, 7 * 576 + (16 + 64 - 2), {**BACK_TO_BACK, "dataflow": "output"}),
]

# Found by derivation where the simulator was wrong, or the description said too little.
HAND += [
    # 70 rows, two in PEs 0 to 5; 4 * 70 results of 4,096 that the register file holds.
    Pair("eie", FC_BATCH, 4 * (3 + 300 * 2 + 4)),
    # Each of 16 output positions is a vector; 16 results a PE, which holds 64.
    Pair("eie", conv("1x1", 32, 64, 4, 1), 16 * (3 + 32 + 4)),
    # A block of 64 rows a PE, and one of a single row.
    Pair("eie", Layer.dense("blocks", in_features=10, out_features=4096 + 64),
         (3 + 10 * 64 + 4 + 64 // 4) + (3 + 10 * 1 + 4 + ceil(1 / 4))),
    # Lcmpt = 49 * 1 * 2 = 98; no store goes before the first tile, which takes 98 + 98; then Lout = 200 binds.
    Pair("kgrc", conv("stores", 8, 64, 14, 1), 98 + 98 + 2 * POINT_OUT, ALONE),
]  # fmt: skip


def _name(pair: Pair) -> str:
    return f"{pair.machine}-{pair.layer.name}"


@pytest.mark.parametrize("pair", HAND, ids=_name)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles


@pytest.mark.parametrize("pair", BOUNDED, ids=_name)
def test_conflicts_add_little_to_the_derived_steps(pair: Pair) -> None:
    assert pair.cycles <= pair.simulated() <= 1.06 * pair.cycles


@pytest.mark.parametrize("pair", GROUPED, ids=_name)
def test_groups_side_by_side_take_the_derived_cycles(pair: Pair) -> None:
    if "groups" not in machine(pair.machine).Spec.model_fields:
        pytest.skip(f"{pair.machine} takes groups one at a time and has no setting for it")
    assert pair.simulated() == pair.cycles


@pytest.mark.parametrize("pair", OVERLAPPED, ids=_name)
def test_folds_back_to_back_take_the_derived_cycles(pair: Pair) -> None:
    if "fold_overlap" not in machine(pair.machine).Spec.model_fields:
        pytest.skip("folds do not overlap and there is no setting for it")
    assert pair.simulated() == pair.cycles


def test_every_machine_has_pairs_of_its_own() -> None:
    pairs = Counter(pair.machine for pair in HAND)
    assert sum(pairs.values()) >= 60
    assert min(pairs.values()) >= 2
