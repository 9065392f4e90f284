"""Files that commands write: each is said on standard error, with what it is where the name does not tell."""

from __future__ import annotations

from pathlib import Path

import click

from workloads.notices import tell


def write(file: str | Path, content: str | bytes) -> None:
    """Replace a file by a whole new one and say so; a text for "-" goes to standard output.

    Raises `InputError` naming the file when it cannot be written.
    """
    from workloads.files import write_whole

    if str(file) == "-":
        click.echo(content, nl=False)
        return
    write_whole(Path(file), content)
    wrote(file)


def wrote(file: str | Path) -> None:
    """Say that a file was written."""
    tell(f"wrote {file}")
