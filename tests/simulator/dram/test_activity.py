"""What devices have done, added up."""

from simulator.dram.activity import NO_ACTIVITY, DramActivity


def test_layers_of_one_memory_add_up():
    one = DramActivity(1, 2, 3, 4, 5, 6, 7, 8, burst_bytes=64)
    two = DramActivity(10, 20, 30, 40, 50, 60, 70, 80, burst_bytes=64)
    assert one + two == DramActivity(11, 22, 33, 44, 55, 66, 77, 88, burst_bytes=64)
    assert one + NO_ACTIVITY == NO_ACTIVITY + one == one
    assert one.bursts == 3 + 4 + 5
