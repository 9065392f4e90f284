"""How many words a vector has, by what numba is told of the processor."""

import pytest

from dataflows.kernels.processor import lane_count


@pytest.mark.parametrize(
    ("settings", "lanes"),
    [
        ({"NUMBA_CPU_FEATURES": "+avx2,+avx512f"}, 16),
        ({"NUMBA_CPU_FEATURES": "+avx2,-avx512f"}, 8),
        ({"NUMBA_CPU_FEATURES": "", "NUMBA_CPU_NAME": "haswell"}, 8),
        ({"NUMBA_CPU_NAME": "generic"}, 8),
    ],
)
def test_lanes_follow_the_processor(settings, lanes, monkeypatch):
    for name in ("NUMBA_CPU_FEATURES", "NUMBA_CPU_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    lane_count.cache_clear()
    try:
        assert lane_count() == lanes
    finally:
        lane_count.cache_clear()
