"""Which event loop plays is a matter of time alone: of what is kept, and of what simpy has cost."""

import subprocess
import sys

import pytest

from dataflows.kernels import ahead
from dataflows.kernels.compiled import Kernel
from simulator.engine import loop_choice
from simulator.engine.compiled.advance import advance
from simulator.engine.compiled.machine import loop_machine
from simulator.engine.layer_simulation import LayerSimulation
from simulator.engine.loop_choice import EventLoop, forced, is_compiled
from simulator.engine.network_layers import NetworkLayer
from simulator.engine.network_play import NetworkPlay
from tests.project import ROOT
from tests.simulator.engine.schedules import byte_a_cycle, schedule
from workloads.errors import InputError

GHZ = 1_000_000_000
MACHINE = loop_machine(byte_a_cycle(), GHZ, None)
LOOPS = pytest.mark.parametrize("loop", ["compiled", "simpy"])
WORDS = "the run takes more than 2^44 cycles, which is longer than can be simulated"


@pytest.fixture
def choosing(monkeypatch):
    """The choice as of a process that has just begun, and the processes that it starts."""
    started = []
    monkeypatch.setattr(loop_choice._Choice, "forced", None)
    monkeypatch.setattr(loop_choice._Choice, "simpy_seconds", 0.0)
    monkeypatch.setattr(ahead, "start", started.append)
    return started


@pytest.mark.parametrize("ready", [False, True])
def test_the_loop_is_compiled_where_it_is_kept(monkeypatch, choosing, ready):
    monkeypatch.setattr(Kernel, "is_ready", lambda kernel, *_: kernel is advance and ready)
    assert is_compiled(MACHINE) == ready
    assert choosing == []


def test_the_loop_is_compiled_when_simpy_has_cost_as_much(monkeypatch, choosing):
    monkeypatch.setattr(loop_choice, "is_ready", lambda _: False)
    for seconds, compiled in ((0.9, False), (1.1, False), (3.9, False), (4.1, True)):
        monkeypatch.setattr(loop_choice._Choice, "simpy_seconds", seconds)
        assert is_compiled(MACHINE) == compiled, seconds
    assert choosing == ["", ""], "beside the run, once that has taken a second"


@pytest.mark.usefixtures("choosing")
def test_what_simpy_costs_is_counted(monkeypatch):
    monkeypatch.setattr(loop_choice, "is_ready", lambda _: False)
    LayerSimulation(schedule([[3]] * 50), byte_a_cycle(), GHZ).run()
    alone = loop_choice._Choice.simpy_seconds
    assert alone > 0
    network = NetworkPlay(byte_a_cycle(), GHZ, "weights")
    network.push(NetworkLayer("", schedule([[3]] * 50)))
    pushed = loop_choice._Choice.simpy_seconds
    assert pushed > alone
    network.finish()
    assert loop_choice._Choice.simpy_seconds > pushed


def test_a_choice_is_forced_in_a_block(choosing):
    with forced("compiled"):
        assert is_compiled(MACHINE)
        with forced("simpy"):
            assert not is_compiled(MACHINE)
        assert is_compiled(MACHINE)
    assert (loop_choice._Choice.forced, choosing) == (None, [])


def play_alone(plan):
    return LayerSimulation(plan, byte_a_cycle(), GHZ).run()


def play_in_a_network(plan):
    network = NetworkPlay(byte_a_cycle(), GHZ, "weights")
    network.push(NetworkLayer("", plan))
    return network.finish()


@LOOPS
@pytest.mark.parametrize("play", [play_alone, play_in_a_network])
def test_longer_runs_than_can_be_counted_are_refused(loop: EventLoop, play):
    with forced(loop):
        assert play(schedule([[1 << 44]])).cycles == 1 << 44
        with pytest.raises(InputError) as told:
            play(schedule([[(1 << 44) + 1]]))
    assert str(told.value) == WORDS


@LOOPS
def test_the_other_loop_is_not_loaded(loop: EventLoop):
    code = f"""
import sys
from simulator.commands.main import main
from simulator.engine.loop_choice import forced
try:
    with forced({loop!r}):
        main(["run", "examples/tiny.toml", "--on", "ideal", "--json", "-"])
except SystemExit as end:
    assert not end.code
from simulator.engine.compiled.advance import advance
print("simpy" in sys.modules, bool(advance._ready))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ("False True" if loop == "compiled" else "True False")
