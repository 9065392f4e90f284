"""Where the reference data is absent, the tests that need it are left out, which is said in one line."""

from types import SimpleNamespace

import pytest

from tests import conftest
from tests.shared_data import needs_shared


class Recorder:
    """Stands for an item with marks, the runner's hooks and its terminal."""

    def __init__(self, *marks: pytest.MarkDecorator) -> None:
        self.marks = {mark.name for mark in marks}
        self.heard: list = []

    def get_closest_marker(self, name: str) -> bool:
        return name in self.marks

    def pytest_deselected(self, items: list) -> None:
        self.heard += items

    def write_line(self, line: str) -> None:
        self.heard.append(line)


@pytest.mark.parametrize("absent", [False, True])
def test_what_needs_absent_data_is_left_out_and_said_in_one_line(monkeypatch, tmp_path, absent):
    folder = tmp_path / "shared" if absent else tmp_path
    monkeypatch.setattr(conftest, "SHARED", folder)
    free, needy, hook, terminal = Recorder(), Recorder(needs_shared), Recorder(), Recorder()
    items = [needy, free, needy]
    conftest.pytest_collection_modifyitems(SimpleNamespace(hook=hook), items)
    conftest.pytest_terminal_summary(terminal)
    if absent:
        assert (items, hook.heard) == ([free], [needy, needy])
        assert terminal.heard == [f"left out: comparisons with the reference data, as there is no folder {folder}"]
    else:
        assert (items, hook.heard, terminal.heard) == ([needy, free, needy], [], [])
