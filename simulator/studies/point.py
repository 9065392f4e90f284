"""One point of a study: a machine with settings on a workload with a seed; its key, and its run.

A point is described by names and numbers only, so that it travels to a worker in a few hundred bytes. Its key is a
digest of all that its result depends on: the full resolved spec, what the traces are made from, and the version.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dataflows.accelerator import Accelerator
from dataflows.registry import machine
from simulator.analytical import expect, no_part
from simulator.configuration import idle_settings, merge, validate
from simulator.equal_size import at_equal_size, parse_equal_size, scaled_line, shortfalls
from simulator.network_simulation import DenseCycles, simulate
from simulator.reports.network_total import total_row
from simulator.reports.report import ANALYTICAL, EVENTS, Model, NetworkReport
from simulator.studies.content import code_version, digest_of, file_digest
from simulator.studies.point_workload import PointWorkload
from workloads.errors import PrunesimError
from workloads.workload import Workload

REFUSED = "the worker has another version of prunesim, or of a workload file"
CHANGED = "a file of the workload changed while the point was computed; run the sweep again"
_DENSE_CYCLES: DenseCycles = {}  # of this process: points share their machines' dense baselines
_SUBJECT = tuple(field.name for field in fields(PointWorkload))


@dataclass(frozen=True)
class Point:
    """What to simulate, as a user writes it.

    settings    (dotted key, value) of the machine, over its defaults
    density     of both operands, where weight_density or activation_density say nothing else: masks are drawn afresh,
                uniformly, with this share of non-zeros in every layer (activations: in every layer that reads a ReLU's
                output); prunings come after
    weight_pattern, activation_pattern  how the non-zeros of drawn masks lie (see `patterns`)
    layers      glob of layer names
    input       which of the workload's inputs
    equal       the size that the machine is brought to, as for '--equal'
    model       where the numbers come from: simulated events, or the machine's analytical model
    energy      whether energy and area are reported
    """

    machine: str
    workload: str = "blazepose"
    settings: tuple[tuple[str, Any], ...] = ()
    layers: str | None = None
    prune: str | None = None
    density: float | None = None
    weight_density: float | None = None
    activation_density: float | None = None
    weight_pattern: str | None = None
    activation_pattern: str | None = None
    batch: int | None = None
    seed: int = 0
    input: int = 0
    equal: str | None = None
    model: Model = EVENTS
    energy: bool = True

    def accelerator(self) -> Accelerator:
        """The machine. Raises `InputError` with a line for each setting that is not allowed."""
        chosen, values = machine(self.machine), self._values()
        if self.equal is None:
            return chosen(validate(chosen, values, self.machine))
        given = [key for key, _ in self.settings]
        return at_equal_size(chosen, values, parse_equal_size(self.equal), given, self.machine)[0]

    def scaled(self) -> tuple[str, list[str]]:
        """What bringing the machine to its equal size made of it, in one line, and what it could not reach."""
        if self.equal is None:
            return "", []
        size = parse_equal_size(self.equal)
        accelerator, settings = at_equal_size(machine(self.machine), self._values(), size, (), self.machine)
        return scaled_line(accelerator, settings), shortfalls(accelerator, size)

    def _values(self) -> dict[str, Any]:
        """The settings as nested tables."""
        values: dict[str, Any] = {}
        for key, value in self.settings:
            merge(values, key, value)
        return values

    def idle(self) -> dict[str, str]:
        """The given settings that have no effect in this configuration, and why."""
        accelerator = self.accelerator()
        reasons = idle_settings(accelerator) | (no_part(accelerator) if self.model == ANALYTICAL else {})
        return {key: reasons[key] for key, _ in self.settings if key in reasons}

    @property
    def subject(self) -> PointWorkload:
        """What it says of its workload; equal for points that differ in their machine alone."""
        return PointWorkload(**{name: getattr(self, name) for name in _SUBJECT})

    def traced(self) -> Workload:
        """The layers to simulate, pruned; no trace is made yet. Raises `InputError`."""
        return self.subject.traced()

    def check_workload(self) -> None:
        """Raise `InputError` when the workload, its pruning or its layers are not there; nothing is pruned."""
        self.subject.check()

    def key(self, accelerator: Accelerator | None = None) -> str:
        """Digest of spec, traces and version; no trace is made for it. Raises `InputError`.

        `accelerator` is the point's own where it is there already.
        """
        content, chosen = self.subject.content(), accelerator or self.accelerator()
        return digest_of(
            code_version(),
            [chosen.name, chosen.spec.model_dump_json(), *([self.equal] if self.equal else [])],
            content,
            self.model,
            *self._priced(chosen),
        )

    def _priced(self, accelerator: Accelerator) -> list[Any]:
        """What energy depends on beside the spec: whether it is asked for, and the content of tables of one's own."""
        tables = accelerator.spec.energy.tables
        if not self.energy:
            return ["no energy"]
        return [file_digest(Path(tables))] if tables else []

    def raw_key(self) -> str:
        """Digest of the point as it is written, for points that are not possible."""
        # A point that is not possible has no specification to be told by, but its failure is stored under a key as
        # well.
        return digest_of(code_version(), repr(sorted(asdict(self).items())))


@dataclass(frozen=True)
class Outcome:
    """What became of a point: total and network as JSON, the whole report as compressed JSON, or the error's text."""

    key: str
    total: str = ""
    report: bytes = b""
    error: str = ""


def run_point(point: Point, key: str) -> Outcome:
    """Simulate a point, in whatever process this is called; a failure is an outcome, not an exception."""
    os.environ.setdefault("PRUNESIM_THREADS", "1")  # points share the cores; kernels must not want all of them again
    try:
        # The key came from another process, perhaps on another machine: with other sources or files here it would be
        # another.
        accelerator = point.accelerator()
        if point.key(accelerator) != key:
            return Outcome(key, error=REFUSED)
        report = _report(point, accelerator)
        # Once more, as a file may have changed while traces were read from it.
        if point.key(accelerator) != key:
            return Outcome(key, error=CHANGED)
    except PrunesimError as error:
        return Outcome(key, error=str(error))
    except Exception as error:  # noqa: BLE001 (a failed point is recorded and must not stop the others)
        return Outcome(key, error=f"{type(error).__name__}: {error}")
    data = report.to_dict()
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    # The total stands apart, for tables of a study read nothing else of a report.
    return Outcome(key, json.dumps(total_row(data), allow_nan=False), zlib.compress(text.encode()))


def _report(point: Point, accelerator: Accelerator) -> NetworkReport:
    if point.model == ANALYTICAL:
        return expect(accelerator, point.traced(), energy=point.energy)
    return simulate([accelerator], point.traced(), dense_cycles=_DENSE_CYCLES, energy=point.energy)[0]


@dataclass(frozen=True)
class Place:
    """A point's place in a study.

    `values` is what a user sees of it: `accelerator`, `workload`, `seed` and all that
    the study sets, settings that this machine does not have included; `fault` is why the point is not possible.
    """

    values: dict[str, Any]
    point: Point
    key: str
    fault: str = ""

    @property
    def label(self) -> str:
        """The point in one line."""
        return ", ".join(f"{key}={value}" for key, value in self.values.items())
