"""SCALE-Sim's COMPUTE_REPORT.csv of a run, so that scripts made for it read our results.

Source of the columns: scale-sim-v2, COMPUTE_REPORT. Total cycles include stalls; overall utilization is issued products
over multipliers and total cycles, compute utilization the same without the stalled cycles. A stall is waiting for DRAM
or for room in a buffer, here the mean over PEs; mapping efficiency is the share of PE-cycles, stalls left out, in which
a PE had work mapped.
"""

from __future__ import annotations

from simulator.reports.report import LayerReport, NetworkReport

COLUMNS = ("LayerID", "Total Cycles", "Stall Cycles", "Overall Util %", "Mapping Efficiency %", "Compute Util %")


def to_compute_report(report: NetworkReport) -> str:
    """The text of the file: a header and a row a layer, each line ending with a comma as SCALE-Sim writes it."""
    rows = [COLUMNS, *(_row(number, layer) for number, layer in enumerate(report.layers))]
    return "".join(", ".join(map(str, row)) + ",\n" for row in rows)


def _row(number: int, layer: LayerReport) -> tuple[int | float, ...]:
    stack = layer.pe_cycle_stack
    stalled = stack["memory"] + stack["buffer"]
    # The stack counts PE-cycles; SCALE-Sim has one number for the whole array, hence the mean over PEs.
    # Example: 4 PEs that wait 30, 30, 30 and 10 cycles stall for 25.
    stall_cycles = round(stalled / layer.pes)
    # PE-cycles that are no stall. A layer that only waits has none, and nothing to divide by.
    computing = layer.pes * layer.cycles - stalled
    mapping = 1 - stack["unmapped"] / computing if computing else 0.0
    # Products over multipliers x (cycles without stalls), where those cycles are computing / pes.
    compute = layer.issued_macs * layer.pes / (layer.multipliers * computing) if computing else 0.0
    return number, layer.cycles, stall_cycles, 100 * layer.utilization, 100 * mapping, 100 * compute
