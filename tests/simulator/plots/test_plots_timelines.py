"""Plots of timelines: their data, and the command that draws them."""

import json

import numpy as np
import pytest

from dataflows.schedule import BufferUse, Tensor
from simulator import plots
from simulator.engine.layer_simulation import LayerSimulation
from simulator.observers.timeline import Timeline
from simulator.plots.kinds.timelines import Span, channel_gbs, gantt_rows
from simulator.plots.style import Paper, on_paper
from tests.simulator.engine.schedules import byte_a_cycle, runs, schedule
from tests.simulator.plots.geometry import require_readable
from workloads.errors import InputError

GHZ = 1_000_000_000


@pytest.fixture
def timeline() -> dict:
    """Two layers: loads of 10 and 15 bytes for tiles of 6 and 8 cycles, then a layer of 40 tiles without loads."""
    watch = Timeline()
    plan = schedule(
        [[4, 6], [8, 0]], loads=runs(Tensor.INPUT, (0, 10), (1, 15)), buffers=(BufferUse("in", Tensor.INPUT, 100),)
    )
    for name, layer in (("first", plan), ("second", schedule([[2]] * 40))):
        watch.begin(name, layer, GHZ)
        watch.end(LayerSimulation(layer, byte_a_cycle(), GHZ, (watch,)).run().cycles)
    about = {"accelerator": "scnn", "workload": "net", "peak_gbs": 1.0, "cycles": 106, "us_per_cycle": 0.001}
    return json.loads(json.dumps({"traceEvents": watch.events, "otherData": about}))


def test_bandwidth_is_what_each_channel_moved_between_edges(timeline):
    # 1 byte a cycle of 1 ns up to cycle 25, nothing after
    (series,) = channel_gbs(timeline, np.array([0.0, 0.01, 0.02, 0.03, 0.05])).values()
    assert series == pytest.approx([1, 1, 0.5, 0])


def test_the_bandwidth_plot_holds_every_byte_and_the_peak(timeline):
    figure = plots.bandwidth(timeline)
    (axes,) = figure.axes
    (stairs,) = [patch for patch in axes.patches if hasattr(patch, "get_data")]
    values, edges, _ = stairs.get_data()
    assert (values * np.diff(edges)).sum() * 1000 == pytest.approx(25)
    assert edges[-1] == pytest.approx(0.106)
    assert {"peak"} <= {line.get_label() for line in axes.get_lines()}
    assert [text.get_text() for text in axes.texts] == ["first", "second"]
    assert axes.get_ylabel() == "DRAM bandwidth, GB/s"


def test_gantt_rows_are_the_tracks_cut_to_the_window(timeline):
    rows = gantt_rows(timeline, Span("first", 0.0, 0.016))
    assert list(rows) == ["fetch inputs", "PE array"]
    assert [(span.name, *np.round(span[1:], 6)) for span in rows["PE array"]] == [
        ("wait: memory", 0, 0.001),
        ("tile 0", 0.001, 0.007),
        ("wait: memory", 0.007, 0.010),
        ("wait: memory", 0.010, 0.011),
        ("tile 1", 0.011, 0.016),
    ]


def test_the_gantt_chart_draws_the_longest_layer_and_cuts_many_tiles(timeline):
    longest = plots.gantt(timeline).axes[0]
    assert longest.get_title(loc="left") == "net on SCNN: second, first 30 of 40 tiles"
    assert len(longest.patches) == 30
    first = plots.gantt(timeline, "first").axes[0]
    widths = [bar.get_width() for bar in first.patches]
    assert sum(widths) == pytest.approx(0.025 + 0.026)
    assert first.get_xlim() == pytest.approx((0, 0.026))
    with pytest.raises(InputError, match="unknown layer 'frist'"):
        plots.gantt(timeline, "frist")


@pytest.mark.parametrize("width_inches", [None, 3.4])
def test_texts_can_be_read_also_in_a_column_of_a_paper(timeline, width_inches):
    for draw in (plots.bandwidth, plots.gantt, lambda data: plots.gantt(data, "first")):
        with on_paper(Paper(width_inches)):
            figure = draw(timeline)
        require_readable(figure)


def test_a_run_without_dram_has_no_bandwidth(timeline):
    timeline["traceEvents"] = [event for event in timeline["traceEvents"] if event["ph"] != "C"]
    with pytest.raises(InputError, match="no DRAM traffic"):
        plots.bandwidth(timeline)


@pytest.mark.parametrize("kind", ["gantt", "bandwidth"])
def test_the_command_draws_timelines_and_nothing_else_as_such(cli, tmp_path, timeline, kind):
    (tmp_path / "t.json").write_text(json.dumps(timeline))
    assert cli("plot", tmp_path / "t.json", "--kind", kind, "-o", tmp_path / "a.svg").code == 0
    (tmp_path / "r.json").write_text('{"schema": 1}')
    result = cli("plot", tmp_path / "r.json", "--kind", kind, "-o", tmp_path / "a.svg")
    assert (result.code, result.err.count("needs the file of 'run --timeline'")) == (2, 1)
