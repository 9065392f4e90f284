"""Our prices of a machine as an ERT and an ART, to look at, to edit and to give back as `energy.tables`."""

from __future__ import annotations

from collections.abc import Iterator

from dataflows.accelerator import Accelerator
from simulator.energy.estimate import Estimator
from simulator.energy.own_tables import LEAK
from workloads.errors import InputError


def tables_text(accelerator: Accelerator) -> str:
    """The YAML of a machine's prices. Raises `InputError` for a machine that names no components."""
    if not accelerator.components():
        raise InputError(f"{accelerator.name}: its energy is not modelled: it names no components")
    return "\n".join(_lines(accelerator)) + "\n"


def _lines(accelerator: Accelerator) -> Iterator[str]:
    """Written by hand: plain names and numbers need no library, and reading back gives the same numbers."""
    spec, estimator = accelerator.spec, Estimator(accelerator)
    area = estimator.area()
    yield f"# {accelerator.name} at {spec.energy.node_nm:g} nm, {spec.clock_hz / 1e6:g} MHz: pJ of an action, um2"
    yield f"# {LEAK}: pJ of one component in a cycle"
    yield from ("ERT:", '  version: "0.4"', "  tables:")
    for component in accelerator.components():
        yield from (f"  - name: {component.name}", "    actions:")
        prices = {action.value: estimator.action_pj(component.name, action.value) for action in component.kind.actions}
        leaks = estimator.leakage_mw(component.name).times(1e9 / spec.clock_hz / component.count)
        for name, price in {**prices, LEAK: leaks}.items():
            yield from (f"    - name: {name}", f"      energy: {_number(price.value)}")
    yield from ("ART:", '  version: "0.4"', "  tables:")
    for component in accelerator.components():
        one = area.components[component.name].value * 1e6 / component.count
        yield from (f"  - name: {component.name}", f"    area: {_number(one)}")


def _number(value: float) -> str:
    # YAML 1.1 takes 1e-05 for a text, 1.0e-05 for a number.
    text = repr(value)
    return text if "." in text or "e" not in text else text.replace("e", ".0e")
