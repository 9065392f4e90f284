"""What is wrong with a description is said before a run, in a line that names file and key."""

from typing import Any

import pytest

from dataflows.described.files import described_machine
from dataflows.registry import machine
from tests.dataflows.described.descriptions import COMPRESSED, level, mapping
from workloads.errors import InputError

K = ("K", level("K", 4, "columns"))
LANES = ("R S C", level("C", 16, "lanes"))
SKIPS = {"operand": "both", "window": 64}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "mapping: Field required"),
    ({"mapping": mapping()[1:]}, "mapping: 'G' is mapped in time not at all, must be once"),
    ({"mapping": [*mapping(), {"dims": "K"}]}, "mapping: 'K' is mapped in time 2 times, must be once"),
    ({"mapping": mapping(K, K)}, "mapping: 'K' at columns: a second level of K on PEs or lanes, or on columns"),
    ({"mapping": mapping(K, ("R S C", level("R S C", 2, "columns")))}, "mapping: 'R S C' at columns: a second level of R S C on PEs or lanes, or on columns"),
    ({"mapping": mapping(("N", level("K", 4, "columns")))}, "mapping: 'K x 4 on columns' stands where it cannot: the order is G, N, P or Q on PEs, P Q, P Q on PEs, K, K on PEs, R S C, R S C on PEs, lanes"),
    ({"mapping": mapping(("K", level("W", 4, "columns")))}, "mapping: dims = 'W' at columns: must be one of 'P', 'Q', 'P Q', 'K', 'R S C'"),
    ({"mapping": mapping(("K", {"dims": "K", "at": "columns"}))}, "mapping: 'K' at columns: such a level needs a size of at least 1"),
    ({"mapping": [{"dims": "G", "size": 2}, *mapping()[1:]]}, "mapping: 'G' at time: such a level has no size"),
    ({"mapping": mapping(("K", level("K", -1, "columns")))}, "mapping.4.size = -1: must be greater than or equal to 0"),
    ({"mapping": mapping(("K", level("K", 4, "diagonals")))}, "mapping.4.at = 'diagonals': must be 'time', 'rows', 'columns' or 'lanes'"),
    ({"mapping": mapping(("N", level("P", 4, "rows")), ("P Q", level("P Q", 2, "columns")))}, "mapping: 'P Q' on PEs: positions are there in blocks already, by P or Q"),
    ({"mapping": mapping(LANES), "skip": {"window": 8}}, "skip.window = 8: smaller than the 16 lanes of C that it feeds"),
    ({"mapping": mapping(K), "skip": {"windows": 8}}, "unknown key 'skip.windows': did you mean 'skip.window'?"),
    ({"mapping": mapping(K), "skip": SKIPS}, "storage.weights = 'dense': weights are skipped (skip.operand), and have to be compressed"),
    ({"mapping": mapping(K), "skip": SKIPS, "storage": {"weights": "bitmap"}}, "storage.activations = 'dense': activations are skipped (skip.operand), and have to be 'bitmap' or 'offsets'"),
    ({"mapping": mapping(K), "storage": {"weights": "bitmaps"}}, "storage.weights = 'bitmaps': unknown format 'bitmaps': did you mean 'bitmap'?"),
    ({"mapping": mapping(K), "skip": {"kept": "4:2"}}, "skip.kept = '4:2': must be n:m with n up to m, as 2:4, or empty"),
    ({"mapping": mapping(K), "skip": {"kept": "2:4"}}, "skip.kept = 2:4: weights are not skipped (skip.operand = 'none')"),
    ({"mapping": mapping(K), "balance": "sorted"}, "balance = 'sorted': weights are not skipped, so that all filters take equally long"),
    ({"mapping": mapping(K), "synchronization": {"rows": "step"}}, "synchronization.rows = 'step': no level is mapped on rows"),
    ({"mapping": mapping(("P Q", level("P Q", 4, "rows"))), "synchronization": {"rows": "step"}}, "synchronization.rows = 'step': positions meet at the tile"),
    ({"mapping": mapping(("K", level("K", 4, "rows")), ("R S C", level("R S C", 2, "columns"))), "synchronization": {"rows": "step"}}, "synchronization.columns = 'output': parts of a list meet at least as often as filters ('step')"),
    ({"mapping": mapping(("K", level("K", 4, "rows")), ("R S C", level("R S C", 2, "columns"))), "synchronization": {"columns": "step", "queue": 2}}, "synchronization.queue = 2: a barrier inside a queue: rows meet at 'output', columns at 'step'"),
    ({"mapping": mapping(K), "synchronization": {"columns": "tile", "queue": 2}}, "synchronization.queue = 2: PEs that meet at the tile need no queue"),
    ({"mapping": mapping(), "synchronization": {"queue": 2}}, "synchronization.queue = 2: neither filters nor the list are on PEs"),
    ({"mapping": mapping(K), "skip": SKIPS, "storage": COMPRESSED | {"resident": ["maps"]}}, "storage.resident = 'maps': bitmaps do not stay on the chip"),
    ({"mapping": mapping(K), "storage": {"output_buffer_bytes": 8}}, "storage.output_buffer_bytes = 8 cannot hold the outputs of two steps of all PEs, 16 bytes"),
    ({"mapping": mapping(K), "clock_hz": 0}, "clock_hz = 0: must be greater than or equal to 1"),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "line"), WRONG, ids=[line[:50] for _, line in WRONG])
def test_a_wrong_description_is_refused_in_a_line_with_its_key(tables, line):
    with pytest.raises(InputError) as refused:
        described_machine({"name": "wrong", **tables})
    assert str(refused.value) == f"description: {line}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("mapping = []", "name: missing, must be a text of small letters, digits, '-', '+' and '.'"),
        ('name = "Wide"', "name: 'Wide', must be a text of small letters, digits, '-', '+' and '.'"),
        (
            'name = "a"\nmapping = []\n[skip',
            "not valid TOML: Expected ']' at the end of a table declaration (at end of document)",
        ),
        ('name = "a"\nmapping = []', "mapping: 'G' is mapped in time not at all, must be once"),
    ],
)
def test_a_file_is_named(tmp_path, text, line):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        machine(str(path))
    assert str(refused.value) == f"{path}: {line}"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"missing\.toml"):
        machine(str(tmp_path / "missing.toml"))
