from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.errors import InputError
from workloads.layer import Layer
from workloads.pruning import Pruning, available_prunings, parse, prunings, whole
from workloads.pruning.methods.unstructured.unstructured import Unstructured
from workloads.source import Drawn, DrawnBatch, LayerSource
from workloads.workload import Workload

LAYER = Layer.conv("conv", in_channels=4, out_channels=8, input_size=(5, 5), kernel_size=3)


@dataclass(frozen=True)
class Held:
    held: np.ndarray

    def array(self, shape, stream):
        del stream
        return self.held.reshape(shape)


def small(weights=None):
    held = Drawn(1.0) if weights is None else Held(weights)
    return Workload("small", (LayerSource(0, LAYER, held, DrawnBatch(1.0)),))


def keep(weights, density, seed=0):
    return Unstructured(density).keep(LAYER, weights, np.random.default_rng(seed))


@given(density=st.floats(0, 1), kept=st.floats(0, 1), seed=st.integers(0, 1000))
def test_masks_keep_an_exact_count_and_never_get_a_weight_back(density, kept, seed):
    mask = np.random.default_rng(seed).random(LAYER.weight_shape) < kept
    result = keep(mask, density, seed)
    assert result.sum() == min(round(density * mask.size), mask.sum())
    assert not np.any(result & ~mask)
    assert np.array_equal(result, keep(mask, density, seed))


@given(density=st.floats(0, 1), dtype=st.sampled_from([np.int8, np.float16, np.float32]), seed=st.integers(0, 1000))
def test_values_keep_the_largest_ties_going_to_the_first(density, dtype, seed):
    weights = np.random.default_rng(seed).integers(-128, 128, LAYER.weight_shape).astype(dtype)
    sizes = np.abs(weights.astype(np.int64)).reshape(-1)
    order = sorted(range(sizes.size), key=lambda i: (-sizes[i], i))
    expected = np.zeros(sizes.size, bool)
    expected[order[: round(density * sizes.size)]] = True
    assert np.array_equal(keep(weights, density).reshape(-1), expected & (sizes > 0))


def test_a_dense_mask_is_pruned_by_the_seed():
    dense = np.ones(LAYER.weight_shape, bool)
    first, second = keep(dense, 0.25, 1), keep(dense, 0.25, 2)
    assert first.sum() == second.sum() == 72
    assert not np.array_equal(first, second)


def test_parse_reads_what_str_writes():
    pruning = parse("unstructured:density=0.3")
    assert pruning == Unstructured(0.3)
    assert parse(str(pruning)) == pruning


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unstructured:density=1.2", "pruning 'unstructured': density = 1.2: must be a number between 0 and 1"),
        ("unstructured:density=-0.2", "pruning 'unstructured': density = -0.2: must be a number between 0 and 1"),
        ("unstructured:density=nan", "pruning 'unstructured': density = nan: must be a number between 0 and 1"),
        ("unstructured:density=half", "pruning 'unstructured': density = 'half': must be a number between 0 and 1"),
        ("unstructured:density", "pruning 'unstructured': 'density' must have the form KEY=VALUE"),
        ("unstructured", "pruning 'unstructured': key 'density' is missing: must be a number between 0 and 1"),
        ("unstructured:densty=0.3", "pruning 'unstructured': unknown key 'densty': did you mean 'density'?"),
        ("unstructued:density=0.3", "unknown pruning 'unstructued': did you mean 'unstructured'?"),
    ],
)
def test_a_wrong_text_is_refused(text, message):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.fixture
def toy():
    @dataclass(frozen=True)
    class Toy(Pruning):
        name: ClassVar[str] = "toy"
        title: ClassVar[str] = "keeps the first filters"
        filters: int = whole("filters that stay", 1, 8, default=2)

        def keep(self, layer, weights, rng):
            del layer, rng
            return (weights != 0) & (np.arange(len(weights)) < self.filters)[:, None, None, None]

    yield Toy
    del Pruning.registry["toy"]


def test_a_new_pruning_needs_a_name_its_options_and_a_rule(toy):
    assert parse("toy") == toy(2)
    pruned = small().prune(parse("toy:filters=3")).trace(0)
    assert pruned.weights.any((1, 2, 3)).tolist() == [True] * 3 + [False] * 5
    with pytest.raises(InputError) as caught:
        parse("toy:filters=1.5")
    assert str(caught.value) == "pruning 'toy': filters = '1.5': must be a whole number between 1 and 8"
    assert "filters that stay" in {entry.name: entry.description for entry in available_prunings()}["toy"]


def test_values_that_stay_are_unchanged():
    weights = np.linspace(-1, 1, LAYER.weight_count, dtype=np.float32).reshape(LAYER.weight_shape)
    pruned = small(weights).prune(Unstructured(0.5)).trace(0).weights
    assert pruned.dtype == np.float32
    assert np.array_equal(pruned, np.where(keep(weights, 0.5), weights, 0))


def test_every_pruning_is_listed_with_its_keys():
    listed = available_prunings()
    assert [entry.name for entry in listed] == list(prunings())
    assert any(entry.name == "unstructured" and "density" in entry.description for entry in listed)
