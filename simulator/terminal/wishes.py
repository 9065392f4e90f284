"""What a user wishes of any command's output: everything, or results alone.

Kept with click's context, so that it ends with the command; library calls outside of a command have no wishes.
"""

from __future__ import annotations

import click

from workloads.notices import tell

_PREFIX = "prunesim.wish."
WISHES = {
    "quiet": "No progress, and no lines on standard error but warnings and errors.",
    "wide": "All columns of tables, however narrow the terminal.",
}


def add_to(command: click.Command, *names: str) -> None:
    """Give a command options of `WISHES`, once."""
    has = {parameter.name for parameter in command.params}
    for name in names:
        if name not in has:
            option = click.Option([f"--{name}"], is_flag=True, expose_value=False, callback=_keep, help=WISHES[name])
            command.params.append(option)


def wished(name: str) -> bool:
    """Whether the command that runs was given the option."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(_PREFIX + name, False)


def inform(line: str) -> None:
    """Tell a line that is no warning, unless it is to be quiet."""
    if not wished("quiet"):
        tell(line)


def _keep(context: click.Context, option: click.Parameter, given: bool) -> None:
    context.meta[_PREFIX + str(option.name)] = given
