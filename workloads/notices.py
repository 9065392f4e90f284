"""Lines for a user that are no result: written to standard error, whatever state that is in."""

from __future__ import annotations

import sys
from contextlib import suppress

from workloads.names import shown

LONGEST_LINE = 500
_LONGEST_READ = 100_000  # escapes are made of so much


def tell(line: str) -> None:
    """Write a line to standard error; one that is closed or full ends nothing, and a long line loses its middle."""
    with suppress(OSError, ValueError, AttributeError):  # full, closed, or none at all
        sys.stderr.write(f"{shortened(shown(line[:_LONGEST_READ]))}\n")
        sys.stderr.flush()


def shortened(line: str) -> str:
    """A line of at most `LONGEST_LINE` characters: its head, which says where, and its end, which says what."""
    if len(line) <= LONGEST_LINE:
        return line
    end = LONGEST_LINE // 3
    return f"{line[: LONGEST_LINE - end - 5]} ... {line[-end:]}"
