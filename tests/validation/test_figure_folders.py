"""A folder of figures inside another belongs to it, and keeps its studies and records to itself."""

import pytest

from simulator.validation import figures
from simulator.validation.figure_records import renew
from simulator.validation.figures import FigureSet
from tests.validation.own_figures import OWN, own_figures
from workloads.errors import InputError

INNER = OWN.partition("[[figure]]")[2].replace('id = "rtl"', 'id = "inner"')


def folder_with(path, inner, published=0.25):
    own_figures(path, OWN.format(published=0.25))
    own_figures(path / "mine", inner.format(published=published))
    return path


def test_figures_of_an_inner_folder_are_read_with_their_studies_and_the_goals_of_both(tmp_path):
    text = "[goals.inner]\nrelative = 0.5\n[[figure]]" + INNER.replace('kind = "rtl"', 'kind = "inner"')
    found = FigureSet.read(folder_with(tmp_path, text))
    assert [(figure.id, figure.study) for figure in found.figures] == [("rtl", "fc7"), ("inner", "mine/fc7")]
    assert sorted(found.studies) == ["fc7", "mine/fc7"]
    assert {figure.id: found.goal_of(figure).relative for figure in found.figures} == {"rtl": 0.05, "inner": 0.5}
    assert [str(home) for home in found.homes] == [".", "mine"]


def test_a_goal_cannot_be_set_twice(tmp_path):
    path = folder_with(tmp_path, "[goals.rtl]\nrelative = 0.5\n[[figure]]" + INNER)
    with pytest.raises(InputError) as caught:
        FigureSet.read(path)
    assert str(caught.value) == f"{path}/mine/figures.toml: goals.rtl is there already, in {path}/figures.toml"


def test_a_fault_names_the_inner_file(tmp_path):
    path = folder_with(tmp_path, "[[figure]]" + INNER.replace('kind = "rtl"', 'kind = "rtk"'))
    with pytest.raises(InputError, match=r"mine/figures\.toml: figure 'inner': kind = 'rtk': did you mean 'rtl'\?$"):
        FigureSet.read(path)


def test_a_deviation_is_recorded_where_the_figure_lies(tmp_path):
    path = folder_with(tmp_path, "[[figure]]" + INNER, published=0.5)
    whole = FigureSet.read(path)
    assert renew(whole, whole, path) == [path / "mine" / "recorded.toml"]
    assert FigureSet.read(path).recorded["inner"].deviation == pytest.approx(-0.5, abs=0.01)
    assert not (path / "recorded.toml").exists()


def test_inner_folders_are_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FOLDER", folder_with(tmp_path / "from", "[[figure]]" + INNER))
    written = figures.export(tmp_path / "to")
    assert [str(path.relative_to(tmp_path / "to")) for path in written] == [
        "fc7.toml",
        "figures.toml",
        "mine/fc7.toml",
        "mine/figures.toml",
    ]
    assert FigureSet.read(tmp_path / "to") == FigureSet.read(tmp_path / "from")
