"""Listings are kept until a file of the packages changes; what cannot be kept or trusted is found anew."""

import json
import os
from types import SimpleNamespace

import pytest

from simulator.terminal import listing


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A project of one file, whose listing of one kind counts how often it is made."""
    file = tmp_path / "root" / "workloads" / "one.py"
    file.parent.mkdir(parents=True)
    file.write_text("one")
    made = []

    def things():
        made.append("things")
        return [("thing", "what it is"), ("a", "the first")]

    monkeypatch.setattr(listing, "_ROOT", tmp_path / "root")
    monkeypatch.setattr(listing, "KINDS", {"things": things, "none": list})
    monkeypatch.setattr(listing, "sys", SimpleNamespace(modules={}))
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", str(tmp_path / "cache"))
    return SimpleNamespace(file=file, made=made, kept=tmp_path / "cache" / "listings.json")


ROWS = {"things": [("thing", "what it is"), ("a", "the first")]}


def test_a_listing_is_made_once(house):
    assert listing.listed(["things"]) == listing.listed(["things"]) == ROWS
    assert len(house.made) == 1
    assert list(json.loads(house.kept.read_text())["listings"]) == ["things"]


def test_kinds_are_kept_as_they_are_asked_for(house):
    listing.listed(["none"])
    assert listing.listed(["things", "none"]) == {**ROWS, "none": []}
    assert listing.listed(["none", "things"]) == {"none": [], **ROWS}
    assert len(house.made) == 1


def test_a_change_of_size_or_time_and_a_new_file_are_seen(house):
    listing.listed(["things"])
    house.file.write_text("longer")
    listing.listed(["things"])
    assert len(house.made) == 2
    os.utime(house.file, ns=(0, 0))
    listing.listed(["things"])
    assert len(house.made) == 3
    (house.file.parent / "two.py").touch()
    listing.listed(["things"])
    assert len(house.made) == 4


def test_compiled_files_and_links_that_lead_nowhere_do_not_matter(house):
    (house.file.parent / ".#one.py").symlink_to("nobody@nowhere")
    listing.listed(["things"])
    (house.file.parent / "__pycache__").mkdir()
    (house.file.parent / "__pycache__" / "one.pyc").touch()
    listing.listed(["things"])
    assert len(house.made) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"stamp": 1}', "\0", '{"listings": {"things": [["x"]]}}'])
def test_a_file_that_is_none_is_replaced(house, content):
    listing.listed(["things"])
    house.kept.write_text(content)
    assert listing.listed(["things"]) == listing.listed(["things"]) == ROWS
    assert len(house.made) == 2


def test_rows_of_another_shape_are_not_taken(house):
    listing.listed(["things"])
    kept = json.loads(house.kept.read_text())
    house.kept.write_text(json.dumps({**kept, "listings": {"things": 3}}))
    assert listing.listed(["things"]) == ROWS


def test_where_more_may_be_defined_than_files_say_nothing_is_kept(house, monkeypatch):
    listing.listed(["things"])
    monkeypatch.setattr(listing, "sys", SimpleNamespace(modules={"numpy": None}))
    listing.listed(["things"])
    assert len(house.made) == 2


def test_without_files_or_a_folder_everything_is_listed_all_the_same(house, monkeypatch):
    monkeypatch.setenv("PRUNESIM_CACHE_DIR", str(house.file / "no folder"))
    assert listing.listed(["things"]) == ROWS
    house.file.unlink()
    assert listing.listed(["things"]) == ROWS
    assert len(house.made) == 2
    assert not house.kept.exists()
