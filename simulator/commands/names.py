"""What a shell completes: names of machines and workloads, read from files without importing what they name."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from dataflows.names import machine_names

_ROOT = Path(__file__).parents[2]


def machine(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The machines that begin so."""
    del ctx, param
    return [CompletionItem(name) for name in machine_names() if name.startswith(incomplete)]


def machines(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The machines of a list by comma: those that its last part begins, behind the parts before it."""
    del ctx, param
    before, comma, last = incomplete.rpartition(",")
    given = before.split(",")
    known = [name for name in (*machine_names(), *(() if comma else ("all",))) if name not in given]
    return [CompletionItem(f"{before}{comma}{name}") for name in known if name.startswith(last)]


def workloads(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The built-in workloads that begin so, and files."""
    del ctx, param
    names = [CompletionItem(name) for name in workload_names() if name.startswith(incomplete)]
    return names if names and not os.path.exists(incomplete) else [*names, CompletionItem(incomplete, type="file")]  # noqa: PTH110


def workload_names() -> list[str]:
    """Every built-in workload's name, sorted."""
    data = _ROOT / "workloads" / "data"
    return sorted(
        {
            path.stem if path.suffix == ".npz" else path.name.removesuffix(".csv")
            for path in (*data.glob("*.npz"), *(data / "networks").glob("*.csv"))
        }
    )
