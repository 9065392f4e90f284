"""What a study file asks for, and what is said about a wrong one."""

import pytest

from dataflows.registry import machines
from simulator.configuration import keys_of
from simulator.studies.study_file import PointKeys, StudyTable
from workloads.errors import InputError


def combinations(**tables):
    return list(StudyTable.checked(tables, "test").combinations())


def test_axes_multiply_and_the_lists_of_one_axis_go_together():
    found = combinations(
        machines=["scnn"],
        seeds=2,
        axes=[{"queue_depth": [0, 8]}, {"dram": {"channels": [1, 2], "bandwidth_gbs": [10.0, 20.0]}}],
    )
    assert [(p["queue_depth"], p["dram.channels"], p["dram.bandwidth_gbs"], p["seed"]) for p in found] == [
        (0, 1, 10.0, 0), (0, 1, 10.0, 1), (0, 2, 20.0, 0), (0, 2, 20.0, 1),
        (8, 1, 10.0, 0), (8, 1, 10.0, 1), (8, 2, 20.0, 0), (8, 2, 20.0, 1),
    ]  # fmt: skip


def test_points_are_listed_one_by_one():
    found = combinations(machines=["scnn", "dcnn"], points=[{"queue_depth": 0}, {"queue_depth": 8, "bank_hash": "mix"}])
    assert [(p["machine"], p["queue_depth"], p.get("bank_hash")) for p in found] == [
        ("scnn", 0, None), ("dcnn", 0, None), ("scnn", 8, "mix"), ("dcnn", 8, "mix")
    ]  # fmt: skip


def test_axes_win_over_what_the_study_says_for_all_points():
    found = combinations(
        machines=["scnn"],
        density=0.5,
        set={"queue_depth": 4},
        axes=[{"machine": ["dcnn", "ideal"], "density": [0.1, 0.2]}],
    )
    assert [(p["machine"], p["density"], p["queue_depth"]) for p in found] == [("dcnn", 0.1, 4), ("ideal", 0.2, 4)]


def test_seeds_are_a_count_or_a_list():
    assert [p["seed"] for p in combinations(machines=["scnn"], seeds=[7, 3])] == [7, 3]
    assert [p["seed"] for p in combinations(machines=["scnn"], seeds=3)] == [0, 1, 2]


def test_inputs_are_a_count_a_list_or_an_axis():
    assert [p["input"] for p in combinations(machines=["scnn"], inputs=[3, 1])] == [3, 1]
    found = combinations(machines=["scnn"], inputs=2, seeds=2)
    assert [(p["seed"], p["input"]) for p in found] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [p["input"] for p in combinations(machines=["scnn"], axes=[{"input": [0, 1, 2]}])] == [0, 1, 2]
    assert "input" not in combinations(machines=["scnn"])[0]


def test_no_machine_has_a_setting_that_a_study_calls_something_else():
    settings = {key for chosen in machines().values() for key in keys_of(chosen.Spec)}
    assert not settings & set(PointKeys.model_fields)


WRONG = """
machines = []
sedes = 3
seeds = 0
batch = "two"
"""
WRONG_AXES = """
machines = ["scnn"]
[set]
dram.chanels = 2
[[axes]]
queue_depth = [1, 2, 3]
density = [0.5, 1.5]
[[axes]]
[[axes]]
seed = 4
[[points]]
queue_dept = 1
"""


def faults(tmp_path, text):
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        StudyTable.read(path)
    return str(error.value).replace(f"{tmp_path}/", "").splitlines()


def test_wrong_keys_of_the_study_are_named_all_at_once(tmp_path):
    lines = faults(tmp_path, WRONG)
    assert "study.toml: unknown key 'sedes': did you mean 'seeds'?" in lines
    assert any(line.startswith("study.toml: batch = 'two': must be a valid integer") for line in lines)
    assert any(
        line.startswith("study.toml: seeds") and "= 0: must be greater than or equal to 1" in line for line in lines
    )


def test_wrong_axes_are_named_all_at_once(tmp_path):
    assert faults(tmp_path, WRONG_AXES) == [
        "study.toml: set.dram.chanels: unknown key 'dram.chanels': did you mean 'dram.channels'?",
        "study.toml: axes.0.density = 1.5: must be less than or equal to 1",
        "study.toml: axes.0: lists that go together must be equally long: queue_depth has 3, density has 2",
        "study.toml: axes.1: must name at least one key",
        "study.toml: axes.2.seed = 4: must be a list of values",
        "study.toml: points.0.queue_dept: unknown key 'queue_dept': did you mean 'queue_depth'?",
    ]


def test_a_value_that_is_long_is_cut(tmp_path):
    lines = faults(tmp_path, 'machines = ["scnn"]\n' + "[[layers]]\n" * 1000 + f"[[axes]]\nseed = '{'x' * 1000}'\n")
    assert lines == [f"study.toml: layers = [{'{}, ' * 49}{{}},...: must be a valid string"]
    lines = faults(tmp_path, f"machines = ['scnn']\n[[axes]]\nseed = '{'x' * 1000}'\n")
    assert lines == [f"study.toml: axes.0.seed = '{'x' * 199}...: must be a list of values"]


def test_a_list_of_inputs_must_not_be_empty(tmp_path):
    assert faults(tmp_path, 'machines = ["scnn"]\ninputs = []\n') == ["study.toml: inputs: must not be empty"]


def test_a_study_needs_a_machine(tmp_path):
    assert faults(tmp_path, "seeds = 2\n") == ["study.toml: machines: must name at least one accelerator"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("skewd", "must be 'uniform' or 'skewed', perhaps with :KEY=NUMBER,..."),
        ("clustered", "must be 'uniform' or 'skewed', perhaps with :KEY=NUMBER,..."),
        ("skewed:varation=1", "pattern 'skewed': unknown key 'varation': did you mean 'variation'?"),
        ("skewed:variation=x", "pattern 'skewed': variation = 'x': must be a number of at least 0"),
        ("skewed:variation=-1", "pattern 'skewed': variation = -1.0: must be a number of at least 0"),
    ],
)
def test_wrong_patterns_are_named(tmp_path, text, line):
    found = faults(tmp_path, f'machines = ["scnn"]\nweight_pattern = "{text}"\n')
    assert found == [f"study.toml: weight_pattern = '{text}': {line}"]
