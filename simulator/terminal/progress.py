"""Progress on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from simulator.terminal.wishes import wished


@contextmanager
def progress(title: str) -> Generator[Callable[[int, int, str], None] | None]:
    """A progress bar on standard error while the block runs; None where that is no terminal, or with `--quiet`."""
    if not sys.stderr.isatty() or wished("quiet"):
        yield None
        return
    # Here, as there is a bar on a terminal only.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text  # noqa: PLC0415

    from dataflows.kernels.compiling import status  # noqa: PLC0415

    class Waiting(ProgressColumn):
        """What a bar that does not move is waiting for."""

        def render(self, task: Task) -> Text:  # noqa: ARG002 (the same beside every bar)
            return Text(status())

    title_column = TextColumn("{task.description}", markup=False)
    columns = (title_column, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), Waiting())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title)
        yield lambda done, total, now: bar.update(
            task, completed=done, total=total, description=f"{title} {now}".strip()
        )
