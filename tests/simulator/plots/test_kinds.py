"""Kinds of plots: what the command lists without loading them is what they are; each is found by its name."""

import pytest

from simulator import plots


def test_the_lines_read_from_the_files_are_those_of_the_kinds():
    kinds = plots.plot_kinds()
    assert list(plots.kind_lines()) == list(kinds)
    for name, shown in plots.kind_lines().items():
        assert shown == (kinds[name].line, dict(kinds[name].options))


def test_the_function_of_a_kind_is_an_attribute_of_the_package():
    assert plots.roofline is plots.plot_kinds()["roofline"].draw
    with pytest.raises(AttributeError, match=r"module 'simulator\.plots' has no attribute 'nothing'"):
        plots.nothing  # noqa: B018


def test_two_kinds_cannot_have_one_name():
    with pytest.raises(TypeError, match="two kinds of plots are called 'causes'"):
        plots.kind("causes", "a second one")(pytest.fail)


def test_an_option_of_another_kind_is_refused(cli, tmp_path):
    run = cli("plot", tmp_path / "r.json", "--layer", "conv1", "-o", tmp_path / "o.svg")
    assert run.code == 2
    assert run.err == "prunesim: --layer: --kind causes does not know it; it belongs to: bandwidth, gantt, heatmap\n"
