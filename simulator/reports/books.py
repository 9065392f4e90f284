"""The conservation laws that every run must obey; a report that breaks one is never shown.

Each compares two counts that do not follow from one another: of the machine's tiles with the trace's, of the schedule
with what was played, of the report with its bounds. What is true by definition is no law: `fragmented_lanes` is what
busy cycles leave of issued products, and a schedule's `compulsory_bytes` come from the file that makes its transfers.
"""

from __future__ import annotations

from dataflows.accelerator import Accelerator
from dataflows.expected import ExpectedWork
from dataflows.schedule import Cause, LayerSchedule, Tensor
from dataflows.truth.products import ProductCounts
from simulator.engine.errors import BooksError
from simulator.reports.dram_report import DramReport
from simulator.reports.energy_books import energy_laws
from simulator.reports.network_inputs import NetworkInputs
from simulator.reports.network_total import NetworkTotal
from simulator.reports.report import LayerReport, Measures

_ONE_LANE = "a busy cycle issues a product on one lane at least"
_NO_MORE_LANES = "and on no more lanes than there are"


def check_books(
    report: LayerReport, schedule: LayerSchedule, products: ProductCounts, accelerator: Accelerator
) -> None:
    """Raise `BooksError`, naming every law that is broken with its two sides, when a report does not balance."""
    require_laws(report, laws(report, schedule, products, accelerator))


def check_network(network: NetworkTotal, alone: Measures, *, moved_bytes: int, compulsory_bytes: int) -> None:
    """Raise `BooksError` when the run of a network does not balance.

    alone             the total of its layers, each by itself
    moved_bytes, compulsory_bytes   of all schedules that were played
    """
    found = network_laws(network, alone, moved_bytes=moved_bytes, compulsory_bytes=compulsory_bytes)
    _require("network", network, found)


def check_inputs(inputs: NetworkInputs, pes: int, *, busy_cycles: int, moved_bytes: int) -> None:
    """Raise `BooksError` when inputs that follow one another do not balance.

    busy_cycles, moved_bytes   of the same inputs, each on an idle machine
    """
    _require("inputs", inputs, input_laws(inputs, pes, busy_cycles=busy_cycles, moved_bytes=moved_bytes))


def require_laws(report: LayerReport, found: list[tuple[str, bool]]) -> None:
    """Raise `BooksError` that names those laws of a report that do not hold."""
    _require(f"layer '{report.name}'", report, found)


def _require(what: str, report: object, found: list[tuple[str, bool]]) -> None:
    # All laws are looked at, for several broken ones together say more about the fault than the first.
    broken = [law for law, holds in found if not holds]
    if broken:
        raise BooksError(f"{what}: the books do not balance: {'; '.join(broken)}; {report}")


def network_laws(
    network: NetworkTotal, alone: Measures, *, moved_bytes: int, compulsory_bytes: int
) -> list[tuple[str, bool]]:
    """Every law of a network's run, and whether it holds."""
    spans, busy = network.layers, Cause.BUSY.key
    moved = network.read_bytes + network.write_bytes
    edges = [0, *(edge for span in spans for edge in (span.start_cycle, span.end_cycle)), network.cycles]
    return [
        # 0 | 0 10 | 10 10 | 10 25 | 25: every second step is from an end to the next start, which are one.
        ("spans follow one another from 0 to the end", edges[::2] == edges[1::2] and edges == sorted(edges)),
        (
            "causes of each span sum to PEs x its cycles",
            all(sum(span.pe_cycle_stack.values()) == alone.pes * span.cycles for span in spans),
        ),
        ("causes sum to PEs x cycles", sum(network.pe_cycle_stack.values()) == alone.pes * network.cycles),
        ("no cause is negative", all(min(span.pe_cycle_stack.values()) >= 0 for span in spans)),
        ("PEs are as busy as in the layers alone", network.pe_cycle_stack[busy] == alone.pe_cycle_stack[busy]),
        ("DRAM carries what was scheduled", moved == moved_bytes),
        ("what must cross DRAM does", moved >= compulsory_bytes),
        ("cycles are at least each bound", network.cycles >= network.bounds.largest),
    ]


def input_laws(inputs: NetworkInputs, pes: int, *, busy_cycles: int, moved_bytes: int) -> list[tuple[str, bool]]:
    """Every law of inputs that follow one another, and whether it holds."""
    starts, dones = [span.start_cycle for span in inputs.each], [span.done_cycle for span in inputs.each]
    stack = inputs.pe_cycle_stack
    return [
        ("inputs start one after the other, from 0 on", starts[0] == 0 and starts == sorted(starts)),
        ("every input is done behind its start", all(a <= b for a, b in zip(starts, dones, strict=True))),
        ("the run ends with its last input", max(dones) == inputs.cycles),
        ("causes sum to PEs x cycles", sum(stack.values()) == pes * inputs.cycles),
        ("no cause is negative", min(stack.values()) >= 0),
        ("PEs are as busy as with each input alone", stack[Cause.BUSY.key] == busy_cycles),
        ("DRAM carries what it does for each input alone", inputs.read_bytes + inputs.write_bytes == moved_bytes),
    ]


def laws(
    report: LayerReport, schedule: LayerSchedule, products: ProductCounts, accelerator: Accelerator
) -> list[tuple[str, bool]]:
    """Every law, and whether it holds."""
    scheduled_bytes = schedule.loads.total_bytes + schedule.stores.total_bytes
    busy, issued = schedule.cycles[:, :, Cause.BUSY], schedule.issued
    return [
        *_laws_of_any_model(report),
        ("all busy cycles of the schedule were played", report.pe_cycle_stack[Cause.BUSY.key] == int(busy.sum())),
        (_ONE_LANE, bool((busy <= issued).all())),
        (_NO_MORE_LANES, bool((issued <= busy * schedule.lanes_per_pe).all())),
        ("every product of the machine's kind is issued once", report.issued_macs == schedule.expected_issued),
        ("DRAM carries what was scheduled", report.dram.total_bytes == scheduled_bytes),
        *_whole_tensors(report, products, accelerator),
        ("bursts cover the bytes", report.dram.all.wasted_bytes >= 0),
        *_devices(report.dram),
        ("achieved bandwidth is at most peak", report.dram.efficiency <= 1),
        *_laws_of_energy(report),
    ]


def _devices(dram: DramReport) -> list[tuple[str, bool]]:
    """What the devices did, beside what tensors carried."""
    activity, carried = dram.activity, dram.all
    return [
        ("bursts that DRAM moved or forwarded are all", activity.bursts * activity.burst_bytes == carried.burst_bytes),
        # Fewer rows than requests that found none of theirs: a row that one closed may be opened for an older one of
        # the other direction.
        ("rows are opened for requests", activity.activates <= carried.row_misses + carried.row_conflicts),
    ]


def _laws_of_energy(report: LayerReport) -> list[tuple[str, bool]]:
    if report.energy is None:
        return []
    return energy_laws(
        report.energy,
        slots=report.multipliers * report.cycles,
        issued_macs=report.issued_macs,
        effectual_macs=report.effectual_macs,
    )


def expected_laws(report: LayerReport, work: ExpectedWork) -> list[tuple[str, bool]]:
    """The laws of a report that holds expectations, and whether they hold: all that speak of no schedule or memory."""
    return [
        *_laws_of_any_model(report),
        # Expectations are no whole numbers, so that the last digits of equal ones may differ.
        (_ONE_LANE, bool((work.busy <= work.issued * (1 + 1e-9)).all())),
        (_NO_MORE_LANES, bool((work.issued <= work.busy * work.lanes_per_pe * (1 + 1e-9)).all())),
    ]


def _laws_of_any_model(report: LayerReport) -> list[tuple[str, bool]]:
    stack = report.pe_cycle_stack
    return [
        ("causes sum to PEs x cycles", sum(stack.values()) == report.pes * report.cycles),
        ("no cause is negative", min(stack.values()) >= 0),
        ("utilization lies between 0 and 1", 0 <= report.utilization <= 1),
        ("effectual <= weight <= dense products", report.effectual_macs <= report.weight_macs <= report.dense_macs),
        ("every effectual product is issued", report.effectual_macs <= report.issued_macs),
        ("cycles are at least each bound", report.cycles >= report.bounds.largest),
        # The only law with a tolerance: the imbalance is a quotient of floats, which may miss 1 or the PEs by a
        # rounding.
        ("load imbalance lies between 1 and the PEs", 1 - 1e-9 <= report.load_imbalance <= report.pes + 1e-9),
    ]


def _whole_tensors(report: LayerReport, products: ProductCounts, accelerator: Accelerator) -> list[tuple[str, bool]]:
    """A tensor that crosses DRAM at all does so with every value that the trace says is needed."""
    # Bits on both sides: 8 x bytes moved, since values of 4 or 6 bits do not fill bytes.
    # Five values of 6 bits are 30 bits, for which 4 bytes have room.
    bits = accelerator.spec.value_bits
    tensors = report.dram.tensors
    sides = {
        Tensor.INPUT: (tensors[Tensor.INPUT.key].read_bytes, products.needed_inputs * bits),
        Tensor.WEIGHT: (
            tensors[Tensor.WEIGHT.key].read_bytes,
            products.needed_weights * accelerator.least_weight_bits(),
        ),
        Tensor.OUTPUT: (tensors[Tensor.OUTPUT.key].write_bytes, products.needed_outputs * bits),
    }
    return [
        (f"the {tensor.key} tensor crosses DRAM whole or not at all", not moved or 8 * moved >= needed_bits)
        for tensor, (moved, needed_bits) in sides.items()
    ]
