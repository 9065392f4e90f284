"""A fold on an array in SystemVerilog: its product, and the n + r + c - 2 cycles of the description."""

from pathlib import Path

import numpy as np
import pytest

from dataflows.machines.systolic.array_folds import Folds
from tests.rtl import icarus

HERE = Path(__file__).parent

pytestmark = icarus.needed


def compare(seed: int, folder: Path) -> None:
    """One fold of random size, its sums or its weights staying."""
    generator = np.random.default_rng(seed)
    passing, rows, columns = (int(n) for n in generator.integers(1, 9, 3))
    sums_stay = seed % 2
    left = generator.integers(-999, 1000, (passing, rows))
    other = generator.integers(-999, 1000, (passing if sums_stay else rows, columns))
    values = {"ROWS": rows, "COLUMNS": columns, "SUMS_STAY": sums_stay, "N": passing}
    sources, stimuli = [HERE / "systolic.sv", HERE / "bench.sv"], map(str, [*left.ravel(), *other.ravel()])
    *lines, last = icarus.printed(sources, values, stimuli, folder)
    expected = left.T @ other if sums_stay else left @ other
    product = np.zeros_like(expected)
    assert len(lines) == product.size
    for line in lines:
        row, column, total = map(int, line.split())
        product[row, column] = total
    np.testing.assert_array_equal(product, expected)
    fold = Folds(1, *(np.array(n) for n in (passing, columns, rows, rows, rows)))
    assert int(last.removeprefix("cycles ")) == fold.passing + fold.skew(rows)


@pytest.mark.parametrize("seed", range(6))
def test_a_fold(seed: int, tmp_path: Path) -> None:
    compare(seed, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(6, 306))
def test_many_folds(seed: int, tmp_path: Path) -> None:
    compare(seed, tmp_path)
