"""What each command does not load: a start costs what is imported, and most of it is of no use to most commands."""

import subprocess
import sys

import pytest

from tests.project import ROOT

TINY = "examples/tiny.toml"
# What no command below needs.
ALWAYS = {"pandas", "torch", "onnx", "onnxruntime", "tflite", "dask", "pyarrow", "matplotlib.pyplot"}


def modules_of(*arguments: object) -> set[str]:
    """The modules that are loaded when the command has ended well."""
    code = (
        "import sys\nfrom simulator.commands.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def inside(loaded: set[str], package: str) -> set[str]:
    """The first parts of the modules of a package."""
    return {name.removeprefix(f"{package}.").partition(".")[0] for name in loaded if name.startswith(f"{package}.")}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    file = tmp_path_factory.mktemp("start") / "report.json"
    modules_of("run", TINY, "--on", "ideal", "--layers", "conv*", "--json", file)
    return file


@pytest.mark.parametrize("command", ["--version", "--help", "run", "serve", "sweep", "validate"])
def test_help_loads_nothing(command):
    loaded = modules_of(command, "--help")
    assert not {"numpy", "rich", "pydantic", "numba", "simpy", "matplotlib", "importlib.metadata"} & loaded


def test_a_list_that_is_kept_loads_the_library_of_tables_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", str(tmp_path))
    assert "numpy" in modules_of("list")
    assert not {"numpy", "pydantic", "numba", "simpy", "matplotlib"} & modules_of("list")


def test_a_configuration_loads_the_machine_alone():
    loaded = modules_of("config", "dadiannao")
    assert not (ALWAYS | {"simpy", "matplotlib", "rich"}) & loaded
    assert inside(loaded, "dataflows.machines") == {"diannao"}


def test_a_run_loads_the_machine_and_the_source_alone():
    loaded = modules_of("run", TINY, "--on", "ideal", "--layers", "fc", "--json", "-")
    assert "simulator.engine.compiled.advance" in loaded
    assert not (ALWAYS | {"matplotlib", "rich", "workloads.pruning.base", "simulator.dram.controller"}) & loaded
    assert not inside(loaded, "simulator.observers")
    assert not inside(loaded, "workloads.readers")
    assert inside(loaded, "dataflows.machines") == {"ideal"}
    assert inside(loaded, "workloads.importers") == {"importer"}


def test_a_pruning_loads_no_other():
    loaded = modules_of("inspect", TINY, "--graph", "--prune", "nm:n=2,m=4")
    assert inside(loaded, "workloads.pruning.methods") == {"nm"}


def test_a_graph_is_drawn_without_machines_kernels_and_clock():
    loaded = modules_of("inspect", TINY, "--graph")
    assert "workloads.pruning" not in loaded
    assert not (ALWAYS | {"numba", "simpy", "matplotlib", "dataflows.kernels.compiled"}) & loaded
    assert not inside(loaded, "dataflows.machines")


def test_an_imported_file_loads_the_importer_of_its_format(tmp_path):
    file = tmp_path / "matrix.smtx"
    file.write_text("2, 2, 1\n0 1 1\n0\n")
    loaded = modules_of("import", file, "-o", tmp_path / "matrix.npz")
    assert not (ALWAYS | {"simpy", "matplotlib", "pydantic"}) & loaded
    assert inside(loaded, "workloads.importers.tables") == {"matrices", "matrix_market"}
    assert not inside(loaded, "workloads.importers.onnx") | inside(loaded, "workloads.importers.torch")


def test_reports_are_compared_without_kernels_clock_and_specifications(report):
    loaded = modules_of("diff", report, report)
    assert not (ALWAYS | {"numba", "simpy", "pydantic", "matplotlib", "dataflows.kernels.compiled"}) & loaded


def test_a_plot_loads_its_kind_alone(report, tmp_path):
    loaded = modules_of("plot", report, "--kind", "causes", "-o", tmp_path / "causes.png")
    assert "matplotlib" in loaded
    assert not (ALWAYS | {"numba", "simpy", "pydantic", "rich", "dataflows.kernels.compiled"}) & loaded
    assert inside(loaded, "simulator.plots.kinds") == {"causes"}


@pytest.mark.parametrize("command", ["plot", "import"])
def test_help_of_what_is_registered_loads_none_of_it(command):
    loaded = modules_of(command, "--help")
    assert "workloads.modules" in loaded
    assert not {"numpy", "matplotlib", "numba", "pydantic"} & loaded
