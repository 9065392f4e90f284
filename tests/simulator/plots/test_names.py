"""Names in pictures: those of machines and networks as papers write them, settings with their units."""

import pytest

from dataflows.names import display_name, shown_names
from dataflows.registry import machines
from simulator import plots
from simulator.plots.names import machine_name, setting_text, workload_name, workloads_text
from simulator.reports.metrics import title_of
from tests.simulator.plots.sweep_rows import lines_of
from workloads.network import network_names


def test_names_of_machines_are_read_without_importing_what_they_name():
    # All are registered once they were imported; the same names were found in their sources.
    found = {
        name: chosen.display or name for name, chosen in machines().items() if chosen.__module__.startswith("data")
    }
    assert {name: shown or name for name, shown in shown_names().items()} == found
    assert (machine_name("cambricon-x"), machine_name("scnn")) == ("Cambricon-X", "SCNN")
    assert display_name("somebody_elses") == "somebody_elses"


def test_every_built_in_network_has_a_name_of_its_own_for_pictures():
    shown = [workload_name(name) for name in network_names()]
    assert len(set(shown)) == len(shown)
    assert not set(shown) & set(network_names())
    assert workload_name("vgg16") == "VGG-16"
    assert workload_name("my/network.toml") == "my/network.toml"
    assert workloads_text(["vgg16", None, "vgg16", "alexnet"]) == "VGG-16, AlexNet"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("queue_depth", 8, "queue depth 8"),
        ("dram.bandwidth_gbs", 12.8, "DRAM bandwidth 12.8 GB/s"),
        ("clock_hz", 1_500_000_000, "clock 1.5 GHz"),
        ("energy.node_nm", 45.0, "energy node 45 nm"),
        ("balance", False, "balance off"),
        ("pe_rows", 19.200000000000003, "PE rows 19.2"),
        ("workload", "vgg16", "VGG-16"),
        ("weight_density", 0.3, "density of weights 0.3"),
    ],
)
def test_settings_have_their_units_and_no_equals_sign(key, value, text):
    assert setting_text(key, value) == text


def test_columns_end_in_their_units():
    assert title_of("dram.latency_ns") == "DRAM latency, ns"
    assert title_of("buffer_peak_bytes.weights") == "buffer peak bytes weights"


def test_the_legend_says_what_a_band_reaches_over(sweep):
    assert "2 seeds, min to max" in legend(plots.speedup(sweep))
    assert not any("min to max" in text for text in legend(plots.speedup([row for row in sweep if not row["seed"]])))
    inputs = [row | {"input": row["seed"], "seed": 0} for row in sweep]
    assert "2 inputs, min to max" in legend(plots.sweep(inputs, y="utilization"))
    assert lines_of(plots.speedup(sweep)).keys() >= {"SCNN"}


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]
