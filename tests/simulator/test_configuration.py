import tomllib

import pytest

from dataflows.registry import create, machines
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


def test_a_table_that_is_set_in_part_keeps_the_machines_other_values():
    """SCNN's 50 GB/s are its own default, not that of memories in general."""
    accelerator, _ = configure("scnn", None, ["dram.latency_ns=10"])
    assert (accelerator.spec.dram.bandwidth_gbs, accelerator.spec.dram.latency_ns) == (50.0, 10.0)
    assert create("scnn", {"dram": {"channels": 2}}).spec.dram.bandwidth_gbs == 50.0


def test_numbers_of_a_dram_standard_can_be_set_one_by_one():
    accelerator, warnings = configure("scnn", None, ["dram.kind=banked", "dram.override.nRCD=20"])
    assert accelerator.spec.dram.override == {"nRCD": 20}
    assert warnings == []


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        (["dram.standard=HBM2"], "scnn: dram.standard has no effect: it belongs to banked memory, and kind is 'ideal'"),
        (
            ["dram.kind=banked", "dram.bandwidth_gbs=3"],
            "scnn: dram.bandwidth_gbs has no effect: it belongs to ideal memory, and kind is 'banked'",
        ),
    ],
)
def test_a_setting_of_the_other_kind_of_memory_gives_a_warning(settings, warning):
    assert configure("scnn", None, settings)[1] == [warning]
