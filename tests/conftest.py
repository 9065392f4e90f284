"""The command as a fixture, hypothesis profiles, and what is left out where the reference data is absent.

HYPOTHESIS_PROFILE=thorough, ci or long asks for more examples of each property than the few that `make test` draws.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.cli import Cli
from tests.shared_data import SHARED

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
_PROFILES = {
    "quick": settings(max_examples=6),
    "thorough": settings(max_examples=50),
    "ci": settings(max_examples=2000, derandomize=True),
    "long": settings(max_examples=100_000),
    # The same examples for every mutant, and no time spent on making a failing one smaller.
    "mutants": settings(max_examples=25, derandomize=True, phases=(Phase.explicit, Phase.generate)),
}
for _name, _profile in _PROFILES.items():
    settings.register_profile(_name, _profile, deadline=None, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
os.environ["PRUNESIM_TRACEBACKS"] = "1"  # what nobody foresaw fails a test as it is
os.environ.pop("COLUMNS", None)  # processes of the test runner set it; tables are tested as where nobody says how wide


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capsys)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that need reference data which is absent."""
    if SHARED.is_dir():
        return
    left_out = [item for item in items if item.get_closest_marker("shared_data")]
    items[:] = [item for item in items if not item.get_closest_marker("shared_data")]
    config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it in one line, not in one a test."""
    if not SHARED.is_dir():
        terminalreporter.write_line(f"left out: comparisons with the reference data, as there is no folder {SHARED}")
