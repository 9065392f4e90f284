"""A PE in SystemVerilog selects, multiplies and counts as the rules of windows say: every window, cycle by cycle."""

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from dataflows.machines.cambricon_x.index_windows import WindowCounts, window_edges
from tests.rtl import icarus

HERE = Path(__file__).parent
SUM_REGISTERS = 1  # between the last cycle of a window and its sum

pytestmark = icarus.needed


def stored(row: np.ndarray, index_bits: int) -> list[tuple[int, int]]:
    """Steps and values of a window (inputs,): a run of zeros too long for its bits has stored zeros as fillers."""
    entries: list[tuple[int, int]] = []
    zeros = 0
    for value in row:
        if value:
            entries.append((zeros, int(value)))
            zeros = 0
        elif zeros == 2**index_bits - 1:
            entries.append((zeros, 0))
            zeros = 0
        else:
            zeros += 1
    while entries and entries[-1][1] == 0:  # no weight follows that would need it
        entries.pop()
    return entries


def play(windows: list[tuple[np.ndarray, np.ndarray]], selected: int, window: int, index_bits: int) -> np.ndarray:
    """Busy cycles, index cycles, sum and lateness of the sum, int64 (windows, 4), of weights and neurons (inputs,)."""
    lines = [str(len(windows))]
    for weights, neurons in windows:
        entries = stored(weights, index_bits)
        held = np.zeros(window, int)
        held[: len(neurons)] = neurons
        lines.append(" ".join(map(str, [len(entries), *(part for entry in entries for part in entry), *held])))
    parameters = {"SELECTED": selected, "WINDOW": window, "INDEX_BITS": index_bits}
    with TemporaryDirectory() as folder:
        found = icarus.printed([HERE / "cambricon_x.sv", HERE / "bench.sv"], parameters, lines, Path(folder))
    return np.array([line.split() for line in found], np.int64)


def compare(generator: np.random.Generator, selected: int, window: int, index_bits: int) -> None:
    """Filters of any density, cut both ways: cycles by cause as counted, sums as multiplied."""
    filters, channels, taps = 3, int(generator.integers(1, 2 * window)), int(generator.integers(1, 5))
    weights = generator.integers(-99, 100, (filters, channels, taps))
    weights[generator.random(weights.shape) >= generator.choice([0, 0.05, 0.3, 1])] = 0
    neurons = generator.integers(-999, 1000, channels * taps)
    lists = weights.transpose(0, 2, 1).reshape(filters, -1)
    for spans in ("kernel", "position"):
        edges = window_edges(channels, taps, window, spans)
        counts = WindowCounts.of((weights != 0).astype(np.uint8), edges, selected=selected, index_bits=index_bits)
        parts = [slice(*pair) for pair in pairwise(edges.tolist())]
        played = play([(row[part], neurons[part]) for row in lists for part in parts], selected, window, index_bits)
        busy, index, sums, late = played.T.reshape(4, filters, len(parts))
        np.testing.assert_array_equal(busy, counts.busy)
        np.testing.assert_array_equal(index, counts.index)
        np.testing.assert_array_equal(sums, [[row[part] @ neurons[part] for part in parts] for row in lists])
        assert (late == SUM_REGISTERS).all()


@pytest.mark.skipif(shutil.which("verilator") is None, reason="Verilator is not installed")
def test_lint() -> None:
    subprocess.run(["verilator", "--lint-only", "-Wall", HERE / "cambricon_x.sv"], check=True)


def test_a_pe_of_the_paper() -> None:
    """16 of 256."""
    compare(np.random.default_rng(1), 16, 256, 8)


@pytest.mark.parametrize("seed", range(6))
def test_small_pes_with_fillers(seed: int) -> None:
    compare(np.random.default_rng(seed), *[(2, 6, 1), (4, 16, 2), (3, 16, 1)][seed % 3])


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(300))
def test_many_pes(seed: int) -> None:
    generator = np.random.default_rng(seed)
    window = int(generator.integers(2, 40))
    compare(generator, int(generator.integers(1, window + 1)), window, int(generator.integers(1, 7)))
