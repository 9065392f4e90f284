"""`import prunesim`: what a script needs, and errors in words of ours."""

import subprocess
import sys

import pytest

import prunesim
from tests.project import ROOT

TINY = str(ROOT / "examples" / "tiny.toml")


def test_names_stand_for_machines_and_workloads():
    network = prunesim.load(TINY, seed=3)
    assert network.seed == 3
    one = prunesim.simulate("scnn", network, energy=False)
    two = prunesim.simulate(["dcnn", prunesim.machine("scnn")], network, energy=False)
    assert [report.machine for report in two] == ["dcnn", "scnn"]
    assert two[1].to_dict() == one.to_dict()
    assert {"scnn", "dcnn"} <= set(prunesim.machines())


def test_settings_are_nested_or_dotted():
    dotted = prunesim.machine("scnn", {"dram.bandwidth_gbs": 4, "queue_depth": 2})
    nested = prunesim.machine("scnn", {"dram": {"bandwidth_gbs": 4.0}, "queue_depth": 2})
    assert dotted.spec == nested.spec
    assert (dotted.spec.dram.bandwidth_gbs, dotted.spec.queue_depth) == (4.0, 2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: prunesim.machine("scn"), "unknown accelerator 'scn': did you mean 'scnn'?"),
        (lambda: prunesim.machine("scnn", {"queue_dept": 2}), "scnn: unknown key 'queue_dept': did you mean 'queue_depth'?"),
        (lambda: prunesim.machine("scnn", {"dram.channels": 0}), "scnn: dram.channels = 0: must be greater than or equal to 1"),
        (lambda: prunesim.load("vgg61"), "unknown workload 'vgg61': did you mean 'vgg16'? (or the path of a file)"),
        (lambda: prunesim.prune(TINY, "unstuctured"), "did you mean 'unstructured'?"),
        (lambda: prunesim.sweep(machines=["scnn"], workloads=[TINY], sets={}), "sweep: unknown key 'sets': did you mean 'set'?"),
        (lambda: prunesim.plot("sweeps", []), "did you mean 'sweep'?"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_ours(call, text):
    with pytest.raises(prunesim.InputError) as caught:
        call()
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_session_shows_has_three_lines():
    network = prunesim.load("alexnet@scnn").select("conv[34]").prune("unstructured:density=0.3")
    machine = prunesim.machine("scnn", {"accumulator_banks": 16})
    report = prunesim.simulate(machine, network)
    for shown, parts in (
        (repr(network), ("'alexnet@scnn'", "2 layers (conv3, conv4", "M MACs", "unstructured:density=0.3")),
        (repr(machine), ("Scnn 'scnn'", "1,024 multipliers, 1 GHz", "GB/s", "accumulator_banks = 16")),
        (repr(report), ("'alexnet@scnn' on scnn: 2 layers", f"{report.total.cycles:,} cycles", "MB of DRAM traffic")),
    ):
        assert shown.count("\n") == 2
        assert all(part in shown for part in parts), shown
    assert "DRAM without limit" in repr(prunesim.machine("ideal"))


def test_a_pruning_is_a_text():
    pruned = prunesim.prune(TINY, "unstructured:density=0.25")
    assert pruned.prunings == ("unstructured:density=0.25",)
    assert pruned.trace(0).weight_density == pytest.approx(0.25, abs=0.02)


def test_a_sweep_gives_rows_that_a_plot_takes(tmp_path):
    asked = []
    study = {"machines": ["scnn"], "workloads": [TINY], "axes": [{"queue_depth": [0, 2]}]}
    rows = prunesim.sweep(
        **study, store=tmp_path / "s.sqlite", jobs=1, progress=lambda done, every, _: asked.append((done, every))
    )
    assert [row["queue_depth"] for row in rows] == [0, 2]
    assert asked[-1] == (2, 2)
    kept = prunesim.sweep(
        **study, store=tmp_path / "s.sqlite", progress=lambda done, every, _: asked.append((done, every))
    )
    assert kept == rows
    assert asked[-1] == (2, 2)
    for results in (rows, tmp_path / "s.sqlite"):
        (axes,) = prunesim.plot("sweep", results, y="utilization").axes
        assert axes.get_xlabel() == "queue depth"


def test_a_search_finds_a_front_and_figures_show_in_notebooks():
    ranges = {"queue_depth": [0, 4], "accumulator_banks": [16, 32]}
    look = {"objectives": ["time_us", "area.total_mm2"], "sampler": "all", "ranges": ranges}
    found = prunesim.search(machines=["scnn"], workloads=[TINY], search=look)
    assert found.simulated == 4
    assert 1 <= len(found.front) <= 4
    figure = prunesim.plot("pareto", list(found.rows), x="time_us", y="area.total_mm2")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert figure.get_layout_engine() is not None, "what is added later is laid out as well"


def test_a_search_without_its_table_says_so():
    with pytest.raises(prunesim.InputError, match="search: has no table 'search'"):
        prunesim.search(machines=["scnn"])


def test_a_sweep_of_which_every_point_fails_says_why():
    with pytest.raises(prunesim.InputError, match="cannot run layer"):
        prunesim.sweep(machines=["scnn"], workloads=["c3d"], jobs=1)


def test_it_runs_as_a_module():
    said = subprocess.run([sys.executable, "-m", "prunesim", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"prunesim, version {prunesim.__version__}\n"
