"""What cannot be counted in int64 is refused before it is played, with the layer and what drives it."""

import math

import pytest

from dataflows.registry import create, machine
from dataflows.schedule import Tensor
from dataflows.specs import AcceleratorSpec, DramSpec
from simulator.configuration import validate
from simulator.engine import countable
from simulator.engine.countable import MOST_PE_CYCLES, most_cycles, require_countable
from simulator.network_simulation import MachineRun, play, simulate
from tests.conformance.layers import LAYERS, random_trace
from tests.simulator.engine.schedules import runs, schedule
from workloads.catalog import load_workload
from workloads.errors import InputError


def spec(**dram):
    return AcceleratorSpec(dram=DramSpec(**dram))


LOADS = runs(Tensor.WEIGHT, (0, 100))


def test_what_the_array_does_is_counted():
    with pytest.raises(InputError) as caught:
        require_countable("a", schedule([[1 << 61]] * 4, loads=LOADS), spec())
    assert str(caught.value) == (
        "layer 'a': up to 9.2e+18 cycles on 1 PEs (what the PEs do) cannot be counted: at most 2^62 PE-cycles"
    )


def test_memory_is_counted():
    assert most_cycles(schedule([[1]], loads=LOADS), spec(bandwidth_gbs=1e-6, burst_bytes=100, latency_ns=7)) == {
        "what the PEs do": 10,
        "drain": 0,
        "the buffers' ports": 4,
        "dram.bandwidth_gbs = 1e-06": 100 * 10**6,
        "dram.burst_bytes = 100": 2 * 100 * 10**6,
        "dram.latency_ns = 7": 7,
    }


def test_layers_before_count():
    made = schedule([[1]], loads=LOADS)
    own = require_countable("a", made, spec())
    assert require_countable("a", made, spec(), (1 << 30) - own) == own
    with pytest.raises(InputError, match="layer 'a': up to "):
        require_countable("a", made, spec(), MOST_PE_CYCLES - own + 1)


@pytest.mark.parametrize("name", ["ideal", "dcnn", "structured", "systolic", "eie"])
@pytest.mark.parametrize(
    "dram", [{}, {"bandwidth_gbs": 0.01}, {"latency_ns": 1e6}, {"burst_bytes": 4096}, {"bandwidth_gbs": math.inf}]
)
def test_a_layer_never_takes_more_than_that(name, dram):
    chosen = machine(name)
    accelerator = chosen(validate(chosen, {"dram": dram}, "test"))
    for layer in LAYERS[:4] + LAYERS[13:15]:
        if accelerator.refusal(layer) is None:
            made = accelerator.schedule(random_trace(layer, 0.5, 0.5))
            assert play(accelerator, made).cycles <= sum(most_cycles(made, accelerator.spec).values())


def test_a_run_names_the_setting(monkeypatch):
    monkeypatch.setattr(countable, "MOST_PE_CYCLES", 10**10)
    chosen = machine("dcnn")
    run = MachineRun(chosen(validate(chosen, {"dram": {"latency_ns": 1e9}}, "test")))
    told = r"^layer 'plain': up to \de\+\d\d cycles on 64 PEs \(dram.latency_ns = 1e\+09\) cannot be counted: at most 2\^62 "
    with pytest.raises(InputError, match=told):
        run.layer(random_trace(LAYERS[0], 0.5, 0.5))


def test_the_baseline_is_counted_too(monkeypatch):
    accelerator = create("structured")
    trace = random_trace(LAYERS[0], 0.1, 0.1)
    own = MachineRun(accelerator).dense_run(trace).cycles
    monkeypatch.setattr(countable, "MOST_PE_CYCLES", own)
    with pytest.raises(InputError, match=r"^layer 'plain' on its dense baseline '[a-z]+': up to "):
        MachineRun(accelerator).dense_run(trace)


def test_a_schedule_that_takes_too_much_memory_is_refused_with_its_layer(tmp_path):
    (tmp_path / "n.toml").write_text(
        "[[layers]]\nname = 'a'\ntype = 'fc'\nin_channels = 2\nout_channels = 9\nbatch = 99\n"
    )
    accelerator = create("dcnn", {"pe_rows": 1024, "pe_columns": 1024})
    with pytest.raises(InputError) as caught:
        simulate([accelerator], load_workload(str(tmp_path / "n.toml")))
    assert str(caught.value) == (
        "layer 'a' with 18 weights, 198 activations: the cycles of 99 tiles on 1,048,576 PEs: 7.734 GiB: "
        "an array may take at most 256 MiB in memory (PRUNESIM_LIMITS raises it)"
    )


def test_a_network_is_counted_as_a_whole(tmp_path):
    (tmp_path / "n.toml").write_text(
        "[[layers]]\nname = 'a'\ntype = 'fc'\nin_channels = 2\nout_channels = 2\n"
        + "".join(
            f"[[layers]]\nname = 'b{number}'\ntype = 'fc'\nin_channels = 2\nout_channels = 2\n" for number in range(40)
        )
    )
    chosen = machine("dcnn")
    settings = {"pe_rows": 1024, "pe_columns": 1024, "clock_hz": 250 * 10**9, "dram": {"latency_ns": 1e9}}
    with pytest.raises(InputError, match=r"^layer 'b\d+': up to .* \(dram.latency_ns = 1e\+09\) cannot be counted"):
        simulate([chosen(validate(chosen, settings, "test"))], load_workload(str(tmp_path / "n.toml")))
