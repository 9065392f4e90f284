"""The compiled event loop plays where it can, whether it was kept before or not."""

import pytest

from simulator.engine.loop_choice import forced


@pytest.fixture(scope="package", autouse=True)
def _compiled_loop():
    with forced("compiled"):
        yield
