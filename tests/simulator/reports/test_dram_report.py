"""What memory did for several layers, added up by hand."""

import numpy as np
import pytest

from simulator.dram.activity import DramActivity
from simulator.dram.layout import LATENCY_BINS
from simulator.dram.read_latency import ReadLatency
from simulator.reports.dram_report import DramReport, TensorReport


def latency(*clocks):
    return ReadLatency(sum(clocks), np.bincount(clocks, minlength=LATENCY_BINS))


def tensor(read, write, burst, latency=None, clock_ps=500):
    return TensorReport(read, write, burst, 1, 2, 3, latency=latency, clock_ps=clock_ps)


def layer(read, efficiency, time_us, activates=0, found=None):
    return DramReport({"input": tensor(read, 0, read + 24, found)}, DramActivity(activates), efficiency, time_us, 12.8)


def test_a_networks_efficiency_weighs_each_layer_by_its_time():
    """Half of the peak for 10 us and a quarter for 30 us: 5 + 7.5 of 40 us at the peak; 4,000 bytes in 40 us."""
    total = DramReport.sum([layer(1000, 0.5, 10.0, 3), layer(3000, 0.25, 30.0, 4)])
    assert total.efficiency == pytest.approx(12.5 / 40)
    assert total.time_us == 40
    assert total.activates == 7
    assert total.achieved_gbs == pytest.approx(0.1)
    assert total.peak_gbs == 12.8
    assert total.total_bytes == 4000
    assert total.all.wasted_bytes == 2 * 24


def test_layers_that_take_no_time_have_no_efficiency():
    total = DramReport.sum([layer(0, 0.0, 0.0)])
    assert (total.efficiency, total.achieved_gbs) == (0, 0)


def test_counts_add_up_and_latencies_join():
    """Reads of 10, 20 and 30 clocks of 500 ps; a tensor that nothing was read of has no latency to add."""
    parts = [tensor(100, 0, 128, latency(10, 20)), tensor(0, 60, 64), tensor(40, 0, 64, latency(30))]
    total = TensorReport.sum(parts)
    assert (total.read_bytes, total.write_bytes, total.burst_bytes, total.wasted_bytes) == (140, 60, 256, 56)
    assert (total.row_hits, total.row_misses, total.row_conflicts) == (3, 6, 9)
    assert total.read_latency_ns == 20 * 0.5
    assert total.read_latency_p95_ns == 30 * 0.5
    assert TensorReport.sum(parts[1:2]) == parts[1]
    assert TensorReport.sum(parts[1:2]).read_latency_ns is None


def test_the_report_tells_every_tensor_and_all():
    told = layer(1000, 0.5, 10.0, 3, latency(8)).to_dict()
    assert told["tensors"]["input"] == {key: told[key] for key in told["tensors"]["input"]}
    assert told["activity"]["activates"] == 3
    assert list(told["activity"]) == [
        "activates", "precharges", "read_bursts", "write_bursts", "forwarded_bursts", "refreshes", "open_clocks",
        "closed_clocks", "burst_bytes",
    ]  # fmt: skip
    assert (told["read_latency_ns"], told["read_latency_p95_ns"]) == (4, 4)
    assert (told["efficiency"], told["achieved_gbs"], told["peak_gbs"], told["activates"]) == (0.5, 0.1, 12.8, 3)
