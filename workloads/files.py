"""The one place where files are opened: outputs, written whole or not at all, and inputs, read within limits.

An output may be an ordinary file, a symbolic link (its target is replaced), or a stream: a character device, a pipe, a
descriptor such as /dev/stdout. Streams are written to and never replaced. Every fault is an `InputError` naming the
file.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from workloads.errors import InputError
from workloads.limit_factor import VARIABLE, raised

TEXT_LIMIT_BYTES = 1 << 26  # of a file that people write: studies, network files, tables
DATA_LIMIT_BYTES = 1 << 30  # of a text that programs write: matrices, reports, timelines
_MOST_LINKS = 40  # followed by Linux in a path
_PIPE_SECONDS = 10  # for which an output waits for somebody to read it


def require_writable(path: Path) -> None:
    """Raise `InputError` when `path` could not be written, so that a long run is not lost at its end."""
    try:
        reason = _obstacle(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    if reason:
        raise InputError(f"{path}: cannot be written: {reason}")


@contextmanager
def whole_file(path: Path) -> Generator[BinaryIO]:
    """A stream to a temporary file, whose content goes to `path` when the block ends well.

    An interrupted or failed block leaves the old file as it was, and writes nothing to a device or a pipe. The
    permissions of an old file are kept. Raises `InputError` naming the file when it cannot be written.
    """
    require_writable(path)
    try:
        number, target = _descriptor(path), Path(os.path.realpath(path))
        mode = None if number is not None else _mode(target)
        if number is not None or (mode is not None and not stat.S_ISREG(mode)):
            # What is sent cannot be taken back: it is collected first, so that a block that fails has sent nothing.
            with tempfile.TemporaryFile() as content:
                yield content
                _send(content, target if number is None else number)
            return
        # In the target's own folder, since only inside one file system is a rename a single step. Cut, as names have
        # 255 bytes at most, and the random part comes on top.
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
            # Before the rename, so that the file never stands there with other permissions.
            Path(temporary).chmod(_ordinary_mode() if mode is None else stat.S_IMODE(mode))
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error) from None


def require_file(path: Path) -> None:
    """Raise `InputError` for a device, which may never end, and for a pipe, which can be read only once."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError as error:  # a NUL in a name that stands in a file
        raise InputError(f"{path!s:.200}: {error}") from None
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is a {_kind(mode)}, must be a file")


def refuse_stream(path: Path) -> None:
    """`require_file` that lets pass what is missing, out of reach, or a folder."""
    if os.path.exists(path) and not os.path.isdir(path):  # noqa: PTH110, PTH112 (False for what is out of reach)
        require_file(path)


def read_bytes(path: Path, limit_bytes: int = TEXT_LIMIT_BYTES) -> bytes:
    """What a file holds, or a pipe that is open already. Raises `InputError` naming it when it is neither, or too long.

    Too long is what holds more than `limit_bytes`, times what `PRUNESIM_LIMITS` says.
    """
    limit_bytes = raised(limit_bytes)
    # A device may never end, and a named pipe may never begin; /dev/stdin and what a shell hands over have a writer.
    if _descriptor(path) is None:
        require_file(path)
    try:
        with path.open("rb") as stream:
            # A byte more than allowed tells that there is too much, without reading the rest.
            data = stream.read(limit_bytes + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    if len(data) > limit_bytes:
        raise InputError(f"{path}: holds more than {limit_bytes:,} bytes, the most that is read ({VARIABLE} raises it)")
    return data


def read_text(path: Path, limit_bytes: int = TEXT_LIMIT_BYTES) -> str:
    """A text in UTF-8, with or without a byte order mark; line ends as they are. Raises as `read_bytes`."""
    try:
        return read_bytes(path, limit_bytes).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None


def _descriptor(path: Path) -> int | None:
    """The open descriptor that a path such as /dev/stdout or /dev/fd/63 stands for."""
    # /dev/stdout leads to /proc/self/fd/1 and that to the file behind it, which must not be replaced: links are
    # followed one by one, no further than to the number.
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(path.parent)
        if folder in (f"/proc/{os.getpid()}/fd", "/dev/fd") and path.name.isdecimal():
            return int(path.name)
        if not os.path.islink(path):  # noqa: PTH114 (False where a folder may not be entered)
            return None
        path = path.parent / path.readlink()
    return None


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "directory", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


def _obstacle(path: Path) -> str:
    """What stands against writing, or empty. Raises `OSError` likewise."""
    number = _descriptor(path)
    if number is not None:
        os.fstat(number)  # raises where it is closed
        return ""
    target = Path(os.path.realpath(path))
    mode = _mode(target)
    if mode is None or stat.S_ISREG(mode):
        return _file_obstacle(target, mode)
    if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
        return "" if os.access(target, os.W_OK) else "no permission"
    return f"is a {'disk' if stat.S_ISBLK(mode) else _kind(mode)}"


def _file_obstacle(target: Path, mode: int | None) -> str:
    folder = target.parent
    if not os.path.isdir(folder):  # noqa: PTH112 (False where a folder may not be entered)
        return f"no such folder: {folder}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"no permission in {folder}"
    # Root may write anything; a file that nobody may write is meant to stay.
    if mode is not None and not (mode & 0o222 and os.access(target, os.W_OK)):
        return "is read-only"
    tempfile.TemporaryFile(dir=folder).close()  # only an attempt tells, on file systems of all kinds
    return ""


def _send(content: BinaryIO, target: Path | int) -> None:
    """Copy everything into a stream, which stays open where it is somebody else's descriptor."""
    content.seek(0)
    if isinstance(target, int):
        for own in filter(None, (sys.stdout, sys.stderr)):
            own.flush()  # what was printed before stands before
        target = os.dup(target)
    elif stat.S_ISFIFO(target.stat().st_mode):
        target = _pipe_with_reader(target)
    with open(target, "wb") as stream:  # noqa: PTH123 (a descriptor or a path)
        shutil.copyfileobj(content, stream)


def _pipe_with_reader(path: Path) -> int:
    """A named pipe, open for writing. Raises `InputError` where nobody has come to read it."""
    end = time.monotonic() + _PIPE_SECONDS
    while True:
        try:
            number = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > end:
                reason = f"nobody reads this pipe for {_PIPE_SECONDS} seconds" if error.errno == errno.ENXIO else error
                raise InputError(f"{path}: cannot be written: {reason}") from None
            time.sleep(0.05)
        else:
            os.set_blocking(number, True)
            return number


def _ordinary_mode() -> int:
    """Of a new file; temporary files are private, results are not."""
    # The mask can only be read by setting it.
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be written: {error.strerror or error}")


def unreadable(path: Path, error: OSError) -> InputError:
    """The line that says why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: no such file")
    if isinstance(error, IsADirectoryError):
        return InputError(f"{path}: is a directory, must be a file")
    return InputError(f"{path}: cannot be read: {error.strerror or error}")


def require_outputs(outputs: Iterable[str | Path | None], inputs: Iterable[str | Path | None] = ()) -> None:
    """Check every output of a command before it starts; None and "-" (standard output) are passed over.

    Raises `InputError` for one that cannot be written, that another output would replace, or that is an input.
    """
    read = [path for path in inputs if path is not None and os.path.exists(path)]  # noqa: PTH110 (or a built-in name)
    taken = {os.path.realpath(path): "is read by this command" for path in read}
    for path in outputs:
        if path is None or str(path) == "-":
            continue
        require_writable(Path(path))
        real = os.path.realpath(path)
        if os.path.isfile(real) or not os.path.exists(real):  # noqa: PTH110, PTH113 (streams may be shared)
            if real in taken:
                raise InputError(f"{path}: cannot be written: {taken[real]}")
            taken[real] = "another output goes there"


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a file by a whole new one, or write to a stream; an interrupted run leaves the old file as it was.

    Raises `InputError` naming the file when it cannot be written.
    """
    with whole_file(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
