"""Lines for a user that are no result: written to standard error, whatever state that is in."""

from __future__ import annotations

import sys
from contextlib import suppress

from workloads.names import shown


def tell(line: str) -> None:
    """Write a line to standard error; one that is closed or full ends nothing."""
    with suppress(OSError, ValueError, AttributeError):  # full, closed, or none at all
        sys.stderr.write(f"{shown(line)}\n")
        sys.stderr.flush()
