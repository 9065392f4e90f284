"""Modules that are found by reading: the one that is asked for is imported, and all where reading finds none."""

import ast
import importlib
import sys

import pytest

from workloads.modules import decorators, import_all, import_matching, registered, sources

FIRST = """
from house import REGISTRY

def room(*_, **__): return lambda function: function
other = room

@room("first", ("a", "b"),
      light=True)
@other(lambda: (1,))
def enter(): ...

class First:
    name: str = "first"
    note = "no name = 'second' of ours"

REGISTRY["first"] = First
"""
SECOND = """
from house import REGISTRY

def room(*_): return lambda function: function

@room("second")
def enter(): ...

class Second:
    other_name = "first"
    name = 'second'

REGISTRY["second"] = Second
"""
COMPUTED = """
from house import REGISTRY

class Third:
    name = "thi" + "rd"

REGISTRY["third"] = Third
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A package of three rooms, one of them in a folder; gives the registry."""
    package = tmp_path / "house"
    (package / "upstairs").mkdir(parents=True)
    (package / "__init__.py").write_text("REGISTRY = {}\n")
    (package / "first.py").write_text(FIRST)
    (package / "upstairs" / "__init__.py").touch()
    (package / "upstairs" / "second.py").write_text(SECOND)
    (package / "third.py").write_text(COMPUTED)
    monkeypatch.syspath_prepend(tmp_path)
    import_all.cache_clear()
    import_matching.cache_clear()
    yield importlib.import_module("house").REGISTRY
    for name in loaded():
        del sys.modules[name]
    import_all.cache_clear()
    import_matching.cache_clear()


def loaded():
    return {name for name in sys.modules if name.partition(".")[0] == "house"}


@pytest.mark.usefixtures("house")
def test_the_sources_are_those_of_all_folders():
    assert [name for name, _ in sources("house")] == [
        "house",
        "house.first",
        "house.third",
        "house.upstairs",
        "house.upstairs.second",
    ]
    assert dict(sources("house"))["house.upstairs.second"] == SECOND
    assert loaded() == {"house"}


@pytest.mark.parametrize(
    ("name", "modules"), [("first", {"house.first"}), ("second", {"house.upstairs", "house.upstairs.second"})]
)
def test_the_module_of_a_name_alone_is_imported(house, name, modules):
    assert name in registered("house", house, name)
    assert loaded() == {"house"} | modules


@pytest.mark.parametrize("name", ["third", "fourth", "", ".*"])
def test_a_name_that_is_not_read_is_looked_for_in_all(house, name):
    assert registered("house", house, name) is house
    assert list(house) == ["first", "third", "second"]


def test_the_module_of_a_name_that_another_has_taken_is_imported_too(house):
    house["first"] = int
    registered("house", house, "first")
    assert "house.first" in loaded()


@pytest.mark.usefixtures("house")
def test_decorators_are_read_without_their_modules():
    assert [ast.unparse(call) for call in decorators("house", "room")] == [
        "room('first', ('a', 'b'), light=True)",
        "room('second')",
    ]
    assert [ast.unparse(call) for call in decorators("house", "other")] == ["other(lambda: (1,))"]
    assert loaded() == {"house"}
