"""SIGMA's schedule against the slow twin, bit for bit, over random small machines and layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.sigma.sigma import Sigma, SigmaSpec
from dataflows.machines.sigma.traffic import TILES_AT_MOST
from dataflows.schedule import CAUSES
from tests.dataflows.machines.sigma.twin import twin
from tests.dataflows.small_layers import DENSITIES, small_traces
from workloads.layer import Layer
from workloads.trace import LayerTrace


@st.composite
def specs(draw, stationary=("weights", "inputs")):
    return SigmaSpec(
        stationary=draw(st.sampled_from(stationary)),
        groups=draw(st.sampled_from(["packed", "packed", "alone"])),
        pes=draw(st.integers(1, 4)),
        multipliers_per_pe=draw(st.integers(1, 9) | st.integers(60, 70)),
        load_words_per_cycle=draw(st.integers(1, 20) | st.just(128)),
        stream_words_per_cycle=draw(st.integers(1, 6) | st.just(16384)),
        distribution_cycles=draw(st.integers(0, 2)),
        multiply_cycles=draw(st.integers(0, 2)),
        level_cycles=draw(st.integers(0, 2)),
    )


@st.composite
def products(draw):
    """Products of matrices, of which rows and columns are more than a word has bits, and those of two activations."""
    rows, depth, columns = (draw(st.integers(1, 9) | st.integers(60, 70)) for _ in range(3))
    if draw(st.booleans()):
        layer = Layer.dense("random", in_features=depth, out_features=columns, batch=rows)
    else:
        layer = Layer.product("random", heads=draw(st.integers(1, 2)), rows=rows, depth=depth, columns=columns, batch=2)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = random.random(layer.weight_shape) < draw(DENSITIES)
    return LayerTrace(layer, weights, random.random(layer.input_shape) < draw(DENSITIES))


def by_tile(folds):
    """Folds (folds, ...) joined as tiles are; a tile without a fold where there is none."""
    if not len(folds):
        return np.zeros((1, *folds.shape[1:]), np.int64)
    return np.add.reduceat(folds, np.arange(0, len(folds), -(-len(folds) // TILES_AT_MOST)))


@pytest.mark.twin
@given(small_traces(many_groups=True) | products(), specs())
def test_every_fold_of_sigma_equals_the_twin(trace, spec):
    schedule = Sigma(spec).schedule(trace)
    cycles, issued = twin(spec, trace.layer, trace.weight_mask, trace.activation_mask)
    assert cycles.shape[1:] == (spec.pes, CAUSES)
    np.testing.assert_array_equal(schedule.cycles, by_tile(cycles))
    np.testing.assert_array_equal(schedule.issued, by_tile(issued))
    assert schedule.expected_issued == issued.sum()


@pytest.mark.twin
@given(small_traces(many_groups=True), specs(["auto"]))
def test_auto_takes_the_operand_of_fewer_cycles_where_memory_never_waits(trace, spec):
    spec = spec.model_copy(update={"dram": spec.dram.model_copy(update={"bandwidth_gbs": float("inf")})})
    weights, inputs = (
        twin(spec.model_copy(update={"stationary": stays}), trace.layer, trace.weight_mask, trace.activation_mask)[0]
        for stays in ("weights", "inputs")
    )
    fewer = inputs if inputs[:, 0].sum() < weights[:, 0].sum() else weights
    np.testing.assert_array_equal(Sigma(spec).schedule(trace).cycles, by_tile(fewer))
