import simpy

from simulator.engine.buffer import Buffer


def test_room_is_given_out_first_come_first_served():
    env = simpy.Environment()
    buffer = Buffer(env, "b", 10)
    assert buffer.take(6) is None
    large, small = buffer.take(8), buffer.take(1)
    assert large is not None
    assert small is not None, "the small request must not overtake the large one"
    buffer.give_back(6)
    assert large.triggered
    assert small.triggered
    assert (buffer.taken_bytes, buffer.peak_bytes) == (9, 9)
