"""Written machines as descriptions: cycles by cause and products of every PE, bit for bit, on random layers.

What no description holds is set aside in the written machine: convolution groups packed into lanes or in flight
together (`groups`), fillers of long runs (`index_bits`, `run_bits`), EIE's last arithmetic stages and its blocks of
rows, Cnvlutin's dense first layer, pairs of SparTen's anew for each chunk, cycles in which the structured machine fills
and drains, DCNN's layers of a single position, which it spreads otherwise, and of the 2:4 cores all but one core's steps.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflows.registry import create
from dataflows.schedule import Cause, LayerSchedule
from tests.project import ROOT
from workloads.layer import Layer
from workloads.trace import LayerTrace

EXAMPLES = ROOT / "examples" / "machines"
MOST = 1 << 24


@dataclass(frozen=True)
class Pair:
    described: str
    written: str
    settings: dict[str, Any]
    own: dict[str, Any] = field(default_factory=dict[str, Any])
    pointwise: bool = False
    groups: bool = True


PAIRS = [
    Pair("diannao", "diannao", {"groups": "alone"}),
    Pair("dadiannao", "dadiannao", {"groups": "alone"}),
    Pair("dcnn", "dcnn", {}),
    Pair("cambricon-x", "cambricon-x", {}, groups=False),
    Pair("eie", "eie", {"run_bits": 16, "arithmetic_cycles": 0, "accumulators_per_pe": MOST}, pointwise=True),
    Pair("cnvlutin", "cnvlutin", {"groups": "alone"}),
    Pair("sparten", "sparten", {"balancing": "gb-s"}),
    Pair("sparten", "sparten", {"balancing": "none", "barrier": "window"},
         {"balance": "none", "synchronization": {"columns": "output"}}),
    Pair("sparten", "sparten", {"balancing": "none", "chunks_of": "window", "chunk": 48, "least_chunk_cycles": 2},
         {"balance": "none", "skip": {"window": 48, "spans": "kernel", "least_cycles": 2}}),
    Pair("sparten", "sparten", {"skips": "weights", "balancing": "gb-s"}, {"skip": {"operand": "weights"}}),
    Pair("sparten", "sparten", {"skips": "inputs"}, {"balance": "none", "skip": {"operand": "activations"}}),
    Pair("sparten", "sparten", {"skips": "neither"}, {"balance": "none", "skip": {"operand": "none"}}),
    Pair("structured", "structured", {"fill_cycles": 0, "drain_entries_per_cycle": MOST}),
]  # fmt: skip


@st.composite
def layers(draw: st.DrawFn, *, pointwise: bool, groups: bool) -> Layer:
    kernel = 1 if pointwise else draw(st.integers(1, 3))
    number = draw(st.sampled_from([1, 1, 2, 3])) if groups else 1
    return Layer.conv(
        "random",
        in_channels=number * draw(st.integers(1, 70)),
        out_channels=number * draw(st.integers(1, 70)),
        input_size=(draw(st.integers(kernel, 8)), draw(st.integers(kernel, 8))),
        kernel_size=kernel,
        stride=draw(st.integers(1, 2)),
        padding=0 if pointwise else draw(st.integers(0, 1)),
        groups=number,
        batch=draw(st.integers(1, 2)),
    )


def trace_of(layer: Layer, seed: int, *, never_empty: bool = False) -> LayerTrace:
    random = np.random.default_rng(seed)
    densities = random.choice([0.0, 0.1, 0.3, 0.6, 1.0], 3)
    # Columns without any weight, too, as shape-wise pruning leaves them.
    columns = random.random((1, *layer.weight_shape[1:])) < max(densities[2], 0.3)
    weights = (random.random(layer.weight_shape) < densities[0]) & columns
    # The structured machine drains the sums of a layer without weights, too.
    weights[:, 0] |= never_empty
    return LayerTrace(layer, weights, random.random(layer.input_shape) < densities[1])


def by_pe(schedule: LayerSchedule) -> np.ndarray:
    """Cycles by PE and cause, with the waits at the ends of tiles that the simulation would add."""
    cycles = schedule.cycles.copy()
    own = cycles.sum(axis=2)
    waits = own.max(axis=1, keepdims=True) - own
    cycles[..., Cause.IMBALANCE] += np.where(own > 0, waits, 0)
    cycles[..., Cause.UNMAPPED] += np.where(own > 0, 0, waits)
    return cycles.sum(axis=0)


def assert_alike(described: LayerSchedule, written: LayerSchedule) -> None:
    assert described.pe_grid == written.pe_grid
    np.testing.assert_array_equal(described.issued.sum(axis=0), written.issued.sum(axis=0))
    np.testing.assert_array_equal(by_pe(described), by_pe(written))
    assert described.expected_issued == written.expected_issued


@pytest.mark.twin
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.described} {pair.own or ''}")
@given(data=st.data())
def test_a_description_costs_what_the_written_machine_costs(pair, data):
    layer, seed = data.draw(layers(pointwise=pair.pointwise, groups=pair.groups)), data.draw(st.integers(0, 2**32))
    assume(pair.written != "dcnn" or math.prod(layer.output_size) > 1)
    trace = trace_of(layer, seed, never_empty=pair.written == "structured")
    described = create(str(EXAMPLES / f"{pair.described}.toml"), pair.own).schedule(trace)
    written = create(pair.written, pair.settings).schedule(trace)
    if pair.described == "cambricon-x":
        # It cuts its tiles by rounds of filters where the SBs are too small, and PEs meet there.
        assert described.pe_grid == written.pe_grid
        own = [Cause.BUSY, Cause.INDEX]
        np.testing.assert_array_equal(described.cycles[..., own].sum(axis=0), written.cycles[..., own].sum(axis=0))
        np.testing.assert_array_equal(described.issued.sum(axis=0), written.issued.sum(axis=0))
    else:
        assert_alike(described, written)


@given(data=st.data())
def test_windows_that_all_pes_take_together_wait_as_a_shared_fetch_does(data):
    trace = trace_of(data.draw(layers(pointwise=False, groups=False)), data.draw(st.integers(0, 2**32)))
    described = create(str(EXAMPLES / "cambricon-x.toml"), {"synchronization": {"columns": "step"}}).schedule(trace)
    written = create("cambricon-x", {"fetch": "shared"}).schedule(trace)
    one, other = by_pe(described), by_pe(written)
    # Who has no filter left in the last round waits there, and has none here.
    for cycles in (one, other):
        cycles[:, Cause.IMBALANCE] += cycles[:, Cause.UNMAPPED]
    np.testing.assert_array_equal(one[:, : Cause.UNMAPPED], other[:, : Cause.UNMAPPED])


@given(channels=st.integers(1, 3), filters=st.integers(1, 70), size=st.integers(3, 7), seed=st.integers(0, 2**32),
       dense=st.booleans())  # fmt: skip
def test_a_core_of_2_4_weights_takes_the_steps_of_a_tensor_core(channels, filters, size, seed, dense):
    layer = Layer.conv("core", in_channels=32 * channels, out_channels=filters, input_size=(size, size), kernel_size=3)
    random = np.random.default_rng(seed)
    weights = random.random(layer.weight_shape)
    groups = weights.reshape(filters, -1, 4, 9)
    kept = np.argsort(np.argsort(groups, axis=2), axis=2) < (3 if dense else 2)
    trace = LayerTrace(layer, kept.reshape(layer.weight_shape), random.random(layer.input_shape) < 0.5)
    described = create(str(EXAMPLES / "two-of-four.toml")).schedule(trace)
    settings = {"cores": 1, "tile_fill_cycles": 0, "shared_bytes_per_cycle": MOST}
    assert_alike(described, create("tensor-core", settings).schedule(trace))


def test_descriptions_are_short():
    for path in EXAMPLES.glob("*.toml"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 30, path.name
