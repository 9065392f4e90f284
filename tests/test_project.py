"""Promises of the project as a whole: what an import loads, how quickly the command starts, what the wheel holds."""

import subprocess
import sys
import tomllib
import zipfile

import pytest

import simulator
from simulator.version import VERSION
from tests.project import ROOT

HEAVY = {"simpy", "matplotlib", "pandas", "torch", "rich", "click", "onnx"}


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("package", ["workloads", "dataflows", "dataflows.registry"])
def test_importing_a_lower_package_loads_no_clock_plot_or_frame(package):
    assert not HEAVY & modules_after(f"import {package}")


def test_the_front_door_loads_nothing_before_it_is_used():
    assert not (HEAVY | {"numba", "numpy", "pydantic"}) & modules_after("import prunesim")


def test_workloads_needs_numpy_only():
    loaded = modules_after("import workloads, workloads.layer, workloads.trace, workloads.workload")
    assert not (HEAVY | {"numba", "pydantic"}) & loaded


def test_help_loads_neither_kernels_nor_plots():
    loaded = modules_after("import simulator.commands.main")
    assert not {"numba", "pydantic", "simpy", "matplotlib", "numpy", "rich"} & loaded


def test_the_wheel_holds_the_three_packages_their_front_door_and_nothing_else(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("prunesim-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "workloads", "dataflows", "simulator", "prunesim.py",
    }  # fmt: skip
    assert {f"{package}/py.typed" for package in ("workloads", "dataflows", "simulator")} <= set(names)
    assert f"prunesim-{VERSION}.dist-info/METADATA" in names
    assert "workloads/data/blazepose.npz" in names
    assert "workloads/data/networks/resnet18.graph" in names


def test_the_version_to_cite_is_that_of_the_code():
    assert f"\nversion: {VERSION}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_dependency_has_a_lower_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert all(">=" in requirement for requirement in project["dependencies"])


def test_the_names_that_simulator_promises_are_there():
    assert set(simulator.__all__) == set(simulator._HOMES)
    assert all(hasattr(simulator, name) for name in simulator.__all__)
    with pytest.raises(AttributeError, match="module 'simulator' has no attribute 'nothing'"):
        simulator.nothing  # noqa: B018
