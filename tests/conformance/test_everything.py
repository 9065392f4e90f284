"""Every machine with every pruning on every built-in network: it runs with balanced books, or is refused with a reason."""

import pytest

from dataflows.registry import create, machines
from simulator.network_simulation import MachineRun
from workloads import pruning
from workloads.catalog import load_workload
from workloads.errors import PrunesimError
from workloads.network import network_names
from workloads.workload import Workload

NETWORKS = [name for name in network_names() if "@" not in name]
PRUNINGS = {
    "unstructured": "unstructured:density=0.3",
    "filter": "filter:density=0.5",
    "channel": "channel:density=0.5",
    "shape": "shape:density=0.5",
    "kernel": "kernel:density=0.5,balance=filter",
    "pattern": "pattern:set=pconv,connectivity=0.5",
    "vector": "vector:density=0.5",
    "block": "block:density=0.5",
    "nm": "nm:n=2,m=4",
    "aap": "aap",
    "kgr": "kgr:density=0.5",
    "kgc": "kgc:density=0.5",
    "kgrc": "kgrc:rows=0.5,columns=0.5",
    "rt3d": "rt3d:density=0.5",
    "lowrank": "lowrank:ratio=2",
    "nested": "nested:levels=0.2/0.5,level=1",
    "quantize": "quantize:bits=4",
}


def smallest_layers(workload: Workload) -> Workload:
    """The cheapest layer of each kernel size, so that a whole network's kinds of layers take milliseconds."""
    chosen: dict[tuple, int] = {}
    for index, layer in enumerate(workload.layers):
        key = (layer.kernel_size, layer.groups > 1, layer.fully_connected)
        if key not in chosen or layer.dense_macs < workload.layers[chosen[key]].dense_macs:
            chosen[key] = index
    cheap = sorted(chosen.values(), key=lambda index: workload.layers[index].dense_macs)[:2]
    return Workload(workload.name, tuple(workload.sources[index] for index in cheap), workload.seed)


def test_the_table_above_has_every_pruning():
    assert set(PRUNINGS) == {entry.name for entry in pruning.available_prunings()}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("method", PRUNINGS)
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
