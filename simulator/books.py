"""The conservation laws that every run must obey; a report that breaks one is never shown."""

from __future__ import annotations

from dataflows.schedule import Cause, LayerSchedule
from simulator.errors import BooksError
from simulator.report import LayerReport


def check_books(report: LayerReport, schedule: LayerSchedule) -> None:
    """Raise `BooksError`, naming every law that is broken with its two sides, when a report does not balance."""
    stack, dram, bounds = report.pe_cycle_stack, report.dram, report.bounds
    busy = stack[Cause.BUSY.key]
    laws = [
        ("causes sum to PEs x cycles", sum(stack.values()) == report.pes * report.cycles),
        ("no cause is negative", min(stack.values()) >= 0),
        (
            "busy x lanes = issued + fragmented",
            busy * schedule.lanes_per_pe == report.issued_macs + report.fragmented_lanes,
        ),
        ("fragmented lanes are not negative", report.fragmented_lanes >= 0),
        ("every product of the machine's kind is issued once", report.issued_macs == schedule.expected_issued),
        ("utilization lies between 0 and 1", 0 <= report.utilization <= 1),
        ("effectual <= weight <= dense products", report.effectual_macs <= report.weight_macs <= report.dense_macs),
        ("every effectual product is issued", report.effectual_macs <= report.issued_macs),
        ("DRAM carries the compulsory bytes", dram.total_bytes >= schedule.compulsory_bytes),
        ("bursts cover the bytes", dram.all.wasted_bytes >= 0),
        ("achieved bandwidth is at most peak", dram.efficiency <= 1),
        ("cycles are at least each bound", report.cycles >= bounds.largest),
        ("load imbalance lies between 1 and the PEs", 1 - 1e-9 <= report.load_imbalance <= report.pes + 1e-9),
    ]
    broken = [law for law, holds in laws if not holds]
    if broken:
        raise BooksError(f"layer '{report.name}': the books do not balance: {'; '.join(broken)}; {report}")
