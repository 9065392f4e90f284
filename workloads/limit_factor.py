"""`PRUNESIM_LIMITS`: a factor for every limit on what is read from files and held in memory."""

from __future__ import annotations

import os

from workloads.errors import InputError

VARIABLE = "PRUNESIM_LIMITS"
_MOST = 1024


def raised(limit: int) -> int:
    """A limit as the user wants it: `PRUNESIM_LIMITS=4` means four times as much. Raises `InputError` for no factor."""
    text = os.environ.get(VARIABLE, "1")
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1 <= factor <= _MOST:  # NaN fails it, too
        raise InputError(f"{VARIABLE} = {text!r:.40}: must be a number between 1 and {_MOST}")
    return int(limit * factor)
