"""The command that prints the table of speeds."""

import pytest

from benchmarks import table
from benchmarks.speed.figures import Figure, Part
from benchmarks.speed.sides import Measured


def one_part(key, *figures):
    return Part(key, f"Title of {key}", "ms", 1e3, "numpy, dense", lambda _: iter(figures))


@pytest.fixture
def told(monkeypatch):
    slow = Figure("a schedule", Measured(0.03), 0.02, "7 cycles")
    monkeypatch.setattr(table, "PARTS", (one_part("layer", slow), one_part("dram", Figure("b", Measured(0.02), 0.02))))


@pytest.mark.usefixtures("told")
def test_what_is_not_met_is_said_at_the_end(capsys):
    assert table.main([]) == 1
    assert capsys.readouterr().out == (
        "\nTitle of layer\n\n"
        "| layer | ms | of numpy, dense | limit |  | result |\n"
        "|---|---|---|---|---|---|\n"
        "| a schedule | 30.0 | 1.50 | 1 | NOT MET | 7 cycles |\n"
        "\nTitle of dram\n\n"
        "| dram | ms | of numpy, dense | limit |  | result |\n"
        "|---|---|---|---|---|---|\n"
        "| b | 20.0 | 1.00 | 40 | met |  |\n"
        "\nNot met (1):\n\nlayer: a schedule: 1.50, limit 1\n"
    )


@pytest.mark.usefixtures("told")
def test_one_part_alone(capsys):
    assert table.main(["--only", "dram"]) == 0
    printed = capsys.readouterr().out
    assert "Title of layer" not in printed
    assert printed.endswith("\nAll limits are met.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "nothing"], "argument --only: invalid choice: 'nothing'"),
        (["--before", "/nowhere"], "'/nowhere': no checkout of the project, which has a simulator/__main__.py"),
    ],
)
@pytest.mark.usefixtures("told")
def test_wrong_words_end_with_two(capsys, arguments, words):
    with pytest.raises(SystemExit) as ended:
        table.main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_every_part_has_a_name_of_its_own():
    keys = [part.key for part in table.PARTS]
    assert keys == ["layer", "networks", "counting", "growth", "starts", "sweeps", "dram", "memory"]


def test_a_busy_machine_is_told(capsys, monkeypatch):
    assert table.busy(0.9, 2) == table.busy(1.0, 2) == table.busy(9.0, None) == ""
    monkeypatch.setattr(table.os, "getloadavg", lambda: (5.25, 0, 0))
    monkeypatch.setattr(table.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(table, "PARTS", ())
    assert table.main([]) == 0
    assert capsys.readouterr().err.startswith("warning: 5.2 processes want 2 cores: times are too long")
