"""What is said while kernels are compiled: the first run on a machine waits for seconds, and says what for."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

_CLEAR_LINE = "\r\x1b[K"
_kernels: list[str] = []  # compiled in this process, those that others call among them
_waiting: list[None] = []  # one for each call that waits


def status() -> str:
    """A few words while something is compiled, else none; a progress bar shows them beside itself."""
    return f"compiling kernels for this machine, once: {len(_kernels)} …" if _waiting and _kernels else ""


@contextmanager
def waiting() -> Generator[None]:
    """A call waits for what is compiled in the block."""
    _waiting.append(None)
    try:
        yield
    finally:
        _waiting.pop()
        _show()


def begin(name: str) -> None:
    """A kernel of that name must be compiled."""
    _kernels.append(name)
    _show()


def _show() -> None:
    """Words on standard error in one line that goes again; where a bar stands it is in place of it, and shows them."""
    stream = sys.stderr
    if _kernels and stream and stream is sys.__stderr__ and stream.isatty():
        with suppress(OSError, ValueError):  # closed, or without such letters
            stream.write(f"{_CLEAR_LINE}{status()}")
            stream.flush()
