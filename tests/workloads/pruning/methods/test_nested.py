import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.pruning.cases import cases, conv, kept_of, random_weights
from workloads import formats
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.pruning import kept, parse
from workloads.pruning.methods.nested import Nested, StackedStorage, separate_bits, stacked_bits, stored_codes
from workloads.pruning.methods.unstructured.unstructured import Unstructured

LEVELS = "0.1/0.25/0.6"


@given(case=cases(), seed=st.integers(0, 99))
def test_levels_lie_inside_one_another_with_exact_counts(case, seed):
    layer, weights = case
    masks = [kept_of(Nested(LEVELS, level), layer, weights, seed) for level in (1, 2, 3)]
    for small, large in itertools.pairwise(masks):
        assert not np.any(small & ~large)
    nonzeros = np.count_nonzero(weights)
    assert [mask.sum() for mask in masks] == [min(round(d * weights.size), nonzeros) for d in (0.1, 0.25, 0.6)]
    assert np.array_equal(kept_of(Nested(LEVELS), layer, weights, seed), masks[2])
    codes = Nested(LEVELS).level_codes(weights, np.random.default_rng(seed))
    for level, mask in enumerate(masks, start=1):
        assert np.array_equal((codes > 0) & (codes <= level), mask)


def test_levels_of_values_hold_the_largest():
    layer = conv(8, 8)
    weights = random_weights(layer, "float32", 1, 0)
    assert np.array_equal(kept_of(Nested(LEVELS, 2), layer, weights), kept_of(Unstructured(0.25), layer, weights))


def test_levels_of_a_workload_nest_for_one_seed():
    traces = [load_workload("alexnet").prune(parse(f"nested:levels={LEVELS},level={n}")).trace(2) for n in (1, 2, 3)]
    for small, large in itertools.pairwise(traces):
        assert not np.any(small.weights & ~large.weights)
    assert kept(load_workload("alexnet").prune(parse(f"nested:levels={LEVELS},level=1")).sources[2], 0).facts == {
        "nested": {"level": 1, "of": 3}
    }


def test_a_stored_copy_has_the_codes_of_all_levels():
    network = load_workload("alexnet").prune(parse("kernel:density=0.9"))
    levels = [network.prune(parse(f"nested:levels={LEVELS},level={n}")).sources[2] for n in (1, 2, 3)]
    codes = [stored_codes(source, 0) for source in levels]
    for level, source in enumerate(levels, start=1):
        assert np.array_equal(codes[level - 1], codes[0])
        assert np.array_equal((codes[0] > 0) & (codes[0] <= level), source.weight_array(0))
    with pytest.raises(InputError) as caught:
        stored_codes(network.sources[2], 0)
    assert str(caught.value) == "layer 'conv3': its last pruning is not 'nested', it has no levels"


def test_bits_by_the_formulas():
    assert separate_bits([0.1, 0.25, 0.6], 16, 4) == pytest.approx(0.95 * 20)
    assert stacked_bits([0.1, 0.25, 0.6], 16, 4) == pytest.approx(0.6 * 22)
    assert stacked_bits([0.3], 8, 4) == separate_bits([0.3], 8, 4)


@pytest.mark.parametrize("text", ["csr", "bitmap", "relative:index_bits=4", "relative:index_bits=8"])
def test_bits_counted_from_encodings(text):
    layer = conv(64, 32, (3, 3))
    codes = Nested(LEVELS).level_codes(random_weights(layer, "mask", 1, 0), np.random.default_rng(0))
    chosen = formats.parse(text)
    storage = StackedStorage.count(codes, chosen)
    encodings = [chosen.encode(np.isin(codes, range(1, level + 1))) for level in (1, 2, 3)]
    assert storage.separate == sum(encoding.bits for encoding in encodings)
    assert storage.coded == encodings[2].bits + 2 * encodings[2].entries
    assert storage.sectioned == sum(chosen.encode(codes == level).bits for level in (1, 2, 3))
    assert storage.coded < storage.separate


def test_fillers_carry_a_level_code_as_non_zeros_do():
    """Two non-zeros ten places apart, gaps of at most 3: two fillers lie between them, four entries of 16 + 2 + 1 bits."""
    codes = np.zeros((1, 1, 3, 4), np.uint8)
    codes[0, 0, 0, 0], codes[0, 0, 2, 2] = 1, 2
    chosen = formats.parse("relative:index_bits=2,value_bits=16")
    assert chosen.encode(codes > 0).entries == 4
    assert StackedStorage.count(codes, chosen).coded == 4 * (16 + 2 + 1)


def test_counted_bits_come_near_the_formulas_where_an_entry_has_a_fixed_width():
    layer = conv(64, 64, (3, 3))
    codes = Nested(LEVELS).level_codes(np.ones(layer.weight_shape, bool), np.random.default_rng(0))
    storage = StackedStorage.count(codes, formats.parse("relative:index_bits=8,value_bits=16"))
    levels = [round(d * codes.size) / codes.size for d in (0.1, 0.25, 0.6)]
    assert storage.separate / codes.size == pytest.approx(separate_bits(levels, 16, 8), rel=1e-6)
    assert storage.coded / codes.size == pytest.approx(stacked_bits(levels, 16, 8), rel=1e-6)


def test_nothing_kept_takes_nothing():
    assert StackedStorage.count(np.zeros((2, 2, 3, 3), np.uint8), formats.parse("bitmap")) == StackedStorage(0, 0, 0)


@pytest.mark.parametrize("levels", ["", "0.5/0.2", "0/0.5", "0.5/1.5", "0.5/half", "nan", "/".join(["0.5"] * 2)])
def test_wrong_levels_are_refused(levels):
    with pytest.raises(InputError) as caught:
        Nested(levels)
    assert str(caught.value) == (
        f"pruning 'nested': levels = {levels}: must be 1 to 16 rising densities above 0 and up to 1, joined by /, "
        "such as 0.1/0.25/0.5"
    )


def test_a_level_beyond_the_last_is_refused():
    with pytest.raises(InputError) as caught:
        parse("nested:levels=0.1/0.5,level=3")
    assert str(caught.value) == "pruning 'nested': level = 3: must be at most 2"
