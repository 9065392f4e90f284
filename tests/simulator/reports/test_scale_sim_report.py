"""`--scale-sim`: a run in the columns of SCALE-Sim's COMPUTE_REPORT."""

import csv
import json
from dataclasses import replace

import pytest

from dataflows.registry import create
from simulator.network_simulation import simulate
from simulator.reports.scale_sim import to_compute_report
from workloads.catalog import load_workload

CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"


def test_a_topology_goes_in_and_a_compute_report_comes_out(cli, tmp_path):
    (tmp_path / "net.csv").write_text(CONV + "c1,16,16,3,3,8,16,1,\nc2,14,14,1,1,16,4,2,\n")
    files = ("--scale-sim", tmp_path / "COMPUTE_REPORT.csv", "--json", tmp_path / "r.json")
    assert cli("run", tmp_path / "net.csv", "--on", "systolic", *files).code == 0
    text = (tmp_path / "COMPUTE_REPORT.csv").read_text()
    header, *rows = csv.reader(text.splitlines(), skipinitialspace=True)
    wanted = "LayerID, Total Cycles, Stall Cycles, Overall Util %, Mapping Efficiency %, Compute Util %,"
    assert text.splitlines()[0] == wanted
    layers = json.loads((tmp_path / "r.json").read_text())["layers"]
    for number, (row, layer) in enumerate(zip(rows, layers, strict=True)):
        values = dict(zip(header, row, strict=True))
        stack, pe_cycles = layer["pe_cycle_stack"], layer["pes"] * layer["cycles"]
        stalled = stack["memory"] + stack["buffer"]
        assert (int(values["LayerID"]), int(values["Total Cycles"])) == (number, layer["cycles"])
        assert int(values["Stall Cycles"]) == round(stalled / layer["pes"])
        assert float(values["Overall Util %"]) == pytest.approx(100 * layer["utilization"])
        share = 100 * (pe_cycles - stalled - stack["unmapped"]) / (pe_cycles - stalled)
        assert float(values["Mapping Efficiency %"]) == pytest.approx(share)
        peak = layer["multipliers"] * (layer["cycles"] - stalled / layer["pes"])
        assert float(values["Compute Util %"]) == pytest.approx(100 * layer["issued_macs"] / peak)


def test_stalls_are_waiting_for_memory_and_for_room_and_utilizations_leave_them_out():
    """4 PEs of 2 multipliers, 100 cycles: 400 PE-cycles, of which 100 stall and 30 of the other 300 are unmapped."""
    (report,) = simulate([create("dcnn")], load_workload("blazepose").select("op003*"))
    stack = dict.fromkeys(report.layers[0].pe_cycle_stack, 0) | {
        "busy": 270,
        "unmapped": 30,
        "memory": 60,
        "buffer": 40,
    }
    layer = replace(report.layers[0], cycles=100, pes=4, multipliers=8, issued_macs=300, pe_cycle_stack=stack)
    waiting = replace(layer, issued_macs=0, pe_cycle_stack=dict.fromkeys(stack, 0) | {"memory": 400})
    rows = to_compute_report(replace(report, layers=(layer, waiting))).splitlines()[1:]
    # 300 products in 75 cycles without stalls of 8 multipliers are half of what these could do, 0.375 of all 100 cycles.
    assert [float(cell) for cell in rows[0].rstrip(",").split(", ")] == [0, 100, 25, 37.5, 90, 50]
    assert [float(cell) for cell in rows[1].rstrip(",").split(", ")] == [1, 100, 100, 0, 0, 0]


def test_a_file_that_cannot_be_written(cli, tmp_path):
    result = cli("run", "blazepose", "--on", "ideal", "--scale-sim", tmp_path / "none" / "c.csv")
    assert result.code == 2
    assert "no such folder" in result.err
