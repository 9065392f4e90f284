"""The mutation campaign: what it draws, what it leaves out, and that a mutant lives or dies by the tests of its part."""

import tomllib
from dataclasses import replace

import pytest

from benchmarks.mutants.areas import FOLDER, ROOT, Areas, Part
from benchmarks.mutants.unseen import unseen_spans

SOURCE = """
from typing import Self

_CHUNK = 1 << 20
STEP = 1 << 3


@dataclass(frozen=True)
class Thing:
    size: int | None = Field(4, description="4 " + "KB")

    def grow(self, by: int | None = 2) -> int | None:
        assert by < 10, 7 * "no"
        if by > 5:
            raise ValueError(5 + 5)
        return self.values.reshape(by, -1).sum(axis=-1)
"""


def test_only_what_decides_no_number_is_left_out():
    lines = SOURCE.splitlines()
    left_out = {lines[row - 1][column:end] for (row, column), (_, end) in unseen_spans(SOURCE, frozenset({"_CHUNK"}))}
    assert left_out == {
        "_CHUNK = 1 << 20", "dataclass(frozen=True)", "int | None", '"4 " + "KB"', '7 * "no"', "ValueError(5 + 5)", "-1",
    }  # fmt: skip
    sizes = [first for first, (row, end) in unseen_spans(SOURCE, frozenset()) if lines[row - 1][end - 2 : end] == "-1"]
    assert sizes == [(len(lines), lines[-1].index("-1"))], "the free size of reshape, and not the axis of the sum"


def test_every_area_names_sources_and_tests_that_are_there():
    areas = Areas.load()
    for area, parts in areas.parts.items():
        assert set(areas.owners(area).values()) == set(parts), "each part has sources of its own"
        for part in parts:
            named = [test.partition("::")[0] for test in part.tests if not test.startswith("-")]
            assert [path for path in (*part.sources, *named) if not (ROOT / path).exists()] == []


def test_every_source_of_an_areas_folder_is_in_one_area():
    areas = Areas.load()
    files = [path for area in areas.parts for path in areas.owners(area)]
    assert len(files) == len(set(files))
    for folder in (
        "workloads/pruning",
        "workloads/formats",
        "simulator/engine",
        "simulator/dram",
        "dataflows/machines",
    ):
        there = {file.relative_to(ROOT).as_posix() for file in (ROOT / folder).rglob("*.py")}
        assert {file for file in there - set(files) if not file.endswith("__init__.py")} == set()


def test_the_part_that_says_most_about_a_file_answers_for_it():
    owners = Areas.load().owners("prunings")
    tests = {path: owners[f"workloads/pruning/{path}"].tests for path in ("removal.py", "base.py", "methods/nm.py")}
    assert "tests/workloads/pruning/test_removal.py" in tests["removal.py"]
    assert "tests/workloads/pruning/test_registry.py" in tests["base.py"]
    assert "tests/workloads/pruning/methods/test_structures.py" in tests["methods/nm.py"]


def test_a_star_makes_a_part_of_each_machine():
    parts = Part("kernels", ("dataflows/machines/*",), ("tests/{name}", "-k={title}")).each()
    assert ("dataflows/machines/cambricon_x",) in [part.sources for part in parts]
    assert ("tests/cambricon_x", "-k=cambricon-x") in [part.tests for part in parts]
    assert ("tests/ideal", "-k=ideal") in [part.tests for part in parts]


def test_equivalent_mutants_stand_in_the_sources_and_have_a_reason():
    for one in tomllib.loads((FOLDER / "equivalent.toml").read_text(encoding="utf-8"))["mutants"]:
        lines = [line.strip() for line in (ROOT / one["path"]).read_text(encoding="utf-8").splitlines()]
        assert all(line in lines for line in one["before"]), one
        assert one["before"] != one["after"]
        assert one["reason"]


def test_a_sample_is_even_seeded_and_free_of_what_is_left_out():
    pytest.importorskip("cosmic_ray")
    from benchmarks.mutants.sample import sample  # noqa: PLC0415 (needs cosmic-ray)

    part = Part("here", ("workloads/formats/kinds/bitmap.py",), ())
    other = Part("there", ("workloads/formats/kinds/csr.py", "workloads/formats/kinds/csc.py"), ())
    areas = Areas({"here": (part,), "there": (other,)}, ("core/NumberReplacer", "core/AddNot"), frozenset())
    drawn = sample(areas, 7, 0)
    assert [mutant.area for mutant in drawn] == ["here"] * 4 + ["there"] * (len(drawn) - 4)
    assert len({(mutant.path, mutant.line, mutant.column) for mutant in drawn}) == len(drawn)
    assert sample(areas, 7, 0) == drawn
    assert sample(areas, 7, 1) != drawn


def test_no_drawn_mutant_is_one_that_python_refuses():
    pytest.importorskip("cosmic_ray")
    from benchmarks.mutants.sample import Mutant, _compiles  # noqa: PLC0415 (needs cosmic-ray)

    path, operator = "simulator/engine/observer.py", "core/ReplaceBinaryOperator_Mul_Add"
    assert "*, write: bool" in (ROOT / path).read_text(encoding="utf-8")
    assert not _compiles(Mutant("engine", (), path, operator, 0, 1, 0))
    assert _compiles(Mutant("engine", (), "workloads/whole_numbers.py", operator, 0, 1, 0))


def test_a_mutant_dies_where_a_test_fails_and_the_copy_is_as_before(tmp_path):
    pytest.importorskip("cosmic_ray")
    from benchmarks.mutants.__main__ import table  # noqa: PLC0415 (needs cosmic-ray)
    from benchmarks.mutants.sample import Mutant  # noqa: PLC0415
    from benchmarks.mutants.trials import Laboratory  # noqa: PLC0415

    source = "workloads/whole_numbers.py"
    before = (ROOT / source).read_text(encoding="utf-8")
    laboratory, outcomes = Laboratory(tmp_path), []
    for test in ("test_whole_numbers", "test_trace"):  # the second one knows nothing of it
        tests = (f"tests/workloads/{test}.py",)
        outcomes.append(
            laboratory.attempt(Mutant("one", tests, source, "core/ReplaceBinaryOperator_FloorDiv_Mul", 0, 1, 0))
        )
    laboratory._limits[tests] = 0.01
    outcomes.append(laboratory.attempt(replace(outcomes[1].mutant, area="other")))
    assert [one.verdict for one in outcomes] == ["killed", "survived", "timed out"]
    assert outcomes[0].before[0].startswith("return -(-amount // part)")
    assert outcomes[0].after[0].startswith("return -(-amount * part)")
    assert (tmp_path / "tree" / source).read_text(encoding="utf-8") == before
    assert (ROOT / source).read_text(encoding="utf-8") == before
    rows = [line.split() for line in table(outcomes, ["one", "other"]).splitlines()[1:]]
    assert rows == [
        ["one", "2", "1", "0", "1", "50.0%"],
        ["other", "1", "1", "1", "0", "100.0%"],
        ["all", "3", "2", "1", "1", "66.7%"],
    ]


def test_tests_that_fail_by_themselves_kill_no_mutant(tmp_path):
    pytest.importorskip("cosmic_ray")
    from benchmarks.mutants.sample import Mutant  # noqa: PLC0415 (needs cosmic-ray)
    from benchmarks.mutants.trials import Laboratory  # noqa: PLC0415

    mutant = Mutant("one", ("tests/no_such_test.py",), "workloads/whole_numbers.py", "core/NumberReplacer", 0, 1, 0)
    with pytest.raises(RuntimeError, match=r"^tests fail without any mutant: tests/no_such_test.py$"):
        Laboratory(tmp_path).attempt(mutant)
