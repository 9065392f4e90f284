"""The ideal machine beside others: what size it takes, where the user gives it none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.notices import tell

if TYPE_CHECKING:
    from dataflows.accelerator import Accelerator
    from dataflows.sizing import EqualSize


def with_ideal_beside(
    accelerators: list[Accelerator], settings: tuple[str, ...], size: EqualSize | None
) -> list[Accelerator]:
    """The machines, the ideal one with the size of the others where they have one and the user gives it none."""
    from simulator.configuration import parse_setting
    from simulator.equal_size import ideal_beside

    others = [accelerator for accelerator in accelerators if accelerator.name != "ideal"]
    if not others or len(others) == len(accelerators):
        return accelerators
    # What a user gave the ideal machine, by --set or by --equal, is not changed for company.
    set_here = {parse_setting(text)[0] for text in settings} | set(size.shared_settings() if size else ())
    if size is not None and size.multipliers is not None:
        set_here.add("multipliers")
    chosen = []
    for accelerator in accelerators:
        if accelerator.name == "ideal":
            # Put back at its place in the list, so that tables keep the order that the user gave.
            accelerator, line = ideal_beside(accelerator, others, {"multipliers", "clock_hz"} - set_here)  # noqa: PLW2901
            if line:
                tell(f"warning: {line}")
        chosen.append(accelerator)
    return chosen
