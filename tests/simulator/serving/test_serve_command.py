"""`prunesim serve`: times that are simulated, reports, tables, and what is refused."""

import pytest

from dataflows.registry import create
from simulator.input_runs import simulate_inputs
from simulator.reports.network_inputs import InputSpan, NetworkInputs
from simulator.serving.report import percentile
from simulator.serving.service import MeasuredService, ServiceTime, times_of
from workloads.arrays.trace_file import save_traces
from workloads.catalog import load_workload

TINY = "examples/tiny.toml"


def test_times_are_those_of_inputs_in_a_row():
    """Inputs a, b, a that are done in 10, 25 and 33: b comes 15 behind a, and a 8 behind b."""
    spans = (InputSpan(0, 10, 10), InputSpan(9, 25, 17), InputSpan(24, 33, 10))
    assert times_of(NetworkInputs(1, 1, 33, {}, 0, 0, spans)) == (ServiceTime(10, 8), ServiceTime(17, 15))


@pytest.mark.parametrize("overlap", ["none", "weights"])
def test_an_image_takes_what_the_simulation_says(overlap):
    machine, workload = create("scnn", {"overlap": overlap}), load_workload(TINY)
    service = MeasuredService(machine, workload, 2)
    first, second = service(1)
    (report,) = simulate_inputs([machine], workload, 2)
    row = report.network.inputs
    assert [one.alone_cycles for one in row.each] == [first.latency_cycles, second.latency_cycles]
    assert second.interval_cycles == row.interval_cycles
    if overlap == "none":
        assert first.interval_cycles == first.latency_cycles
    assert list(service.times) == [1]
    assert service(1) is service(1)


def test_batches_have_times_of_their_own_and_only_sizes_that_occur_are_simulated(serve):
    data, out = serve("--rate", "20000", "--images", "7", "--batch", "4", "--wait", "1")
    serving = data["serving"]
    assert [one["batch"] for one in serving["service"]] == [3, 4]
    (point,) = serving["points"]
    assert point["batches"] == {"3": 1, "4": 1}
    machine, workload = create("structured"), load_workload(TINY)
    (four,) = simulate_inputs([machine], workload.with_batch(4), 1)
    assert serving["service"][1]["inputs"][0]["latency_cycles"] == four.network.cycles
    assert "batch of 3: latency" in out
    # The first of four that come every 0.05 ms waits for the last of them: 0.15 ms.
    clock_hz = data["accelerator"]["clock_hz"]
    first = 0.15 + four.network.cycles * 1000 / clock_hz
    assert any(time == pytest.approx(first) for _, time in point["distribution"])
    assert not any(first < time < 1 for _, time in point["distribution"]), "the last three wait for a fourth for 1 ms"


def test_below_capacity_every_image_takes_the_latency(serve):
    data, out = serve("--rate", "1000", "--deadline", "1")
    (point,) = data["serving"]["points"]
    (time,) = data["serving"]["service"][0]["inputs"]
    assert set(point["latency_ms"].values()) == {time["latency_ms"]}
    assert (point["arrived"], point["served"], point["dropped"]) == (1000, 1000, 0)
    assert point["offered_images_per_s"] == point["served_images_per_s"] == 1000
    assert point["waiting"] == {"mean": 0, "max": 0}
    assert point["utilization"] == pytest.approx(time["interval_ms"], rel=1e-3)
    assert point["late"] == {"deadline_ms": 1.0, "images": 0, "share": 0.0}
    assert f"latency {time['latency_ms']:.4g} ms, one every {time['interval_ms']:.4g} ms" in out


def test_above_capacity_the_machine_serves_as_fast_as_it_can(serve):
    data, _ = serve("--rate", "20000,40000", "--queue", "8", "--deadline", "0.1")
    capacity = data["serving"]["service"][0]["images_per_s"]
    for point in data["serving"]["points"]:
        assert point["served_images_per_s"] == pytest.approx(capacity)
        assert point["dropped_share"] == pytest.approx(1 - capacity / point["rate"], abs=0.01)
        assert point["served"] + point["dropped"] == 1000
        assert point["utilization"] == pytest.approx(1, abs=1e-3)
        assert point["waiting"]["max"] == 8
        assert point["late"]["share"] > 0.9


def test_the_same_command_writes_the_same_report(serve):
    options = ("--rate", "15000", "--arrivals", "poisson", "--queue", "5", "--images", "200", "--inputs", "2")
    first, other = serve(*options)[0], serve(*options, "--seed", "1")[0]
    assert serve(*options)[0] == first
    assert other["serving"]["points"] != first["serving"]["points"]


def test_arrivals_from_a_file(serve, tmp_path):
    file = tmp_path / "camera.csv"
    file.write_text("time,name\n# the first frame\n1700000000.000000001,a\n\n1700000000.0001,b\n1700000000.0001,c\n")
    data, out = serve("--arrivals", file)
    (point,) = data["serving"]["points"]
    (time,) = data["serving"]["service"][0]["inputs"]
    assert (point["rate"], point["served"], data["serving"]["arrivals"]) == (None, 3, "camera.csv")
    assert point["latency_ms"]["max"] == pytest.approx(time["latency_ms"] + time["interval_ms"])
    assert "rate" not in out.splitlines()[3]
    assert serve("--arrivals", file, "--images", "2")[0]["serving"]["points"][0]["arrived"] == 2


def test_the_inputs_of_a_trace_file_are_served_in_turn(cli, tmp_path):
    path = tmp_path / "t.npz"
    save_traces(path, load_workload(TINY))
    assert cli("serve", path, "--on", "scnn", "--rate", "1000", "--images", "5").code == 0
    result = cli("serve", path, "--on", "scnn", "--rate", "1000", "--inputs", "2")
    assert (result.code, result.err) == (2, "prunesim: --inputs 2: 'tiny' holds 1 input\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--arrivals periodic: give a --rate in images per second"),
        (("--rate", "10,fast"), "--rate 10,fast: 'fast' must be a number of images per second between 1e-06 and 1e+12"),
        (("--rate", "0"), "--rate 0: '0' must be a number of images per second between 1e-06 and 1e+12"),
        (("--rate", "nan"), "--rate nan: 'nan' must be a number of images per second between 1e-06 and 1e+12"),
        (("--rate", "1e-300"), "--rate 1e-300: '1e-300' must be a number of images per second between 1e-06 and 1e+12"),
        (("--rate", "inf"), "--rate inf: 'inf' must be a number of images per second between 1e-06 and 1e+12"),
        (("--rate", "5", "--batch", "4", "--queue", "3"), "--queue 3: must have room for a batch of 4"),
        (("--rate", "5", "--wait", "inf"), "--wait inf: must be between 0 and 1e+09 milliseconds"),
        (("--rate", "5", "--deadline", "nan"), "--deadline nan: must be between 0 and 1e+09 milliseconds"),
        (("--arrivals", "FILE", "--rate", "5"), "--rate 5: the arrivals of 'FILE' have their own rate"),
        (("--arrivals", "FILE"), "FILE: no such file"),
    ],
)
def test_what_is_refused(cli, arguments, message):
    result = cli("serve", TINY, "--on", "ideal", *arguments)
    assert (result.code, result.out, result.err) == (2, "", f"prunesim: {message}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no arrival time"),
        ("time\n", "holds no arrival time"),
        ("0\n1\nlater\n", "line 3: 'later' is no arrival time in seconds"),
        ("a\nb\n1\n", "line 2: 'b' is no arrival time in seconds"),
        ("0\n2\n1.5\n", "line 3: 1.5 lies before the arrival above it, 2"),
        ("0\nnan\n", "line 2: 'nan' is no arrival time in seconds"),
        ("0\n1e999999\n", "line 2: '1e999999' is no arrival time in seconds"),
    ],
)
def test_files_that_tell_no_arrivals(cli, tmp_path, text, message):
    file = tmp_path / "times.txt"
    file.write_text(text)
    result = cli("serve", TINY, "--on", "ideal", "--arrivals", file)
    assert (result.code, result.err) == (2, f"prunesim: {file}: {message}\n")


def test_percentiles_by_hand():
    ten = list(range(1, 11))
    assert [percentile(ten, share) for share in (0, 1, 100, 101, 500, 950, 990, 1000)] == [1, 1, 1, 2, 5, 10, 10, 10]


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_table_fits_and_has_a_row_a_rate(serve, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    data, out = serve("--rate", "5000,10000", "--deadline", "0.2")
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    assert [line.split()[0] for line in out.splitlines() if line.lstrip().startswith(("5,000 ", "10,000 "))] == [
        "5,000", "10,000",
    ]  # fmt: skip
    assert len(data["serving"]["points"]) == 2
    heads = next(line.split() for line in out.splitlines() if line.lstrip().startswith("rate "))
    assert {"served/s", "p99"} <= set(heads)
    assert ("p90" in heads) is (width == 160)
