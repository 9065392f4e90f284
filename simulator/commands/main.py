"""The `prunesim` command: what a user types, and nothing else; every subcommand hands over to the library.

Modules are imported inside the functions that need them, so that `prunesim --help` does not load numba or pydantic.
Results go to standard output, progress and warnings to standard error. Exit codes: 0 done, 1 a check or comparison
failed, 2 bad input, 3 a fault of the program itself.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import ClassVar

import click

from simulator.commands import names, streams, unforeseen
from simulator.terminal import wishes
from simulator.version import VERSION
from workloads.errors import MOST_FAULTS, InputError, PrunesimError, nearest
from workloads.notices import tell


class LazyGroup(click.Group):
    """A group that also knows commands in modules of their own, loaded when they are called or described."""

    # name -> "module:attribute" of a click command
    modules: ClassVar[dict[str, str]] = {
        "compare": "simulator.commands.compare:compare",
        "diff": "simulator.commands.diff:diff",
        "explain": "simulator.commands.explain:explain",
        "import": "simulator.commands.import_:command",
        "inspect": "simulator.commands.inspect:command",
        "plot": "simulator.commands.plot:plot",
        "report": "simulator.commands.report:report",
        "run": "simulator.commands.run:run",
        "search": "simulator.commands.search:search",
        "serve": "simulator.commands.serve:serve",
        "sweep": "simulator.commands.sweep:sweep",
        "validate": "simulator.commands.validate:validate",
    }
    # Commands that print no tables, or nothing but results.
    wishes: ClassVar[dict[str, tuple[str, ...]]] = {
        "config": (),
        "list": ("wide",),
        "plot": ("quiet",),
        "report": ("quiet",),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name, sorted."""
        return sorted({*super().list_commands(ctx), *self.modules})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, from its module if need be."""
        if cmd_name in self.modules:
            module, _, attribute = self.modules[cmd_name].partition(":")
            command: click.Command | None = getattr(import_module(module), attribute)
        else:
            command = super().get_command(ctx, cmd_name)
        if command is not None:
            wishes.add_to(command, *self.wishes.get(cmd_name, ("quiet", "wide")))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that arguments name. Raises `InputError` with the nearest one where there is none."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise InputError(f"unknown command '{args[0]}': {nearest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="prunesim")
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
    from simulator.terminal import listing
    from simulator.terminal.tables import print_listing

    for name, rows in listing.listed([kind] if kind else list(listing.KINDS)).items():
        print_listing(name, rows)


@cli.command()
@click.argument("machine", shell_complete=names.machine)
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Set a parameter first. Repeatable.")
@click.option(
    "--write-tables",
    "tables",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE|-",
    help="Write the prices of its actions and its area instead, as YAML for --set energy.tables=FILE.",
)
def config(machine: str, settings: tuple[str, ...], tables: str | None) -> None:
    """Print the complete, commented TOML of MACHINE, ready to edit and pass as --config FILE."""
    from simulator.configuration import commented_toml, configure

    accelerator, _ = configure(machine, None, settings)
    if tables is None:
        click.echo(commented_toml(accelerator), nl=False)
        return
    from simulator.commands.outputs import write
    from simulator.energy.write_tables import tables_text

    write(tables, tables_text(accelerator))


def main(arguments: list[str] | None = None) -> None:
    """The entry point: what goes wrong becomes one clear line on standard error and exit code 2, never a traceback.

    What nobody foresaw ends with 3, and its line names the file of the details (`unforeseen`).
    """
    if not streams.opened():
        tell("prunesim: standard output is closed; send it to /dev/null if it is not wanted")
        sys.exit(2)
    try:
        sys.exit(_exit_code(arguments))
    finally:
        streams.settle()


def _exit_code(arguments: list[str] | None) -> int:
    code: object = 2
    try:
        _require_texts(sys.argv[1:] if arguments is None else arguments)
        # Not standalone: click would tell errors in words of its own and end the process.
        code = cli.main(arguments, standalone_mode=False)
        # Here, where a full disk is told as one line; the interpreter's own flush at its end would tell it as a
        # traceback.
        sys.stdout.flush()
    except click.exceptions.Abort:
        # 128 + SIGINT (2), as shells report a command that Ctrl-C has ended.
        code = 130
    except BrokenPipeError:
        code = 1  # as the library of tables ends there
    except click.ClickException as error:
        _tell(error.format_message())
    except PrunesimError as error:
        _tell(str(error))
    except KeyboardInterrupt:  # outside of click, which makes it an `Abort`
        code = 130
    except Exception as error:
        if _is_shortage(error):
            _tell(f"not enough memory: {str(error) or 'the system gives no more'}")
        elif isinstance(error, OSError):
            _tell(f"{error.filename or 'standard output'}: {error.strerror or error}")
        elif unforeseen.is_raised():
            raise
        else:
            code = unforeseen.CODE
            _tell(unforeseen.line_of(error, unforeseen.arguments_of(arguments)))
    return code if isinstance(code, int) else 0


def _require_texts(arguments: list[str]) -> None:
    """Raise `InputError` for an argument that no shell could pass on: one with a NUL, or half of a character."""
    for text in arguments:
        try:
            fits = b"\0" not in os.fsencode(text)
        except UnicodeEncodeError:
            fits = False
        if not fits:
            raise InputError(f"argument {text!r:.100}: holds a NUL, or half of a character")


def _is_shortage(error: Exception) -> bool:
    """Whether it says that memory has run out; libraries and threads that cannot start have errors of their own."""
    if not isinstance(error, MemoryError | OSError | ImportError | RuntimeError):
        return False
    texts = ("failed to map segment", "cannot allocate memory", "can't start new thread", "could not find/load shared")
    return (
        isinstance(error, MemoryError)
        or str(error).lower().startswith("bad_alloc")
        or any(text in str(error).lower() for text in texts)
    )


def _tell(text: str) -> None:
    lines = text.splitlines()
    for line in lines[:MOST_FAULTS]:
        tell(f"prunesim: {line}")
    if len(lines) > MOST_FAULTS:
        tell(f"prunesim: and {len(lines) - MOST_FAULTS} more faults")
