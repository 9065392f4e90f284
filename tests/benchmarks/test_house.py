"""The picture of the house shows what the sources import: every room has its layer, and arrows lead down."""

import itertools

import grimp
import pytest

from benchmarks import house


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(*house.PACKAGES)


def test_every_room_of_a_package_has_a_layer(graph):
    for package, rows in house.layers().items():
        entries = {child.rpartition(".")[2] for child in graph.find_children(package)} - {"__main__"}
        assert {room for row in rows for room in row} == entries, package


def test_arrows_lead_down_and_never_between_machines(graph):
    rows = [f"{package}.{room}" for package in house.PACKAGES for row in house.layers()[package] for room in row]
    edges = house.room_edges(graph, rows)
    assert ("simulator.engine", "simulator.dram") in edges
    assert all(rows.index(a) < rows.index(b) for a, b in edges)
    assert house.between_machines(graph) == set()


def test_arrows_that_follow_from_others_are_left_out():
    assert house.reduced({("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}) == {("a", "b"), ("b", "c"), ("a", "d")}


def test_the_picture_holds_every_room():
    rows = {package: [["one"], ["two", "three"]] for package in house.PACKAGES}
    figure = house.drawn(rows, {("simulator.one", "simulator.two")})
    assert [text.get_text() for text in figure.axes[0].texts].count("three") == 3


def test_rooms_of_a_row_keep_apart_and_stay_in_the_picture():
    for rows in house.layers().values():
        for row in rows:
            for shift in house.SHIFTS:
                ends = [
                    (middle - house.half_width(room), middle + house.half_width(room))
                    for room, middle in zip(row, house.places(row, shift), strict=True)
                ]
                assert ends[0][0] > 0, row
                assert ends[-1][1] < house.WIDTH, row
                assert all(left[1] < right[0] for left, right in itertools.pairwise(ends)), row
