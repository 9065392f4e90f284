"""What commands write where a FILE may be -, which is standard output."""

from __future__ import annotations

from pathlib import Path

import click


def write(file: str, content: str) -> None:
    """Replace a file by a whole new one; a text for "-" goes to standard output.

    Raises `InputError` naming the file when it cannot be written.
    """
    from workloads.files import write_whole

    if file == "-":
        click.echo(content.encode(), nl=False)  # UTF-8, as in a file, whatever the terminal's encoding
        return
    write_whole(Path(file), content)
