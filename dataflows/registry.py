"""Find machines by name: defining one registers it; only modules of machines that are asked for are imported."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import ValidationError

from dataflows import machines as rooms
from dataflows.accelerator import Accelerator
from dataflows.specs import AcceleratorSpec
from workloads.errors import InputError, nearest
from workloads.modules import import_all, registered


@cache
def machines() -> dict[str, type[Accelerator]]:
    """Every machine of the package by its name, sorted."""
    import_all(rooms.__name__)
    return dict(sorted(Accelerator.registry.items()))


def machine(name: str) -> type[Accelerator]:
    """The machine of that name, or of the description in a file of that name. Raises `InputError` with the nearest."""
    if name.endswith(".toml"):
        from dataflows.described.files import described_machine  # noqa: PLC0415 (its parts are no other machine's)

        return described_machine(name)
    known = registered(rooms.__name__, Accelerator.registry, name)
    if name not in known:
        raise InputError(f"unknown accelerator '{name}': {nearest(name, machines())}")
    return known[name]


def analytical_machines() -> list[str]:
    """The names of machines that have an analytical model (`Accelerator.expected_work`)."""
    return [name for name, chosen in machines().items() if chosen.expected_work is not Accelerator.expected_work]


def create(name: str, settings: dict[str, Any] | None = None) -> Accelerator:
    """A machine with some settings (nested as in its spec) in place of the defaults.

    Raises pydantic's `ValidationError` for a setting that is not allowed.
    """
    chosen = machine(name)
    return chosen(chosen.Spec.model_validate(over_defaults(chosen, settings or {})))


def baseline_of(accelerator: Accelerator) -> Accelerator:
    """The machine's dense baseline: the machine itself, or the one it names, like for like.

    The one rule of inheritance: whatever every machine has (`AcceleratorSpec`: clock, word, prefetch, write-back,
    buffer rates and memory) is the machine's own; `baseline_settings` adds its size. A machine that was brought to an
    equal size brings its baseline there, too. Raises `InputError` where no such baseline can be built.
    """
    if accelerator.baseline_name is None:
        return accelerator
    shared = accelerator.spec.model_dump(include=set(AcceleratorSpec.model_fields))
    settings = accelerator.baseline_settings()
    try:
        baseline = create(accelerator.baseline_name, shared | settings)
        if (size := accelerator.equal_size) is None:
            return baseline
        if baseline.multipliers == accelerator.multipliers:  # of the machine's own shape
            size = size.model_copy(update={"multipliers": None})
        return create(accelerator.baseline_name, shared | settings | baseline.scaled(size))
    except ValidationError as error:
        faults = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        sizes = ", ".join(f"{key} = {value!r}" for key, value in settings.items())
        raise InputError(
            f"{accelerator.name}: its dense baseline {accelerator.baseline_name} cannot be built with {sizes}: {faults}"
        ) from None


def over_defaults(chosen: type[Accelerator], settings: dict[str, Any]) -> dict[str, Any]:
    """Settings whose tables are laid over a machine's own: what a table does not name keeps the machine's value.

    Keys outside tables that are not named are left out, since a spec may choose them by those that are (a design, say).
    """

    def lay(under: Any, over: Any) -> Any:
        if not isinstance(under, dict) or not isinstance(over, dict):
            return over
        return under | {key: lay(under.get(key), value) for key, value in over.items()}

    # A machine whose memory has 50 GB/s keeps them under {"dram": {"latency_ns": 10}}, where the table alone would
    # bring back the 12.8 GB/s of `DramSpec`.
    defaults = chosen.Spec.model_validate({}).model_dump()
    return {key: lay(defaults.get(key), value) for key, value in settings.items()}
