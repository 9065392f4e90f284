"""What nobody foresaw: one line for the user, and a file with the details for whoever is to repair it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence

from simulator.version import VERSION

CODE = 3
TRACEBACKS = "PRUNESIM_TRACEBACKS"  # set: errors that nobody foresaw are raised, as tests and debuggers want them


def is_raised() -> bool:
    """Whether the environment asks for the error itself."""
    return bool(os.environ.get(TRACEBACKS))


def line_of(error: BaseException, arguments: Sequence[str]) -> str:
    """The one line; the details go to a new file among the temporary ones, where one can be written."""
    what = f"{type(error).__name__}{_reason(error)}"
    try:
        handle, path = tempfile.mkstemp(prefix="prunesim-error-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(_details(error, arguments))
    except OSError as fault:
        return f"a fault of this program, {what}; its details cannot be written: {fault.strerror or fault}"
    return f"a fault of this program, {what}; please report it with {path}"


def _reason(error: BaseException) -> str:
    try:
        reason = str(error)[:200].strip()
    except Exception:  # noqa: BLE001 (whatever the error's own text ends in)
        return ""
    return f": {' '.join(reason.splitlines())}" if reason else ""


def _details(error: BaseException, arguments: Sequence[str]) -> str:
    head = f"prunesim {VERSION}, Python {platform.python_version()}, {platform.platform()}\n{list(arguments)!r}\n\n"
    try:
        return head + "".join(traceback.format_exception(error))
    except Exception as fault:  # noqa: BLE001 (of an error that cannot be written down)
        return f"{head}{type(error).__name__}, which cannot be shown: {type(fault).__name__}\n"


def arguments_of(given: Sequence[str] | None) -> list[str]:
    """The command's arguments."""
    return list(sys.argv[1:] if given is None else given)
