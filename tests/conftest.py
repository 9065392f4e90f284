"""The command as a fixture, and hypothesis profiles: HYPOTHESIS_PROFILE=ci or long asks for more examples."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.cli import Cli

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("default", max_examples=50, deadline=None, suppress_health_check=_QUIET)
settings.register_profile("ci", max_examples=2000, deadline=None, suppress_health_check=_QUIET, derandomize=True)
settings.register_profile("long", max_examples=100_000, deadline=None, suppress_health_check=_QUIET)
settings.register_profile(  # the same examples for every mutant, and no time spent on making a failing one smaller
    "mutants",
    max_examples=25,
    deadline=None,
    suppress_health_check=_QUIET,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
os.environ.pop("COLUMNS", None)  # processes of the test runner set it; tables are tested as where nobody says how wide


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capsys)
