import re
from dataclasses import replace

import numpy as np
import pytest

from dataflows.registry import create
from dataflows.schedule import Cause
from dataflows.truth.products import count_products
from simulator.engine.errors import BooksError
from simulator.network_simulation import MachineRun
from simulator.reports.books import check_books, laws
from tests.conformance.layers import LAYERS, random_trace

SMALL_SRAM = {"sram_bytes": 4096}  # so that all three tensors cross DRAM
BYTES_PER_VALUE = 2  # of the machine below, which stores zeros like other values
BOUND = "cycles are at least each bound"


@pytest.fixture(scope="module")
def books():
    trace = random_trace(LAYERS[0], 0.5, 0.5)
    machine = create("dcnn", SMALL_SRAM)
    return MachineRun(machine).layer(trace), machine.schedule(trace), count_products(trace), machine


def test_honest_books_pass(books):
    report, *_ = books
    assert all(tensor.read_bytes + tensor.write_bytes for tensor in report.dram.tensors.values())
    assert [law for law, holds in laws(*books) if not holds] == []
    check_books(*books)


def tensor(report, name, **changes):
    """The report with one tensor's DRAM figures changed."""
    tensors = report.dram.tensors
    return replace(report, dram=replace(report.dram, tensors=tensors | {name: replace(tensors[name], **changes)}))


def devices(report, **changes):
    """The report with other counts of DRAM's devices."""
    return replace(report, dram=replace(report.dram, activity=replace(report.dram.activity, **changes)))


def one_byte_short(name, key):
    """The report with one byte less of a tensor than the trace needs."""

    def change(report, products):
        values = getattr(products, f"needed_{name}s")
        return tensor(report, name, **{key: values * BYTES_PER_VALUE - 1})

    return change


def moved(report, key, cycles):
    """The report with some PE-cycles booked under another cause than imbalance."""
    stack = report.pe_cycle_stack
    return replace(report, pe_cycle_stack=stack | {key: stack[key] + cycles, "imbalance": stack["imbalance"] - cycles})


COOKED = [
    (lambda r, _: replace(r, cycles=r.cycles + 1), "causes sum to PEs x cycles"),
    (lambda r, _: moved(r, "memory", r.pe_cycle_stack["imbalance"] + 1), "no cause is negative"),
    (lambda r, _: moved(r, "busy", 1), "all busy cycles of the schedule were played"),
    (lambda r, _: moved(r, "busy", -1), "all busy cycles of the schedule were played"),
    (lambda r, _: replace(r, issued_macs=r.issued_macs + 1), "every product of the machine's kind is issued once"),
    (lambda r, _: replace(r, issued_macs=r.multipliers * r.cycles + 1), "utilization lies between 0 and 1"),
    (lambda r, _: replace(r, issued_macs=-1), "utilization lies between 0 and 1"),
    (lambda r, _: replace(r, weight_macs=r.dense_macs + 1), "effectual <= weight <= dense products"),
    (lambda r, _: replace(r, weight_macs=r.effectual_macs - 1), "effectual <= weight <= dense products"),
    (lambda r, _: replace(r, effectual_macs=r.issued_macs + 1), "every effectual product is issued"),
    (lambda r, _: tensor(r, "weight", read_bytes=1), "DRAM carries what was scheduled"),
    (one_byte_short("input", "read_bytes"), "the input tensor crosses DRAM whole or not at all"),
    (one_byte_short("weight", "read_bytes"), "the weight tensor crosses DRAM whole or not at all"),
    (one_byte_short("output", "write_bytes"), "the output tensor crosses DRAM whole or not at all"),
    (lambda r, _: tensor(r, "weight", burst_bytes=1), "bursts cover the bytes"),
    (lambda r, _: devices(r, read_bursts=0), "bursts that DRAM moved or forwarded are all"),
    (lambda r, _: devices(r, activates=10**9), "rows are opened for requests"),
    (lambda r, _: replace(r, dram=replace(r.dram, efficiency=1.01)), "achieved bandwidth is at most peak"),
    (lambda r, _: replace(r, bounds=replace(r.bounds, compute_cycles=r.cycles + 1)), BOUND),
    (lambda r, _: replace(r, bounds=replace(r.bounds, fullest_pe_cycles=r.cycles + 1)), BOUND),
    (lambda r, _: replace(r, bounds=replace(r.bounds, memory_cycles=r.cycles + 1)), BOUND),
    (lambda r, _: replace(r, barrier_busy_cycles=0), "load imbalance lies between 1 and the PEs"),
    (lambda r, _: replace(r, barrier_busy_cycles=r.pes * r.cycles), "load imbalance lies between 1 and the PEs"),
]


@pytest.mark.parametrize(("change", "law"), COOKED)
def test_a_cooked_book_is_refused_and_the_law_named(books, change, law):
    report, *rest = books
    products = rest[1]
    with pytest.raises(BooksError, match=re.escape(law)):
        check_books(change(report, products), *rest)


def damaged(schedule, name, change):
    """The schedule with one entry of an array changed: the first tile in which a PE is busy."""
    array = getattr(schedule, name).copy()
    tile, pe = np.argwhere(schedule.cycles[:, :, Cause.BUSY])[0]
    place = (tile, pe, Cause.BUSY) if name == "cycles" else (tile, pe)
    array[place] = change(array[place])
    return replace(schedule, **{name: array})


DAMAGED = [
    ("issued", lambda products: products - 1, "every product of the machine's kind is issued once"),
    ("issued", lambda products: 100 * products, "and on no more lanes than there are"),
    ("cycles", lambda busy: 100 * busy, "a busy cycle issues a product on one lane at least"),
    ("cycles", lambda busy: busy - 1, "and on no more lanes than there are"),
]


@pytest.mark.parametrize(("name", "change", "law"), DAMAGED)
def test_a_damaged_schedule_is_noticed_when_it_is_played(books, monkeypatch, name, change, law):
    trace = random_trace(LAYERS[0], 0.5, 0.5)
    machine = create("dcnn", SMALL_SRAM)
    schedule = damaged(books[1], name, change)
    monkeypatch.setattr(type(machine), "schedule", lambda *_: schedule)
    with pytest.raises(BooksError, match=re.escape(law)):
        MachineRun(machine).layer(trace)


@pytest.mark.parametrize("which", ["loads", "stores"])
def test_transfers_lost_by_a_schedule_are_noticed_when_it_is_played(books, monkeypatch, which):
    trace = random_trace(LAYERS[0], 0.5, 0.5)
    machine, schedule = create("dcnn", SMALL_SRAM), books[1]
    runs = getattr(schedule, which)
    few = replace(runs, size_bytes=np.maximum(1, runs.size_bytes // 8))
    monkeypatch.setattr(type(machine), "schedule", lambda *_: replace(schedule, **{which: few}))
    with pytest.raises(BooksError, match="crosses DRAM whole or not at all"):
        MachineRun(machine).layer(trace)


def test_every_law_is_broken_by_a_case_above(books):
    cases = {law for _, law in COOKED} | {law for *_, law in DAMAGED}
    assert {law for law, _ in laws(*books)} == cases
