"""The digest of a kernel's sources changes with every one of them, and is found again without reading them."""

import os

import pytest

from dataflows.kernels import sources
from dataflows.kernels.sources import kernel_sources, source_digest
from tests.project import ROOT

PACKAGE = "tests"

SOURCES = {
    "above/queue.py": "from dataflows.callee import inner\nfrom above.facts import (\n    deeper,\n)\n@kernel\n",
    "above/facts/__init__.py": "",
    "above/facts/deeper.py": "import workloads.constants\n",
    "above/other.py": "",
    "dataflows/callee.py": "@kernel\ndef inner(): ...\n",
    "dataflows/other.py": "import workloads.other\n",
    "workloads/constants.py": "LANES = 3\n",
    "workloads/other.py": "",
    "beside/kernels.py": "@kernel\n",
}


@pytest.mark.parametrize(
    ("package", "made_of"),
    [
        ("above", {"above.queue", "above.facts", "above.facts.deeper", "dataflows.callee", "workloads.constants"}),
        ("dataflows", {"dataflows.callee"}),
        ("nowhere", {"dataflows.callee"}),
    ],
)
def test_the_digest_names_every_source_that_a_kernel_is_made_of(tmp_path, package, made_of):
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    before, decisive = source_digest(package, tmp_path), set()
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text + "# edited\n")
        if source_digest(package, tmp_path) != before:
            decisive.add(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        (tmp_path / name).write_text(text)
    assert decisive == made_of
    assert source_digest(package, tmp_path) == before


def test_the_digest_names_the_settings_of_numba(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_BOUNDSCHECK", raising=False)  # CI runs this file with it set
    before = source_digest(PACKAGE, tmp_path)
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    assert source_digest(PACKAGE, tmp_path) != before


def test_constants_of_our_kernels_come_from_digested_sources():
    below = set(kernel_sources("dataflows", ROOT))
    assert {"dataflows.schedule", "dataflows.machines.scnn.bank_queues_in_lanes"} <= below
    assert not any(name.startswith("simulator") for name in below)
    above = set(kernel_sources("simulator", ROOT))
    assert below | {"simulator.dram.controller", "simulator.dram.device"} <= above


@pytest.fixture
def written(tmp_path):
    """Sources that nobody has touched for long, as far as the clock of this module knows."""
    for name, text in SOURCES.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    (tmp_path / "kept").mkdir()
    return tmp_path / "root", tmp_path / "kept"


def later(monkeypatch, seconds):
    now = sources.time.time()
    monkeypatch.setattr(sources.time, "time", lambda: now + seconds)


def test_sources_that_did_not_change_are_not_read_again(written, monkeypatch):
    root, folder = written
    later(monkeypatch, 60)
    before = source_digest("above", root, folder)
    assert before == source_digest("above", root)
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr(sources, "_digest_of_sources", None)
    assert source_digest("above", root, folder) == before


def test_an_edit_that_keeps_size_and_time_is_noticed(written, monkeypatch):
    root, folder = written
    later(monkeypatch, 60)
    before = source_digest("above", root, folder)
    edited = root / "workloads/constants.py"
    facts = edited.stat()
    edited.write_text("LANES = 4\n")
    os.utime(edited, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert source_digest("above", root, folder) == source_digest("above", root) != before


def test_what_was_only_just_written_is_read_again(written, monkeypatch):
    root, folder = written
    later(monkeypatch, 1)
    assert source_digest("above", root, folder) == source_digest("above", root)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("bytes_left", [-1, 1, 0])
def test_a_damaged_stamp_is_replaced(written, monkeypatch, bytes_left):
    root, folder = written
    later(monkeypatch, 60)
    before = source_digest("above", root, folder)
    (stamp,) = folder.iterdir()
    whole = stamp.read_bytes()
    stamp.write_bytes(whole[:bytes_left])
    assert source_digest("above", root, folder) == before
    assert stamp.read_bytes() == whole


def test_a_stamp_that_others_may_write_is_not_taken(written, monkeypatch):
    root, folder = written
    later(monkeypatch, 60)
    source_digest("above", root, folder)
    (stamp,) = folder.iterdir()
    stamp.chmod(0o666)
    source_digest("above", root, folder)
    assert stamp.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_costs_only_the_stamp(written, monkeypatch):
    root, folder = written
    later(monkeypatch, 60)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sources, "write_entry", full)
    assert source_digest("above", root, folder) == source_digest("above", root)
