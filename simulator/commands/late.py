"""Commands whose options or help come from what is registered, which is found when the command itself is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import click


class LateCommand(click.Command):
    """A command that finds out late what it can do, so that a list of commands loads nothing.

    section  head and rows (name, line) of a table behind the help text
    options  further options
    """

    def __init__(
        self,
        *arguments: Any,
        section: tuple[str, Callable[[], Iterable[tuple[str, str]]]],
        options: Callable[[], Iterable[click.Option]] = list,
        **keywords: Any,
    ) -> None:
        super().__init__(*arguments, **keywords)
        self._section, self._options = section, options

    @cached_property
    def _late(self) -> list[click.Parameter]:
        return list(self._options())

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Arguments and options, the late ones before the last, which asks for help."""
        *own, last = super().get_params(ctx)
        return [*own, *self._late, last]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help text and the table."""
        super().format_help_text(ctx, formatter)
        head, rows = self._section
        with formatter.section(head):
            formatter.write_dl(list(rows()))
