"""Several inputs simulated: each as it is alone, the report that of the first, and what the command says of them."""

import json
from statistics import pstdev

import numpy as np
import pytest

from dataflows.registry import create, machines
from simulator.input_runs import parse_inputs, simulate_inputs
from simulator.network_simulation import simulate
from simulator.reports.files import to_json
from simulator.reports.input_spread import MEASURES, InputFigures, InputSpread, LayerSpread, Spread
from workloads.arrays.trace_file import save_traces
from workloads.errors import InputError
from workloads.layer import Layer
from workloads.masks.synthetic import Clustered
from workloads.source import Drawn, DrawnBatch, LayerSource
from workloads.workload import Workload

CONV = Layer.conv("conv", in_channels=8, out_channels=16, input_size=(10, 10), kernel_size=3, padding=1)
DENSE = Layer.dense("fc", in_features=120, out_features=64)


def workload(*layers, densities=(0.4, 0.7)):
    sources = tuple(
        LayerSource(i, layer, Drawn(0.3), DrawnBatch(density, Clustered()), 0.5)
        for i, (layer, density) in enumerate(zip(layers, densities, strict=False))
    )
    return Workload("net", sources)


def stored(tmp_path, images=4):
    """A trace file of two layers and so many inputs of one image."""
    path = tmp_path / "net.npz"
    whole = workload(CONV, DENSE).with_batch(images)
    save_traces(path, whole)
    # The file of one batch, told to be one of inputs: the images are the same.
    with np.load(path) as file:
        entries = dict(file)
    header = json.loads(entries["header"].tobytes())
    header |= {"version": 2, "inputs": images, "layers": [{**layer, "batch": 1} for layer in header["layers"]]}
    np.savez(path, **(entries | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}))
    return path


def test_a_spread_by_hand():
    spread = Spread((3, 9, 6, 9))
    assert (spread.mean, spread.min, spread.max, spread.worst_input) == (6.75, 3, 9, 1)
    assert spread.std == pytest.approx(pstdev([3, 9, 6, 9]))
    same = Spread((0.1,) * 3)
    assert (same.mean, same.std, same.worst_input) == (0.1, 0.0, 0), "no rounding where nothing differs"
    layer = LayerSpread.of("a", [InputFigures(5, 1.5, 100, 0.25), InputFigures(7, 1.25, 100, 0.75)])
    assert InputSpread((layer,), layer).to_dict()["layers"][0]["load_imbalance"] == {
        "mean": 1.375, "min": 1.25, "max": 1.5, "std": 0.125, "worst_input": 0, "values": [1.5, 1.25],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["scnn", "ideal", "dcnn"])
def test_every_input_is_simulated_as_it_is_alone(name):
    machine, net = create(name), workload(CONV, DENSE)
    (report,) = simulate_inputs([machine], net, 3)
    assert report.inputs.count == 3
    alone = [simulate([machine], net.at_input(number))[0] for number in range(3)]
    for place, layer in enumerate(report.inputs.layers):
        assert layer.name == (CONV, DENSE)[place].name
        assert layer.cycles.values == tuple(one.layers[place].cycles for one in alone)
        assert layer.load_imbalance.values == tuple(one.layers[place].load_imbalance for one in alone)
        assert layer.activation_density.values == tuple(one.layers[place].activation_density for one in alone)
    assert report.inputs.total.cycles.values == tuple(one.total.cycles for one in alone)
    moved = [
        sum(tensor.read_bytes + tensor.write_bytes for row in one.layers for tensor in row.dram.tensors.values())
        for one in alone
    ]
    assert list(report.inputs.total.dram_bytes.values) == moved
    # 800 elements of 0.4 and 120 of 0.7, in every input.
    assert report.inputs.total.activation_density.mean == pytest.approx((320 + 84) / 920)


def test_the_report_is_that_of_the_first_input():
    machines_, net = [create("scnn"), create("cambricon-x")], workload(CONV, DENSE)
    several, alone = simulate_inputs(machines_, net, 2), simulate(machines_, net)
    for report, first in zip(several, alone, strict=True):
        data = report.to_dict()
        del data["inputs"], data["network"]["inputs"]
        assert to_json(data) == to_json(first.to_dict())
    assert simulate_inputs(machines_, net, 1)[0].inputs is None
    assert "inputs" not in simulate_inputs(machines_, net, 1)[0].to_dict()


def test_activations_make_no_difference_to_a_machine_that_skips_weights_alone():
    """Cambricon-X selects neurons by the weights' indices: whatever the neurons hold, time and traffic stay."""
    skips_both, skips_weights = simulate_inputs([create("scnn"), create("cambricon-x")], workload(CONV, DENSE), 4)
    for layer in (*skips_weights.inputs.layers, skips_weights.inputs.total):
        for measure in ("cycles", "load_imbalance", "dram_bytes"):
            spread = getattr(layer, measure)
            assert (spread.std, spread.max - spread.min) == (0.0, 0)
    assert skips_both.inputs.total.cycles.std > 0


@pytest.mark.parametrize("name", sorted(machines()))
def test_inputs_of_the_same_zeros_differ_on_no_machine(name):
    layer = DENSE if name == "eie" else CONV
    source = LayerSource(0, layer, Drawn(0.5), DrawnBatch(1.0))
    (report,) = simulate_inputs([create(name)], Workload("dense", (source,)), 2)
    assert all(getattr(report.inputs.total, measure).std == 0 for measure in MEASURES)


def test_eies_time_follows_its_inputs():
    (report,) = simulate_inputs([create("eie")], workload(DENSE), 4)
    assert report.inputs.total.load_imbalance.std > 0


def test_progress_counts_inputs():
    seen = []
    simulate_inputs([create("ideal")], workload(CONV, DENSE), 2, lambda *now: seen.append(now))
    assert seen == [
        (0, 4, "conv input 0"), (1, 4, "fc input 0"), (2, 4, "input 0"),
        (2, 4, "conv input 1"), (3, 4, "fc input 1"), (4, 4, "input 1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5", "--inputs 5: 'net' holds 4 inputs"),
        ("0", "--inputs 0: must be a whole number of at least 1, or all"),
        ("-1", "--inputs -1: must be a whole number of at least 1, or all"),
        ("every", "--inputs every: must be a whole number of at least 1, or all"),
    ],
)
def test_more_inputs_than_there_are(tmp_path, cli, text, message):
    result = cli("run", stored(tmp_path), "--on", "ideal", "--inputs", text)
    assert (result.code, result.err) == (2, f"prunesim: {message}\n")


def test_all_inputs_of_drawn_activations_have_no_number():
    with pytest.raises(InputError) as fault:
        parse_inputs("all", workload(CONV))
    assert str(fault.value) == (
        "--inputs all: the activations of 'net' are drawn, for any number of inputs: give a number"
    )
    assert parse_inputs("70", workload(CONV)) == 70


def test_run_shows_and_writes_what_inputs_do(tmp_path, cli):
    path = stored(tmp_path)
    result = cli(
        "run", path, "--on", "scnn", "--inputs", "all", "--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv"
    )
    assert result.code == 0
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["inputs"]["count"] == 4
    total = data["inputs"]["total"]["cycles"]
    table = result.out.partition("net on scnn, 4 inputs")[2].splitlines()
    assert [line.split()[0] for line in table[3:6]] == ["conv", "fc", "total"]
    assert table[5].split()[1:6] == [
        f"{total['mean']:,.0f}", f"{total['min']:,}", "to", f"{total['max']:,}", str(total["worst_input"]),
    ]  # fmt: skip
    heads, *rows = [line.split(",") for line in (tmp_path / "r.csv").read_text().splitlines()]
    assert rows[-1][heads.index("inputs.cycles.max")] == str(total["max"])
    assert rows[0][heads.index("inputs.count")] == "4"
    plain = cli("run", path, "--on", "scnn", "--csv", "-").out
    assert "inputs" not in plain


def test_compare_has_a_row_a_machine(tmp_path, cli):
    result = cli(
        "compare", stored(tmp_path), "--on", "scnn,cambricon-x", "--inputs", "2", "--json", tmp_path / "r.json"
    )
    assert result.code == 0
    table = result.out.partition("net: total of 2 layers, 2 inputs")[2].splitlines()
    assert [line.split()[0] for line in table[3:5]] == ["scnn", "cambricon-x"]
    assert table[4].split()[2:4] == ["-", "-"]
    reports = json.loads((tmp_path / "r.json").read_text())["reports"]
    assert [report["inputs"]["count"] for report in reports] == [2, 2]


def test_check_computes_every_input(tmp_path, cli):
    result = cli("run", stored(tmp_path), "--on", "scnn", "--inputs", "3", "--check")
    assert (result.code, result.err) == (0, "outputs checked: 2 layers of 3 inputs equal the reference convolution\n")
