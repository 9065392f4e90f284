"""What commands write where a FILE may be -, which is standard output."""

from __future__ import annotations

from pathlib import Path

import click

from simulator.terminal.wishes import inform


def write(file: str | Path, content: str | bytes) -> None:
    """Replace a file by a whole new one, and say so; a text for "-" goes to standard output.

    Raises `InputError` naming the file when it cannot be written.
    """
    from workloads.files import write_whole

    if file == "-":
        # UTF-8, as in a file, whatever the terminal's encoding.
        click.echo(content.encode() if isinstance(content, str) else content, nl=False)
        return
    write_whole(Path(file), content)
    wrote(file)


def wrote(file: str | Path) -> None:
    """Say on standard error that a file has been written."""
    inform(f"wrote {file}")
