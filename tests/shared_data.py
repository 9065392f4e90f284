"""The folder of reference data beside the checkout, and the mark of tests that need it.

Where the folder is absent, `conftest` leaves these tests out and says so in one line.
"""

import pytest

from tests.project import ROOT

SHARED = ROOT.parent / "shared"
needs_shared = pytest.mark.shared_data
