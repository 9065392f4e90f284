"""The compiled event loop against simpy's on random machines and layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dataflows.registry import create, machines
from simulator.configuration import merge
from simulator.engine.errors import CapacityError
from tests.conformance.test_laws import random_layer, random_settings, random_trace
from tests.simulator.engine.compiled.equal import both_layers
from workloads.errors import PrunesimError

DRAWS = 80  # of each machine, most of which it can run


@pytest.mark.slow
@pytest.mark.parametrize("name", machines())
def test_equal_on_random_machines_and_layers(name: str) -> None:
    compared = 0
    for number in range(DRAWS):
        random = np.random.default_rng([1501, number])
        trace = random_trace(random_layer(random), random)
        settings: dict[str, Any] = {}
        for key, value in random_settings(name, random).items():
            merge(settings, key, value)
        merge(settings, "write_back", str(random.choice(["overlapped", "blocking"])))
        try:
            machine = create(name, settings)
            if machine.refusal(trace.layer):
                continue
            schedule = machine.schedule(trace)
            spec = machine.spec
            compiled, events = both_layers(
                schedule, spec.dram, spec.clock_hz, spec.write_back, spec.buffers.bytes_per_cycle
            )
        except (PrunesimError, ValueError, CapacityError):
            continue
        assert compiled == events, (settings, trace.layer)
        compared += 1
    assert compared > DRAWS / 4
