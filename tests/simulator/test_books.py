import re
from dataclasses import replace

import numpy as np
import pytest

from dataflows.registry import create
from simulator.books import check_books
from simulator.errors import BooksError
from simulator.network_simulation import MachineRun
from tests.conformance.layers import LAYERS, random_trace


@pytest.fixture(scope="module")
def books():
    trace = random_trace(LAYERS[0], 0.5, 0.5)
    machine = MachineRun(create("dcnn"))
    return machine.layer(trace), machine.accelerator.schedule(trace)


def test_honest_books_pass(books):
    check_books(*books)


def weights(report, **changes):
    """The report's DRAM figures with those of the weights changed."""
    tensors = report.dram.tensors
    return replace(report.dram, tensors=tensors | {"weight": replace(tensors["weight"], **changes)})


@pytest.mark.parametrize(
    ("change", "law"),
    [
        (lambda r: replace(r, cycles=r.cycles + 1), "causes sum to PEs x cycles"),
        (lambda r: replace(r, fragmented_lanes=r.fragmented_lanes - 1), "busy x lanes = issued + fragmented"),
        (lambda r: replace(r, issued_macs=r.issued_macs + 1), "every product of the machine's kind is issued once"),
        (lambda r: replace(r, effectual_macs=r.issued_macs + 1), "every effectual product is issued"),
        (lambda r: replace(r, weight_macs=r.dense_macs + 1), "effectual <= weight <= dense products"),
        (lambda r: replace(r, dram=weights(r, read_bytes=0)), "DRAM carries the compulsory bytes"),
        (lambda r: replace(r, dram=weights(r, burst_bytes=1)), "bursts cover the bytes"),
        (lambda r: replace(r, dram=replace(r.dram, efficiency=1.01)), "achieved bandwidth is at most peak"),
        (lambda r: replace(r, bounds=replace(r.bounds, memory_cycles=r.cycles + 1)), "cycles are at least each bound"),
        (lambda r: replace(r, barrier_busy_cycles=0), "load imbalance lies between 1 and the PEs"),
    ],
)
def test_a_cooked_book_is_refused_and_the_law_named(books, change, law):
    report, schedule = books
    with pytest.raises(BooksError, match=re.escape(law)):
        check_books(change(report), schedule)


def test_products_lost_by_a_tile_are_noticed(books):
    _, schedule = books
    issued = schedule.issued.copy()
    issued[0, 0] -= 1
    assert issued.sum() != schedule.expected_issued
    assert np.array_equal(schedule.issued.sum(), schedule.expected_issued)
