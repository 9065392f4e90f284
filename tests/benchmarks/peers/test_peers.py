"""Other simulators: what they say is read, what is missing is said; small made-up outputs of the documented shapes."""

import json
import stat
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.peers import __main__ as command
from benchmarks.peers import dnnsim, dramsim3, ramulator, scale_sim
from benchmarks.peers.dram import Replayed
from benchmarks.peers.peer import HEAD, Comparison, Peer, timed
from workloads.layer import Layer
from workloads.trace import LayerTrace

# A read of line 5 and a write of line 2^11: under RoBaBgCo column 5 of row 0, and column 0 of row 1.
TWO = Replayed(
    "two M1", "RoBaBgCo", np.array([5 * 64, 2048 * 64]), np.array([False, True]), seconds=0.5, clocks=100, activates=2,
    their_clocks=200,
)  # fmt: skip


def program(path, text):
    """An executable Python script."""
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return str(path)


def test_a_comparison_says_ratio_and_difference():
    row = Comparison("work", 0.5, 4.0, "cycles", 1000, 1010).row()
    assert row == ("work", "0.500", "4.000", "8.0", "cycles", "1,000", "1,010", "+1.00%")
    assert len(row) == len(HEAD)


@pytest.mark.parametrize("key", command.PEERS)
def test_what_is_missing_is_said_and_is_no_failure(key, monkeypatch, capsys, tmp_path):
    peer = command.PEERS[key]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(peer.variable, raising=False)
    assert command.main([key]) == 0
    what = f"a Python that has the module '{peer.needs}'" if peer.needs else f"its program '{peer.default}'"
    assert capsys.readouterr().out == (
        f"\n{peer.name}: not measured: {what} is needed, and {peer.variable} may name it. "
        f"Published at {peer.published}\n"
    )


def test_a_variable_that_names_nothing_is_said(monkeypatch):
    monkeypatch.setenv("PRUNESIM_DNNSIM", "/no/DNNsim")
    assert dnnsim.PEER.command() is None
    assert "its program 'DNNsim' is needed, and PRUNESIM_DNNSIM = '/no/DNNsim' is none" in dnnsim.PEER.missing()


def test_a_python_counts_only_with_its_module(monkeypatch):
    monkeypatch.setenv("PRUNESIM_SCALESIM_PYTHON", sys.executable)
    assert replace(scale_sim.PEER, needs="no_such_module_at_all").command() is None
    assert replace(scale_sim.PEER, needs="json").command() == sys.executable


def test_unknown_names_end_with_two(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["gem5"])
    assert ended.value.code == 2
    assert "unknown simulator 'gem5': one of dnnsim, dramsim3, ramulator, scale-sim" in capsys.readouterr().err


def test_one_that_is_installed_and_fails_is_told_and_ends_with_one(monkeypatch, capsys, tmp_path):
    broken = program(tmp_path / "broken", "import sys; sys.exit('no such option')")

    def measure(found):
        timed([found], tmp_path)
        yield Comparison("never", 1, 1, "cycles", 1, 1)

    peer = Peer("Broken", "nowhere", "PRUNESIM_BROKEN", broken, None, "work", measure)
    monkeypatch.setitem(command.PEERS, "broken", peer)
    assert command.main(["broken"]) == 1
    assert "Broken: could not be measured with" in (printed := capsys.readouterr().out)
    assert "no such option" in printed


def test_our_code_is_not_found_by_their_python(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = "import os; open('seen', 'w').write(os.environ.get('PYTHONPATH', 'none'))"
    timed([sys.executable, "-c", code], tmp_path)
    assert (tmp_path / "seen").read_text() == "none"


def test_scale_sim_reports_of_either_version_are_read():
    new = (
        "LayerID, Total Cycles (incl. prefetch), Total Cycles, Stall Cycles, Overall Util %,",
        "0, 3477, 1449, 0, 60.8,", "1, 8971, 4283.0, 0, 60.5,",
    )  # fmt: skip
    old = ("LayerID, Total Cycles, Stall Cycles, Overall Util %,", "0, 12, 0, 1.5,")
    assert scale_sim.cycles(new) == [1449, 4283]
    assert scale_sim.cycles(old) == [12]


def test_scale_sim_is_asked_for_our_array():
    text = scale_sim.configuration("os")
    assert "[architecture_presets]\nArrayHeight = 32\nArrayWidth = 32\n" in text
    assert "Dataflow = os\n" in text
    assert "[run_presets]\nInterfaceBandwidth = CALC\n" in text
    assert scale_sim.topology().splitlines()[1] == "whole,18,18,3,3,32,64,1,"
    head, *rows = scale_sim.layout().splitlines()
    assert {line.count(",") for line in (head, *rows)} == {scale_sim.LAYOUT_COLUMNS + 1}


def test_dramsim3_is_asked_for_the_same_requests():
    assert dramsim3.trace(TWO) == "0x140 READ 0\n0x20000 WRITE 0\n"
    text = dramsim3.configuration("RoBaCoBg")
    assert "address_mapping = chrarobacobg\n" in text
    assert "[timing]\ntCK = 0.833\nAL = 0\nCL = 17\nCWL = 12\n" in text


def test_dramsim3_counts_are_summed_over_channels():
    channel = {"num_reads_done": 3, "num_writes_done": 1, "num_act_cmds": 2, "average_read_latency": 40.5}
    assert dramsim3.counts(json.dumps({"0": channel, "1": channel})) == (6, 2, 4)


@pytest.mark.parametrize(("done", "enough"), [(1, True), (0, False)])
def test_dramsim3_must_have_served_all(monkeypatch, tmp_path, done, enough):
    script = (
        "import json, sys\n"
        "assert sys.argv[1:4] == ['device.ini', '-c', '210'], sys.argv\n"
        f"counts = dict(num_reads_done=1, num_writes_done={done}, num_act_cmds=3)\n"
        "json.dump({'0': counts}, open('dramsim3.json', 'w'))\n"
    )
    found = program(tmp_path / "dramsim3main", script)
    monkeypatch.setattr(dramsim3, "replays", lambda: iter([TWO]))
    if enough:
        (one,) = dramsim3.measure(found)
        assert (one.work, one.our_seconds, one.compared, one.ours, one.theirs) == ("two M1", 0.5, "activates", 2, 3)
    else:
        with pytest.raises(RuntimeError, match="two M1: 1 of 2 requests in 210 clocks"):
            list(dramsim3.measure(found))


def test_ramulator_is_asked_for_the_same_requests_by_their_place():
    # Channel, rank, bank group, bank, row, column.
    assert ramulator.trace(TWO) == "R 0,0,0,0,0,5\nW 0,0,0,0,1,0\n"
    assert ramulator.trace(replace(TWO, address_map="RoBaCoBg")) == "R 0,0,1,0,0,1\nW 0,0,0,0,1,0\n"


@pytest.mark.parametrize("wrapped", [False, True])
def test_ramulator_statistics_are_read(wrapped):
    controller = {"cycles": 123, "num_read_reqs": 5}
    stats = {"memory_system": {"controller": [controller] if wrapped else controller}}
    assert ramulator.counts(json.dumps({"seconds": 0.25, "stats": stats})) == (0.25, 123)


def test_ramulator_is_timed_without_its_start(monkeypatch, tmp_path):
    stats = {"memory_system": {"controller": {"cycles": 99}}}
    script = (
        f"import json, sys\nassert sys.argv[1:3] == ['run.py', 'requests.trace']\n"
        f"json.dump({{'seconds': 2.0, 'stats': {stats!r}}}, open(sys.argv[3], 'w'))\n"
    )
    monkeypatch.setattr(ramulator, "replays", lambda: iter([TWO]))
    (one,) = ramulator.measure(program(tmp_path / "python", script))
    assert (one.their_seconds, one.compared, one.ours, one.theirs) == (2.0, "clocks", 100, 99)


def test_dnnsim_finds_its_layer_and_arrays(tmp_path):
    layer = Layer.conv("c", in_channels=2, out_channels=3, input_size=(4, 5), kernel_size=3, padding=1)
    weights = np.zeros(layer.weight_shape, np.bool_)
    weights[1, 0, 2, 2] = True
    dnnsim.write_inputs(tmp_path, LayerTrace(layer, weights, np.ones(layer.input_shape, np.bool_)))
    assert (tmp_path / "models/peers/trace_params.csv").read_text() == "c,,3,3,3,1,1\n"
    np.testing.assert_array_equal(np.load(tmp_path / "net_traces/peers/wgt-c.npy"), weights.astype(np.float32))
    assert np.load(tmp_path / "net_traces/peers/act-c-0.npy").shape == (1, 2, 4, 5)
    assert (tmp_path / "results/peers").is_dir()
    assert 'architecture: "SCNN"\n    task: "Cycles"\n    Wt: 8\n' in (tmp_path / "batch").read_text()


def test_dnnsim_reports_are_read():
    report = [
        "layer,batch,cycles,dense_cycles,mults,time(s)",
        "c,0,9,9,9,0",
        "c,AVG,12,40,30,0.50",
        "TOTAL,AVG,12,40,30,0.5",
    ]
    assert dnnsim.cycles_and_products(report, "c") == (12, 30)
    assert dnnsim.cycles_and_products(["SCNN Number of Cycles for peers", "Number of PE rows: 8", *report], "c") == (
        12,
        30,
    )
    with pytest.raises(RuntimeError, match="DNNsim's report holds no layer 'd'"):
        dnnsim.cycles_and_products(report, "d")


@pytest.mark.slow
def test_dnnsim_beside_ours(tmp_path):
    script = (
        "import sys, pathlib\nassert sys.argv[1:] == ['batch', '--threads', '1']\n"
        "text = 'layer,batch,cycles,mults\\nconv3_2,AVG,5,6\\n'\n"
        "pathlib.Path('results/peers/SCNN_cycles.csv').write_text(text)\n"
    )
    products, cycles = dnnsim.measure(program(tmp_path / "DNNsim", script))
    assert (products.theirs, cycles.theirs) == (6, 5)
    assert (cycles.ours, products.compared) == (664_088, "products inside the map")
