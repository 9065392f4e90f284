"""The sampler of drawn fronts: what its processes learn, that it repeats itself, and that it finds a front early."""

import itertools

import numpy as np
import pytest

from simulator.reports.front import pareto_front
from simulator.search.asked import Told
from simulator.search.space import SearchTable, Space
from simulator.search.thompson import Process, Thompson


def space_of(*sides, constraints=(), objectives=("time_us", "area.total_mm2")):
    ranges = {chr(97 + at): list(range(side)) for at, side in enumerate(sides)}
    table = SearchTable(ranges=ranges, objectives=list(objectives), constraints=list(constraints))
    return Space.of(table, table.ranges, "f")


def measured(design):
    """Time falls with two settings to a floor, area rises with all: shaped like a machine's."""
    a, b, c, d = design
    return 1 + 64 / 2.0 ** min(a + b, 6) + 5 / (1 + c) + 0.01 * d, 2.0 ** (a + b) + 0.7 * a + 3 * c + d


def looked_at(space, seed, points, excesses=lambda _: (), impossible=lambda _: False):
    sampler, seen = Thompson(space, seed), {}
    while len(seen) < points:
        designs = sampler.ask(8)
        assert len(set(designs)) == len(designs)
        assert not seen.keys() & set(designs)
        told = [Told(one, None) if impossible(one) else Told(one, measured(one), excesses(one)) for one in designs]
        seen |= {one.design: one for one in told}
        sampler.tell(told)
        if not designs:
            break
    return seen


def test_a_process_knows_what_it_was_told_and_doubts_the_rest():
    places = np.linspace(0, 1, 9)[:, None]
    process = Process.of(places, np.sin(4 * places[:, 0]))
    drawn = process.draws(np.array([[0.5], [0.53], [3.0]]), 400, np.random.default_rng(0))
    mean, doubt = drawn.mean(axis=0), drawn.std(axis=0)
    assert mean[:2] == pytest.approx(np.sin([2, 2.12]), abs=0.02)
    assert doubt[0] < 0.02
    assert doubt[2] > 0.2


def test_a_setting_without_effect_gets_a_length_beyond_that_of_one_with():
    places = np.array(list(itertools.product(np.linspace(0, 1, 6), repeat=2)))
    process = Process.of(places, np.sin(7 * places[:, 0]))
    assert process.lengths[1] > 4 * process.lengths[0]


def test_the_seed_decides_everything():
    space = space_of(5, 5, 4, 3)
    assert list(looked_at(space, 1, 32)) == list(looked_at(space, 1, 32))
    assert list(looked_at(space, 1, 32)) != list(looked_at(space, 2, 32))


def test_it_finds_most_of_a_front_in_a_fifth_of_the_designs():
    space = space_of(5, 5, 4, 3)
    every = [measured(design) for design in space.designs()]
    front = {every[at] for at in pareto_front(every, space.more)}
    for seed in range(3):
        found = {measured(design) for design in looked_at(space, seed, 64)}
        assert len(found & front) > 0.6 * len(front)  # chance finds a fifth


def test_a_small_space_is_seen_as_a_whole_and_then_ends():
    space = space_of(2, 3, 2, 1)
    assert sorted(looked_at(space, 0, 100)) == sorted(space.designs())


def test_it_keeps_within_limits_and_away_from_what_is_impossible():
    space = space_of(5, 5, 4, 3, constraints=["area.total_mm2 <= 20"])
    seen = looked_at(space, 0, 64, lambda one: (measured(one)[1] / 20 - 1,), lambda one: one[0] >= 3)
    later = list(seen.values())[24:]
    good = [one for one in later if one.objectives is not None and one.excesses[0] <= 0]
    possible = [one for one in space.designs() if one[0] < 3 and measured(one)[1] <= 20]
    assert len(good) / len(later) > 1.5 * len(possible) / space.size


def test_a_large_space_is_searched_in_parts():
    space = space_of(40, 40, 40, 40)
    seen = looked_at(space, 0, 24)
    assert len(seen) == 24
    assert all(0 <= place < 40 for design in seen for place in design)
