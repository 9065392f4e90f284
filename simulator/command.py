"""The `prunesim` command: what a user types, and nothing else; every subcommand hands over to the library.

Modules are imported inside the functions that need them, so that `prunesim --help` does not load numba or pydantic.
Results go to standard output, progress and warnings to standard error. Exit codes: 0 done, 1 a check or comparison
failed, 2 bad input.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version as installed_version
from typing import ClassVar

import click

from simulator.standard_streams import open_closed_ones
from workloads.errors import PrunesimError


class LazyGroup(click.Group):
    """A group that also knows commands in modules of their own, loaded when they are called or described."""

    # name -> "module:attribute" of a click command
    modules: ClassVar[dict[str, str]] = {
        "compare": "simulator.run_command:compare",
        "diff": "simulator.diff_command:diff",
        "import": "simulator.import_command:command",
        "inspect": "simulator.inspect_command:command",
        "plot": "simulator.plot_command:plot",
        "report": "simulator.report_command:report",
        "run": "simulator.run_command:run",
        "sweep": "simulator.sweep_command:sweep",
        "validate": "simulator.validate_command:validate",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name, sorted."""
        return sorted({*super().list_commands(ctx), *self.modules})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, from its module if need be."""
        if cmd_name not in self.modules:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.modules[cmd_name].partition(":")
        return getattr(import_module(module), attribute)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(installed_version("prunesim"), prog_name="prunesim")
def cli() -> None:
    """Simulate sparse CNN accelerators on pruned networks.

    Reports cycles, utilization, load imbalance, the cause of every lost PE-cycle and what DRAM saw.

    \b
    prunesim run blazepose --on scnn      the shipped, really pruned network
    prunesim compare blazepose --on all   the same on every accelerator
    prunesim run vgg16@deep-compression --on cambricon-x --layers 'conv3*'
    prunesim config scnn > my.toml        an accelerator's parameters, to edit
    """  # noqa: D301 (click reads the backspace as: keep these lines as they are)


@cli.command("list")
@click.argument("kind", type=click.Choice(["accelerators", "workloads", "prunings", "formats"]), required=False)
def list_names(kind: str | None) -> None:
    """List accelerators, workloads, prunings and storage formats."""
    from simulator import listing, tables

    for name in [kind] if kind else listing.KINDS:
        tables.print_listing(name, listing.KINDS[name]())


@cli.command()
@click.argument("machine")
def config(machine: str) -> None:
    """Print the complete, commented TOML of MACHINE, ready to edit and pass as --config FILE."""
    from simulator.configuration import commented_toml, configure

    accelerator, _ = configure(machine)
    click.echo(commented_toml(accelerator), nl=False)


def main(arguments: list[str] | None = None) -> None:
    """The entry point: bad input becomes one clear line on standard error and exit code 2, never a traceback."""
    open_closed_ones()
    try:
        code = cli.main(arguments, standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"prunesim: {error.format_message()}", err=True)
        sys.exit(2)
    except PrunesimError as error:
        for line in str(error).splitlines():
            click.echo(f"prunesim: {line}", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
