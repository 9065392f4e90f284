"""Networks of two and three layers, each number derived by hand; a byte a cycle, operands used in step.

A tile that starts at s and works d cycles on data whose first byte comes at f and whose last one, of n, at l ends at
max(max(s, f) + d, l + ceil(d / n)).
"""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from dataflows.schedule import BufferUse, Cause, LayerSchedule, Runs, Tensor
from dataflows.specs import DramSpec
from simulator.engine.errors import CapacityError, StarvedError
from simulator.engine.ideal_memory import Moved
from simulator.engine.network_events import NetworkEvents
from simulator.engine.network_layers import NetworkLayer, NetworkPlayed, Overlap, PlayedLayer, Read
from simulator.engine.network_play import NetworkPlay
from simulator.engine.observer import Observer
from tests.simulator.engine.schedules import INFINITE, byte_a_cycle, runs, schedule

GHZ = 1_000_000_000
IN, WEIGHT, OUT = (
    BufferUse("in", Tensor.INPUT, 100),
    BufferUse("weights", Tensor.WEIGHT, 100),
    BufferUse("out", Tensor.OUTPUT, 100),
)
BUFFERS = (IN, WEIGHT, OUT)


def layer(
    *work: int,
    inputs: Runs | None = None,
    weights: Runs | None = None,
    stores: Runs | None = None,
    operands: Runs | None = None,
    buffers: tuple[BufferUse, ...] = BUFFERS,
    **settings,
) -> LayerSchedule:
    """A layer of one PE, with its cycles by tile."""
    loads = Runs.merge(inputs or Runs.none(), weights or Runs.none())
    plan = schedule([[cycles] for cycles in work], loads=loads, stores=stores, buffers=buffers, **settings)
    return replace(plan, operands_in_step=True, operands=operands or Runs.none())


def play(
    *layers: NetworkLayer, overlap: Overlap = "weights", dram: DramSpec | None = None, **settings
) -> NetworkPlayed:
    network = NetworkPlay(dram or byte_a_cycle(), GHZ, overlap, **settings)
    for one in layers:
        network.push(one)
    played = network.finish()
    assert [one.start for one in played.layers] == [0, *(one.end for one in played.layers[:-1])]
    assert played.layers[-1].end == played.cycles
    for one in played.layers:
        assert one.pe_cycles.sum(axis=1).tolist() == [one.end - one.start] * len(one.pe_cycles)
    return played


def chain(*plans: LayerSchedule) -> list[NetworkLayer]:
    """Each layer reads the one before it, in order."""
    return [
        NetworkLayer(f"layer{number}", plan, (Read(number - 1, in_order=True),) if number else ())
        for number, plan in enumerate(plans)
    ]


def waits(played: PlayedLayer) -> dict[str, int]:
    """Cycles of the only PE by cause, without those that are 0."""
    return {cause.key: int(n) for cause, n in zip(Cause, played.pe_cycles[0], strict=True) if n}


def in_a_row(tensor: Tensor, *sizes: int) -> Runs:
    """A run a tile, one behind the other."""
    size = np.array(sizes)
    return Runs.per_tile(tensor, np.arange(len(size)), np.cumsum(size) - size, size)


ONE_IN = runs(Tensor.INPUT, (0, 10))
ONE_OUT = runs(Tensor.OUTPUT, (0, 10))


@pytest.mark.parametrize(("overlap", "latency", "cycles"), [
    ("serial", 0, 111 + 81), ("weights", 0, 142), ("serial", 5, 121 + 91), ("weights", 5, 162),
])  # fmt: skip
def test_weights_of_the_next_layer_are_loaded_meanwhile(overlap, latency, cycles):
    """With latency L.

    First layer: 10 bytes of each come from L + 1 to L + 20, 100 cycles of work end at L + 101; 10 bytes are written by
    L + 101 + 10 + L = 2L + 111. Second layer alone: inputs by L + 10, 60 weights by L + 70, 20 cycles of work end a cycle
    behind them, at L + 71, and 10 bytes are written by 2L + 81.

    With `weights` these 60 bytes are asked for at L + 1, when the first layer begins, and there long before it ends. Inputs
    are asked for at 2L + 111, come from 3L + 112 to 3L + 121, work ends at 3L + 132, and 10 bytes are written by
    4L + 142.
    """
    first = layer(100, inputs=ONE_IN, weights=runs(Tensor.WEIGHT, (0, 10)), stores=ONE_OUT)
    second = layer(20, inputs=ONE_IN, weights=runs(Tensor.WEIGHT, (0, 60)), stores=ONE_OUT)
    played = play(*chain(first, second), overlap=overlap, dram=byte_a_cycle(float(latency)))
    assert played.cycles == cycles


def test_waits_of_the_array_are_charged_to_the_layer_that_waits():
    """As above: from 101 to 111 for inputs to be made, from 131 to 132 for the last of them, then 10 cycles to write."""
    first = layer(100, inputs=ONE_IN, weights=runs(Tensor.WEIGHT, (0, 10)), stores=ONE_OUT)
    second = layer(20, inputs=ONE_IN, weights=runs(Tensor.WEIGHT, (0, 60)), stores=ONE_OUT)
    overlapped, serial = (play(*chain(first, second), overlap=overlap).layers for overlap in ("weights", "serial"))
    assert [waits(one) for one in overlapped] == [{"busy": 100, "memory": 1}, {"busy": 20, "memory": 10 + 1 + 10}]
    assert [waits(one) for one in serial] == [{"busy": 100, "memory": 1 + 10}, {"busy": 20, "memory": 81 - 20}]


@pytest.mark.parametrize(
    ("overlap", "halo", "cycles"), [("serial", 0, 212), ("weights", 0, 212), ("tiles", 0, 201), ("tiles", 2, 212)]
)
def test_a_share_of_the_map_is_enough_where_it_is_read_in_order(overlap, halo, cycles):
    """First layer: tiles end at 51 and 101, their 10 bytes each are written by 61 and 111.

    Inputs of the second layer's first tile: asked for at 111, when all is written, they come from 112 on, and 50 cycles
    of work end at 162, of the second tile at 212. With `tiles` they end at 10 of 20 bytes, so they need the stores that
    begin below 10 of 20: those of the first tile, written at 61. So the tile runs from 101 to 151. The second tile's
    inputs are asked for at 111 and there by 121: it runs from 151 to 201.

    With 2 bytes more, of 22, they need what begins below 12 x 20 / 22 = 10.9, hence both stores, as with `weights`.
    """
    first = layer(50, 50, inputs=runs(Tensor.INPUT, (0, 1)), stores=in_a_row(Tensor.OUTPUT, 10, 10))
    second = layer(50, 50, inputs=in_a_row(Tensor.INPUT, 10 + halo, 10))
    assert play(*chain(first, second), overlap=overlap).cycles == cycles


@pytest.mark.parametrize("overlap", ["weights", "tiles"])
@pytest.mark.parametrize(("moving", "cycles"), [(False, 142), (True, 192)])
def test_weights_that_other_layers_make_are_inputs(overlap, moving, cycles):
    """As in the first test without latency: written by 111; 60 bytes of weights are there long before if they are constant.

    If they move they are asked for when the layer before has been made, behind the inputs as the schedule lists them:
    inputs come from 112 to 121, weights to 181. 20 cycles of work end a cycle behind the last of them, at 182 + 10 to be
    written: 192.
    """
    first = layer(100, inputs=ONE_IN, weights=runs(Tensor.WEIGHT, (0, 10)), stores=ONE_OUT)
    second = layer(20, inputs=ONE_IN, weights=runs(Tensor.WEIGHT, (0, 60)), stores=ONE_OUT)
    layers = [NetworkLayer("a", first), NetworkLayer("b", second, (Read(0, in_order=True),), moving_weights=moving)]
    assert play(*layers, overlap=overlap).cycles == cycles


@pytest.mark.parametrize(("moving", "cycles"), [(False, 202), (True, 213)])
def test_no_share_is_enough_where_weights_are_made_as_well(moving, cycles):
    """As in the test of shares, with weights, which come first: the only byte of inputs comes at 2, not at 1.

    So the first layer's tiles end at 52 and 102, and their results are written by 62 and 112. Constant weights are long
    there: the second layer's tiles run from 102 to 152 and to 202. If they move, all loads of its first tile are asked for
    at 112: inputs come from 113 to 122, weights to 127, and the tiles end at 163 and 213.
    """
    one = runs(Tensor.INPUT, (0, 1)), runs(Tensor.WEIGHT, (0, 1))
    first = layer(50, 50, inputs=one[0], weights=one[1], stores=in_a_row(Tensor.OUTPUT, 10, 10))
    second = layer(50, 50, inputs=in_a_row(Tensor.INPUT, 10, 10), weights=runs(Tensor.WEIGHT, (0, 5)))
    layers = [NetworkLayer("a", first), NetworkLayer("b", second, (Read(0, in_order=True),), moving_weights=moving)]
    assert play(*layers, overlap="tiles").cycles == cycles


def test_in_order_alone_makes_a_share_enough():
    first = layer(50, 50, inputs=runs(Tensor.INPUT, (0, 1)), stores=in_a_row(Tensor.OUTPUT, 10, 10))
    second = layer(50, 50, inputs=in_a_row(Tensor.INPUT, 10, 10))
    out_of_order = [NetworkLayer("a", first), NetworkLayer("b", second, (Read(0),))]
    assert play(*out_of_order, overlap="tiles").cycles == 212


def test_a_share_needs_the_drains_of_its_tiles_even_where_results_are_written_before():
    """Results are written as they are made.

    Tile 0 works until 51 and its 40 cycles of draining last until 91; its 10 bytes, which need less, are written from 51
    on. The second layer's first inputs are asked for at 91, while tile 1 works until 101.
    """
    inputs, stores = runs(Tensor.INPUT, (0, 1)), in_a_row(Tensor.OUTPUT, 10, 10)
    first = replace(layer(50, 50, inputs=inputs, stores=stores, drain=[40, 0]), outputs_as_made=True)
    second = layer(50, 50, inputs=in_a_row(Tensor.INPUT, 10, 10))
    asked: list[tuple[int, int]] = []

    class Asked(Observer):
        def transfer(self, tile, tensor, start, *_, write):
            if tensor == Tensor.INPUT and not write:
                asked.append((tile, start))

    play(*chain(first, second), overlap="tiles", observers=(Asked(),))
    assert asked[1] == (2, 91)


def test_three_layers_of_which_the_last_reads_the_first():
    """The first one works from 1 to 31 and its 10 bytes are written by 41.

    The second one reads nothing that has to be made; its inputs, asked for at 1, are there by 11, and it works from 31 to
    61. The third one's are asked for when the second has begun and they have been made, at 41; it works from 61 to 91.
    With `serial` the three take 41, 31 and 31 cycles.
    """
    layers = [
        NetworkLayer("a", layer(30, inputs=runs(Tensor.INPUT, (0, 1)), stores=ONE_OUT)),
        NetworkLayer("b", layer(30, inputs=ONE_IN)),
        NetworkLayer("c", layer(30, inputs=ONE_IN), (Read(0),)),
    ]
    assert play(*layers).cycles == 91
    assert play(*layers, overlap="serial").cycles == 41 + 31 + 31


@pytest.mark.parametrize(
    ("capacity", "later", "cycles"),
    [
        (60, WEIGHT, 162),
        (120, WEIGHT, 121),
        (120, replace(WEIGHT, capacity_bytes=130), 162),
        (120, replace(WEIGHT, name="other"), 162),
        (120, replace(WEIGHT, streamed=True), 162),
    ],
)
def test_a_buffer_that_both_layers_use_alike_takes_the_next_weights_as_far_as_it_has_room(capacity, later, cycles):
    """The first layer's 60 weights come from 1 to 60, its 100 cycles of work end at 101.

    Where the second one's 60 find room beside them they come by 120, and 10 cycles of work, begun at 101, end a cycle
    behind the last: 121. Else they are asked for at 101 and there by 161: 162. A buffer that the two do not use alike
    has room at 101, too.
    """
    first_use = replace(WEIGHT, capacity_bytes=capacity)
    later = replace(later, capacity_bytes=capacity) if later.capacity_bytes == WEIGHT.capacity_bytes else later
    weights = runs(Tensor.WEIGHT, (0, 60))
    first, second = (
        layer(work, weights=weights, buffers=(use,)) for work, use in ((100, first_use), (10, later))
    )  # fmt: skip
    played = play(NetworkLayer("a", first), NetworkLayer("b", second))
    assert played.cycles == cycles
    if later.name == "weights" and not later.streamed:
        assert played.buffer_peak_bytes == {"weights": 120 if cycles == 121 else 60}


def test_a_stream_runs_ahead_of_the_layer_like_any_tile():
    """A stream waits for the start of the tile `prefetch_tiles` before: of the first layer's only one, at 1."""
    fifo = replace(WEIGHT, capacity_bytes=8, streamed=True)
    first, second = (layer(work, weights=runs(Tensor.WEIGHT, (0, 60)), buffers=(fifo,)) for work in (100, 10))
    assert play(NetworkLayer("a", first), NetworkLayer("b", second)).cycles == 121
    late = replace(second, prefetch_tiles=0)
    assert play(NetworkLayer("a", first), NetworkLayer("b", late)).cycles == 162


@pytest.mark.parametrize(("capacity", "start"), [(100, 10), (200, 10 + 50)])
def test_results_in_another_buffer_wait_until_all_before_have_been_written(capacity, start):
    """The first layer computes until 10 and its 50 bytes are written by 60."""
    first = layer(10, stores=runs(Tensor.OUTPUT, (0, 50)))
    second = layer(5, stores=ONE_OUT, buffers=(replace(OUT, capacity_bytes=capacity),))
    played = play(NetworkLayer("a", first), NetworkLayer("b", second))
    assert played.cycles == max(start + 5, 60) + 10
    assert waits(played.layers[1]) == {"busy": 5, "memory": played.cycles - 10 - 5}


@pytest.mark.parametrize(("before", "after", "cycles"), [(1, 3, 40 + 20), (3, 1, 40 + 20), (2, 2, 20 + 30), (3, 3, 40)])
def test_of_two_numbers_of_accumulators_the_smaller_counts(before, after, cycles):
    """The first layer's tile ends at 10 and is drained at 40.

    Of one copy on either side, the second layer's two tiles of 10 cycles run from 40 on; of two the first one runs at
    10 and the second from 40 on; of three both run at once and the network ends with the drain.
    """
    first, second = layer(10, drain=[30], copies=before), layer(10, 10, copies=after)
    played = play(NetworkLayer("a", first), NetworkLayer("b", second))
    assert played.cycles == cycles


@pytest.mark.parametrize(("work", "end"), [(50, 10 + 50 + 10), (5, 30 + 10)])
def test_operands_are_loaded_once_they_have_been_made_and_hold_up_the_results(work, end):
    """The first layer's map is made at 20; asked for then, its 10 bytes are there at 30.

    A second layer that works from 10 to 60 writes its results by 70; one that works from 10 to 15 by 40.
    """
    first = layer(10, stores=ONE_OUT)
    second = layer(work, stores=ONE_OUT, operands=runs(Tensor.INPUT, (0, 10)))
    played = play(NetworkLayer("a", first), NetworkLayer("b", second, operands=(0,)))
    assert played.cycles == end
    assert waits(played.layers[1]) == {"busy": work, "memory": end - 10 - work}
    assert played.traffic.tensors[Tensor.INPUT].read_bytes == 10


def test_accumulators_are_free_when_drained_and_when_the_operands_are_there():
    """The second layer works from 10 to 15, is drained at 19 and has its operands at 30, when the third may begin."""
    first = layer(10, stores=ONE_OUT)
    second = layer(5, stores=ONE_OUT, operands=runs(Tensor.INPUT, (0, 10)), drain=[4], copies=1)
    third = layer(20, copies=1)
    added = NetworkLayer("b", second, operands=(0,))
    played = play(NetworkLayer("a", first), added, NetworkLayer("c", third))
    assert waits(played.layers[2]) == {"busy": 20, "drain": 4, "memory": 11}
    assert played.cycles == 30 + 20


def test_results_written_as_they_are_made_wait_for_their_operands():
    """A tile from 10 to 60 would begin to write its 120 bytes at once, but has its operands at 30; done at 150."""
    first = layer(10, stores=ONE_OUT)
    second = layer(50, stores=runs(Tensor.OUTPUT, (0, 120)), operands=runs(Tensor.INPUT, (0, 10)))
    as_made = replace(second, outputs_as_made=True)
    assert play(NetworkLayer("a", first), NetworkLayer("b", as_made, operands=(0,))).cycles == 30 + 120


def test_inputs_that_lie_on_the_chip_are_there_when_they_have_been_drained():
    """The first layer is computed at 10 and drained at 40."""
    played = play(*chain(layer(10, drain=[30]), layer(20)))
    assert played.cycles == 40 + 20
    assert waits(played.layers[1]) == {"busy": 20, "drain": 30}
    assert play(NetworkLayer("a", layer(10, drain=[30])), NetworkLayer("b", layer(20))).cycles == 40


def test_blocking_write_back_ends_a_layer_when_its_results_are_written():
    """10 cycles of work and 10 of writing; then inputs from 20 on, work from 21 to 31 and 10 cycles of writing."""
    layers = chain(layer(10, stores=ONE_OUT), layer(10, inputs=ONE_IN, stores=ONE_OUT))
    played = play(*layers, write_back="blocking")
    assert [(one.start, one.end) for one in played.layers] == [(0, 20), (20, 41)]


def test_ports_are_shared_by_the_layers():
    """Two bytes a cycle from memory, one into each buffer.

    40 weights of the first layer are there at 40, and 10 cycles of work end at 41; 40 of the second, asked for at 1, pass
    the port from 40 to 80.
    """
    fast = DramSpec(bandwidth_gbs=2.0, latency_ns=0.0, burst_bytes=1)
    plan = layer(10, weights=runs(Tensor.WEIGHT, (0, 40)))
    layers = NetworkLayer("a", plan), NetworkLayer("b", plan)
    assert play(*layers, dram=fast, buffer_bytes_per_cycle=1).cycles == 80 + 1


@pytest.mark.parametrize(("overlap", "cycles"), [("serial", 53), ("weights", 57)])
def test_data_asked_for_one_after_the_other_may_cost_a_burst_more_than_data_asked_for_together(overlap, cycles):
    """A burst of 4 bytes in 8 cycles; the first layer is drained at 3, then 39 cycles of work on bursts of 1 and 3.

    Asked for together at 3, all 4 come from 11 to 35, in turn from the start: B = 4 / 24 bursts a cycle. Most is lost
    2 x 3 / (39 B) / B = 5.54 cycles on, when 0.46 of 1 and of 3 bursts each are there, 0.071 of the work:
    11 + 5.54 + 0.929 x 39 = 52.8.

    With `weights` the 3 come from 8 to 24 and the 1, asked for at 3, at 32. In turn it comes from 16 on, behind the first
    of the 3, and B = 4 / 16. Most is lost 2 x 1 / (39 B) x 3 / B = 2.46 cycles on, with 0.032 of the work done:
    16 + 2.46 + 0.968 x 39 = 56.2.
    """
    slow = DramSpec(bandwidth_gbs=0.5, latency_ns=0.0, burst_bytes=4)
    one = runs(Tensor.INPUT, (0, 1))
    second = replace(layer(39, inputs=one, weights=runs(Tensor.WEIGHT, (0, 9)), prefetch=0), operands_in_step=False)
    layers = NetworkLayer("a", layer(0, drain=[3])), NetworkLayer("b", second, (Read(0),))
    assert play(*layers, overlap=overlap, dram=slow).cycles == cycles


def test_banked_memory_plays_a_network():
    banked = DramSpec(kind="banked")
    plan = layer(20, 20, inputs=in_a_row(Tensor.INPUT, 50, 50), stores=in_a_row(Tensor.OUTPUT, 50, 50))
    played = play(*chain(plan, plan, plan), overlap="tiles", dram=banked)
    assert played.traffic.tensors[Tensor.INPUT].read_bytes == 300
    assert played.traffic.activity.activates > 0


def test_no_layers_take_no_time():
    network = NetworkPlay(INFINITE, GHZ, "weights")
    assert network.finish().cycles == 0


def test_a_tile_that_can_never_fit_is_refused_when_its_layer_is_pushed():
    network = NetworkPlay(INFINITE, GHZ, "weights")
    network.push(NetworkLayer("a", layer(1, inputs=ONE_IN)))
    with pytest.raises(CapacityError, match=r"^tile 0 needs 101 bytes in the in of 100 bytes$"):
        network.push(NetworkLayer("b", layer(1, inputs=runs(Tensor.INPUT, (0, 101)))))


def test_a_layer_reads_only_layers_before_it():
    network = NetworkPlay(INFINITE, GHZ, "weights")
    with pytest.raises(AssertionError, match=r"^layer 'a', number 0, reads layer 0, which does not come before it$"):
        network.push(NetworkLayer("a", layer(1), (Read(0),)))


@pytest.mark.parametrize("overlap", ["weights", "tiles"])
def test_a_starved_run_says_who_waits_for_what(overlap):
    """Results of the first layer never reach memory, so that the second one's inputs are never made."""
    network = NetworkEvents(byte_a_cycle(), GHZ, overlap)
    transfer = network._memory.transfer

    def lose_stores(transferred, part, urgency, *, write):
        never = Moved(network._env.event(), network._env.event())
        return never if write else transfer(transferred, part, urgency, write=write)

    network._memory.transfer = lose_stores
    first, second = chain(layer(10, stores=ONE_OUT), layer(10, inputs=ONE_IN))
    network.push(first)
    text = (
        r"^the simulation starved at cycle 10: layer 'layer1': tile 0 waits for room for its data; "
        r"loads have come to layer 'layer1': input of tile 0$"
    )
    with pytest.raises(StarvedError, match=text):
        network.push(second)


def test_nothing_is_played_that_a_layer_to_come_could_change():
    """Told are the tiles that have ended: none when the first layer has begun, all but the last layer's when it has."""
    ended: list[int] = []

    class Ends(Observer):
        def tile(self, tile, *_):
            ended.append(tile)

    network = NetworkPlay(byte_a_cycle(), GHZ, "weights", (Ends(),))
    for number, one in enumerate(chain(*[layer(5, 5, inputs=in_a_row(Tensor.INPUT, 4, 4))] * 3)):
        network.push(one)
        assert len(ended) <= 2 * number + 1
    network.finish()
    assert ended == list(range(6))


@pytest.mark.slow
@pytest.mark.parametrize("overlap", ["serial", "weights", "tiles"])
def test_of_a_thousand_layers_a_few_are_kept(overlap):
    network = NetworkPlay(byte_a_cycle(), GHZ, overlap)
    made: list[weakref.ref] = []
    most = 0
    for number in range(1000):
        plan = layer(3, 3, inputs=in_a_row(Tensor.INPUT, 4, 4), stores=in_a_row(Tensor.OUTPUT, 4, 4))
        made.append(weakref.ref(plan))
        network.push(NetworkLayer("a", plan, (Read(number - 1, in_order=True),) if number else ()))
        del plan
        if number % 50 == 49:
            gc.collect()
            most = max(most, sum(one() is not None for one in made))
    assert 1 <= most <= 4
    assert len(network.finish().layers) == 1000
