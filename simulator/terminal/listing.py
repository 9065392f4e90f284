"""What `prunesim list` shows: name and one line for everything that can be named in a command."""

from __future__ import annotations

from collections.abc import Callable

Listing = list[tuple[str, ...]]


def accelerators() -> Listing:
    """Name, what it is, its dense baseline."""
    from dataflows.registry import machines  # noqa: PLC0415 (loads numba)

    rows = [(name, chosen.title, chosen.baseline_name or "itself, dense") for name, chosen in machines().items()]
    return [("accelerator", "what it is", "dense baseline"), *rows]


def workloads() -> Listing:
    """Name, what it is, layers, dense MACs."""
    from workloads.catalog import available_workloads  # noqa: PLC0415 (keeps the command's start quick)

    rows = [(w.name, w.description, str(w.layers), f"{w.dense_macs:,}") for w in available_workloads()]
    return [("workload", "what it is", "layers", "dense MACs"), *rows]


def prunings() -> Listing:
    """Name, what it does with its keys, densities at which papers kept accuracy."""
    from workloads.pruning import available_prunings  # noqa: PLC0415 (keeps the command's start quick)

    rows = [(entry.name, entry.description, entry.literature) for entry in available_prunings()]
    return [("pruning", "what it does", "densities in the literature (no claim of ours)"), *rows]


def formats() -> Listing:
    """Name, how it stores, its parameters."""
    from workloads.formats import available_formats  # noqa: PLC0415 (keeps the command's start quick)

    rows = [(entry.name, entry.description, ", ".join(entry.parameters)) for entry in available_formats()]
    return [("format", "how it stores", "parameters"), *rows]


KINDS: dict[str, Callable[[], Listing]] = {
    "accelerators": accelerators,
    "workloads": workloads,
    "prunings": prunings,
    "formats": formats,
}
