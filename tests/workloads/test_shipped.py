"""Networks that ship beside blazepose: a face detector, pruned and not, and hand landmarks."""

import numpy as np
import pytest

from workloads.catalog import SHIPPED, load_workload

# Layers, dense MACs, non-zero weights, and layers with at most 60 % of their weights.
FACTS = {
    "blazeface-sparse": (91, 117_188_352, 176_276, 46),
    "blazeface": (89, 105_671_232, 506_092, 0),
    "blazehand": (51, 330_968_800, 1_714_613, 15),
}


@pytest.mark.parametrize("name", FACTS)
def test_what_a_shipped_network_holds(name):
    workload = load_workload(name)
    layers, macs, weights, pruned = FACTS[name]
    assert (workload.name, len(workload.layers)) == (name, layers)
    assert sum(layer.dense_macs for layer in workload.layers) == macs
    traces = [workload.trace(index) for index in range(layers)]
    assert all(trace.weights.dtype == trace.activations.dtype == np.bool_ for trace in traces)
    assert sum(trace.weight_nonzeros for trace in traces) == weights
    assert sum(trace.weight_density < 0.6 for trace in traces) == pruned
    dense = [trace.activation_density == 1 for trace in traces]
    assert dense == [not source.reads_relu for source in workload.sources]
    assert workload.graph is not None
    assert [node.name for node in workload.graph.layers] == [layer.name for layer in workload.layers]


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_small_and_says_whose_it_is(name):
    path = SHIPPED[name]
    assert path.stat().st_size < 1_000_000
    notice = path.with_suffix(".NOTICE").read_text()
    assert notice.startswith(f"{path.name} is derived from ")
    assert "The MediaPipe Authors. Licensed under the Apache License, Version 2.0" in notice
    assert "Apache" in load_workload(name).origin
