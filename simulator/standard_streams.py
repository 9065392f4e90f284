"""Standard streams that were closed before the command started (`2>&-`, some daemons)."""

from __future__ import annotations

import os
import sys

_INPUT, _ERROR = 0, 2


def open_closed_ones() -> None:
    """Let a closed standard input and error lead nowhere.

    Their numbers would go to the next files that are opened, a store for one, and what libraries print would land in
    those. Standard output is not touched: results that nobody can read are an error.
    """
    for number, how in ((_INPUT, os.O_RDONLY), (_ERROR, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, how)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.dup(_ERROR), "w", encoding="utf-8", errors="backslashreplace")
