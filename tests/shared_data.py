"""The folder of reference data beside the checkout, and the mark that skips a test where it is absent."""

import pytest

from tests.project import ROOT

SHARED = ROOT.parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the reference data folder beside the checkout is absent")
