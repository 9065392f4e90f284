import tomllib

import pytest

from dataflows.registry import machines
from simulator.configuration import commented_toml, configure, keys_of, parse_setting

EVERY_MACHINE = sorted(machines())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", ("a", 1)),
        ("a.b = 2.5", ("a.b", 2.5)),
        ("a=true", ("a", True)),
        ("a=mix", ("a", "mix")),
        ('a="mix"', ("a", "mix")),
        ("a=inf", ("a", float("inf"))),
        ("a=x=y", ("a", "x=y")),
    ],
)
def test_settings_are_read_as_toml_and_else_as_text(text, expected):
    assert parse_setting(text) == expected


@pytest.mark.parametrize("name", EVERY_MACHINE)
def test_the_commented_file_is_complete_and_gives_the_same_machine(name, tmp_path):
    accelerator, _ = configure(name)
    text = commented_toml(accelerator)
    path = tmp_path / "machine.toml"
    path.write_text(text)
    again, warnings = configure(name, path)
    assert again.spec == accelerator.spec
    assert warnings == []
    read = tomllib.loads(text)
    for key in keys_of(type(accelerator).Spec):
        value = read
        for part in key.split("."):
            value = value[part]


@pytest.mark.parametrize("name", EVERY_MACHINE)
def test_every_parameter_says_what_it_is(name):
    undocumented = [key for key, field in keys_of(machines()[name].Spec).items() if not field.description]
    assert undocumented == []


def test_a_setting_wins_over_the_file_and_the_file_over_the_default(tmp_path):
    path = tmp_path / "machine.toml"
    path.write_text("pe_rows = 4\npe_columns = 4\n")
    accelerator, _ = configure("scnn", path, ["pe_rows=2"])
    assert (accelerator.spec.pe_rows, accelerator.spec.pe_columns) == (2, 4)
