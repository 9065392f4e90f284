import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.pruning.cases import conv, layers, random_weights, workload
from workloads.catalog import load_workload
from workloads.pruning import parse


@given(
    found=st.lists(layers(), min_size=1, max_size=4), kind=st.sampled_from(["float32", "int8", "float16"]),
    sparse=st.sampled_from([0.0, 0.5, 1.0]), density=st.floats(0, 1),
)  # fmt: skip
def test_values_keep_the_largest_of_the_network_with_an_exact_total(found, kind, sparse, density):
    held = [random_weights(layer, kind, sparse, seed) for seed, layer in enumerate(found)]
    network = workload(*zip(found, held, strict=True)).prune(parse(f"unstructured:density={density},scope=global"))
    kept = [network.trace(index).weight_mask for index in range(len(found))]
    every = np.concatenate([np.abs(own.astype(np.float64)).reshape(-1) for own in held])
    order = sorted(range(every.size), key=lambda i: (-every[i], i))[: round(density * every.size)]
    expected = np.zeros(every.size, bool)
    expected[order] = True
    assert np.array_equal(np.concatenate([own.reshape(-1) for own in kept]), expected & (every > 0))


@given(seed=st.integers(0, 50), density=st.floats(0, 1))
def test_masks_keep_the_same_share_of_every_layer_with_an_exact_total(seed, density):
    found = [conv(4, 6), conv(6, 9, (1, 1)), conv(9, 5)]
    held = [random_weights(layer, "mask", 0.8, seed + place) for place, layer in enumerate(found)]
    held[2] = held[2].astype(np.float32)  # one layer with values changes nothing
    network = workload(*zip(found, held, strict=True)).prune(parse(f"unstructured:density={density},scope=global"))
    kept = [network.trace(index).weight_nonzeros for index in range(3)]
    nonzeros = [int(np.count_nonzero(own)) for own in held]
    total = min(round(density * sum(own.size for own in held)), sum(nonzeros))
    assert sum(kept) == total
    for count, own in zip(kept, nonzeros, strict=True):
        assert count == pytest.approx(own * total / sum(nonzeros), abs=1)


def test_the_shipped_network_is_pruned_further_as_a_whole():
    network = load_workload("blazepose")
    pruned = network.prune(parse("unstructured:density=0.2,scope=global"))
    total = sum(layer.weight_count for layer in network.layers)
    assert sum(pruned.trace(index).weight_nonzeros for index in range(len(network.layers))) == round(0.2 * total)
