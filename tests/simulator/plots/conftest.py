"""A sweep that tests of several kinds of plots draw."""

import pytest

from tests.simulator.plots.sweep_rows import sweep_row


@pytest.fixture
def sweep() -> list[dict]:
    return [sweep_row("scnn", d, seed) for seed in (0, 1) for d in (0.8, 0.2, 0.4)]
