"""Cycles do not depend on the processor: kernels compiled for others than this one, each in a process of its own."""

import os
import platform
import subprocess
import sys

import pytest

import dataflows.machines.scnn.tile_work
from tests.dataflows.machines.scnn.processors import digest


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the processors here are of this kind")
@pytest.mark.parametrize(
    ("name", "features"),
    [
        pytest.param("haswell", "", id="AVX2"),
        pytest.param("x86-64-v2", "", id="SSE4"),
        pytest.param("generic", "", id="SSE2, the least there is"),
    ],
)
def test_other_processors_count_the_same_cycles(name, features, tmp_path, monkeypatch):
    compiled_for = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "PRUNESIM_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.dataflows.machines.scnn.processors"]
    other = subprocess.run(command, env={**os.environ, **compiled_for}, capture_output=True, text=True, check=True)
    # The generic kernels, which have no lanes and are held against the slow twin.
    monkeypatch.setattr(dataflows.machines.scnn.tile_work, "fits_planes", lambda _: False)
    monkeypatch.setattr(dataflows.machines.scnn.tile_work, "fits_tables", lambda _: False)
    assert other.stdout.split() == ["8", digest()]
