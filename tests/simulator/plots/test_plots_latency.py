"""The figure of served images: a distribution, or percentiles over rates."""

from itertools import pairwise

import pytest

from simulator.plots import plot_kinds
from simulator.plots.style import Paper, on_paper
from tests.simulator.plots.geometry import require_readable

TINY = "examples/tiny.toml"


def drawn(data):
    return plot_kinds()["latency"](data)


def test_a_figure_of_one_rate_is_the_distribution(serve):
    data, _ = serve("--rate", "15000", "--arrivals", "poisson", "--deadline", "0.1", "--images", "400")
    (point,) = data["serving"]["points"]
    (axes,) = drawn(data).axes
    curve = axes.get_lines()[0]
    times, shares = list(curve.get_xdata()), list(curve.get_ydata())
    assert shares == [100 * share for share, _ in point["distribution"]]
    assert all(before <= after for before, after in pairwise(times))
    assert (times[-1], times[shares.index(50)]) == (point["latency_ms"]["max"], point["latency_ms"]["p50"])
    assert {text.get_text() for text in axes.figure.legends[0].get_texts()} >= {"images done", "deadline: 0.1 ms"}


def test_a_figure_of_several_rates_has_percentiles_over_the_rate(serve):
    data, _ = serve("--rate", "20000,5000,10000", "--arrivals", "poisson", "--images", "300")
    upper, lower = drawn(data).axes
    by_rate = sorted(data["serving"]["points"], key=lambda point: point["rate"])
    for line, key in zip(upper.get_lines(), ("p50", "p99"), strict=True):
        assert list(line.get_xdata()) == [5000, 10000, 20000]
        assert list(line.get_ydata()) == [point["latency_ms"][key] for point in by_rate]
    assert list(lower.get_lines()[1].get_ydata()) == [point["served_images_per_s"] for point in by_rate]


@pytest.mark.parametrize("width_inches", [None, 3.4])
@pytest.mark.parametrize("rates", ["15000", "20000,5000,10000"])
def test_texts_can_be_read_also_in_a_column_of_a_paper(serve, rates, width_inches):
    data, _ = serve("--rate", rates, "--arrivals", "poisson", "--deadline", "0.1", "--images", "100")
    with on_paper(Paper(width_inches)):
        figure = drawn(data)
    require_readable(figure)


def test_the_figure_by_the_command_and_what_it_refuses(cli, serve, tmp_path):
    serve("--rate", "5000", "--images", "1")
    figure = tmp_path / "latency.svg"
    assert cli("plot", tmp_path / "serve.json", "--kind", "latency", "-o", figure).code == 0
    assert "latency, ms" in figure.read_text()
    other = tmp_path / "run.json"
    assert cli("run", TINY, "--on", "ideal", "--json", other).code == 0
    result = cli("plot", other, "--kind", "latency", "-o", figure)
    assert result.err == f"prunesim: {other}: not a report of 'serve', which this kind of plot needs\n"
    other.write_text('{"schema": 99, "serving": {}}')
    result = cli("plot", other, "--kind", "latency", "-o", figure)
    assert result.err == f"prunesim: {other}: schema = 99, must be 1\n"
    result = cli("plot", tmp_path / "serve.json", "--kind", "roofline", "-o", figure)
    assert (result.code, result.err) == (
        2, f"prunesim: {tmp_path / 'serve.json'}: not a report of prunesim: it has no 'layers'\n",
    )  # fmt: skip
