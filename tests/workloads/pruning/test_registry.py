"""All prunings together: texts, chains, formats, and every built-in network."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.pruning.cases import conv, example_texts, random_weights, workload
from workloads import formats
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.network import network_names
from workloads.pruning import Chain, available_prunings, kept, parse, prunings, storage_format

TEXTS = [*example_texts(), "lowrank:ratio=2+channel:density=0.5,scope=global+quantize"]
REMOVING = ("filter:density=0.5", "channel:density=0.5")  # layers are smaller
KEEPING = ("lowrank", "quantize")  # methods that remove no weight


def small(network, count=5):
    """The network's layers of fewest weights, in their places."""
    order = sorted(network.sources, key=lambda source: source.layer.weight_count)
    return replace(network, sources=tuple(source for source in network.sources if source in order[:count]))


@pytest.mark.parametrize("text", TEXTS)
def test_parse_reads_what_str_writes(text):
    pruning = parse(text)
    assert parse(str(pruning)) == pruning
    assert pickle.loads(pickle.dumps(pruning)) == pruning


QUICK = ("mobilenet-v1",)  # layers of all kinds but three dimensions


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in network_names()]
)
def test_every_method_runs_on_every_network(name):
    network = small(load_workload(name))
    tables = [f"{scheme}:table={name}" for scheme in ("kgr", "kgc", "kgrc") if name in ("c3d", "r2plus1d-18")]
    for text in (*TEXTS, *tables):
        pruned = network.prune(parse(text))
        assert pruned.sources
        for source in pruned.sources:
            found = kept(source, 0)
            assert 0 <= found.density <= 1
            assert formats.parse(found.storage_format).name == found.storage_format.partition(":")[0]


@given(text=st.sampled_from(TEXTS), groups=st.sampled_from([1, 2]), seed=st.integers(0, 20))
def test_the_suggested_format_stores_every_layer(text, groups, seed):
    layers = [conv(6 * groups, 4 * groups, (3, 3), groups, name="a"), conv(4 * groups, 8, (1, 1), name="b")]
    network = workload(*((layer, random_weights(layer, "float32", 1, seed)) for layer in layers)).prune(parse(text))
    for source in network.sources:
        weights = source.weight_array(0)
        chosen = formats.parse(storage_format(source, 0))
        assert np.array_equal(chosen.decode(chosen.encode(weights)), weights)


@pytest.mark.parametrize(
    "text", [text for text in TEXTS if text.partition(":")[0] not in KEEPING and text not in REMOVING]
)
def test_nothing_comes_back_and_the_rest_is_unchanged(text):
    network = workload(*((layer, random_weights(layer, "float32", 0.6, 3)) for layer in (conv(8, 8), conv(8, 8))))
    pruned = network.prune(parse(text))
    for index in range(2):
        before, after = network.trace(index).weights, pruned.trace(index).weights
        assert np.array_equal(np.where(after != 0, before, 0), after)
        if index or not text.startswith("channel"):  # the first layer's channels are the image's
            assert np.count_nonzero(after) < np.count_nonzero(before)
        if not text.startswith("channel"):  # nothing writes some channels any more
            assert np.array_equal(pruned.trace(index).activations, network.trace(index).activations)


def test_a_chain_prunes_what_the_one_before_left():
    chain = parse("kernel:density=0.5+nm:n=1,m=2+quantize:bits=4")
    assert isinstance(chain, Chain)
    assert str(chain) == "kernel:density=0.5+nm:n=1,m=2+quantize:bits=4,activation_bits=0"
    layer = conv(8, 8)
    network = workload((layer, random_weights(layer, "float32", 1, 0)))
    one_by_one = network
    for pruning in chain.prunings:
        one_by_one = one_by_one.prune(pruning)
    assert np.array_equal(network.prune(chain).trace(0).weights, one_by_one.trace(0).weights)
    found = kept(network.prune(chain).sources[0], 0)
    assert list(found.facts) == ["kernel", "nm", "quantize"]
    assert found.storage_format == chain.storage_format(layer) == "nm:n=1,m=2,value_bits=4"
    alone = chain.keep(layer, network.trace(0).weights, np.random.default_rng(0))
    assert alone.sum() <= round(0.5 * 64) * 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nm+filtr:density=0.5", "unknown pruning 'filtr': did you mean 'filter'?"),
        ("filter:density=1e+0", None),
        ("nm+", "unknown pruning '': known: "),
        ("", "unknown pruning '': known: "),
    ],
)
def test_chains_are_cut_where_a_pruning_starts(text, message):
    if message is None:
        assert parse(text) == parse("filter:density=1.0")
        return
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "kernel", "expected"),
    [
        ("shape:density=0.5+pattern", (3, 3), "pattern:n=4,patterns=4"),
        ("shape:density=0.5+pattern", (1, 1), "shape"),
        ("shape:density=0.5+lowrank:ratio=2", (3, 3), "dense"),
        ("quantize:bits=6+shape:density=0.5", (1, 1), "shape:value_bits=6"),
        ("pattern", (1, 1), "dense"),
    ],
)
def test_the_format_of_a_chain(text, kernel, expected):
    assert parse(text).storage_format(conv(16, 16, kernel)) == expected
    layer = conv(16, 16, kernel)
    source = parse(text).apply(workload((layer, np.ones(layer.weight_shape, bool))).sources)[0]
    assert storage_format(source, 0) == expected


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("unstructured:density=1", {"fewest_in_a_filter": 72, "most": 72}),
        ("filter:density=0.5", {"channels": 8, "of_channels": 8, "filters": 4, "of_filters": 4}),
        ("shape:density=0.5", {"columns": 36, "of": 72}),
        ("kernel:density=0.5,balance=filter", {"kernels": 32, "fewest_in_a_filter": 4, "most": 4}),
        ("vector:density=0.5", {"vectors": 96, "of": 192}),
        ("block:density=0.5,filters=4,channels=2", {"blocks": 4, "of": 8}),
        ("nm", {"groups": 144, "fewest_in_a_group": 2, "most": 2}),
        ("nm:n=1,m=16", {"groups": 0}),
        ("aap:orientation=filters", {"groups": 72, "fewest_in_a_group": 2, "most": 2}),
        ("kgr:density=0.5", {"groups": 1, "most_rows": 4, "most_columns": 9}),
        ("kgrc:rows=0.5,columns=0.33,group=4", {"groups": 4, "most_rows": 2, "most_columns": 3}),
        ("rt3d:density=1", {"groups": 1, "fewest_positions": 9, "most": 9}),
        ("rt3d:density=1,scheme=vanilla", {"blocks": 1, "of": 1}),
        ("pattern:set=111000000", {"patterns": 1, "kernels": 64, "fewest_in_a_filter": 8, "most": 8}),
    ],
)
def test_what_was_kept(text, facts):
    layer = conv(8, 8)
    network = workload((layer, np.ones(layer.weight_shape, bool))).prune(parse(text))
    found = kept(network.sources[0], 0)
    assert found.facts == {text.partition(":")[0]: facts}
    assert found.density == network.trace(0).weight_density


def test_the_list_names_methods_keys_and_the_literature():
    entries = {entry.name: entry for entry in available_prunings()}
    assert list(entries) == list(prunings())
    assert "n=2: weights that stay in a group" in entries["nm"].description
    assert "Kang, TCSVT 2020" in entries["aap"].literature
