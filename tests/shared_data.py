"""The folder of reference data beside the checkout, and the mark that skips a test where it is absent."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the reference data folder beside the checkout is absent")
