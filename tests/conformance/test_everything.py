"""Every machine with every pruning on every built-in network: it runs with balanced books, or is refused with a reason."""

from itertools import cycle, islice, product

import pytest

from dataflows.registry import create, machines
from simulator.network_simulation import MachineRun
from tests.workloads.pruning.cases import example_texts
from workloads import pruning
from workloads.catalog import load_workload
from workloads.errors import PrunesimError
from workloads.network import network_names
from workloads.workload import Workload

NETWORKS = [name for name in network_names() if "@" not in name]
PRUNINGS = {text.partition(":")[0]: text for text in reversed(example_texts())}  # the first example of each
PAIRS = list(product(NETWORKS, PRUNINGS))
QUICK = set(islice(zip(cycle(NETWORKS), cycle(PRUNINGS), strict=False), 6))
"""A few pairs of all; the others are slow."""


def smallest_layers(workload: Workload) -> Workload:
    """The cheapest layer of each kernel size, so that a whole network's kinds of layers take milliseconds."""
    chosen: dict[tuple, int] = {}
    for index, layer in enumerate(workload.layers):
        key = (layer.kernel_size, layer.groups > 1, layer.fully_connected)
        if key not in chosen or layer.dense_macs < workload.layers[chosen[key]].dense_macs:
            chosen[key] = index
    cheap = sorted(chosen.values(), key=lambda index: workload.layers[index].dense_macs)[:2]
    return Workload(workload.name, tuple(workload.sources[index] for index in cheap), workload.seed)


@pytest.mark.parametrize(
    ("network", "method"), [pair if pair in QUICK else pytest.param(*pair, marks=pytest.mark.slow) for pair in PAIRS]
)
def test_every_machine_runs_or_refuses(network, method):
    pruned = smallest_layers(load_workload(network)).prune(pruning.parse(PRUNINGS[method]))
    ran = 0
    for index, layer in enumerate(pruned.layers):
        trace = pruned.trace(index)
        for name in machines():
            machine = create(name)
            if machine.refusal(layer) is None:
                MachineRun(machine).layer(trace)
                ran += 1
            else:
                with pytest.raises(PrunesimError, match=f"^{name} cannot run layer '"):
                    machine.require(layer)
    assert ran >= 5, "the dense machines at least run everything"
