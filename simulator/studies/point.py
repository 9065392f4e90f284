"""One point of a study: a machine with settings on a workload with a seed; its key, and its run.

A point is described by names and numbers only, so that it travels to a worker in a few hundred bytes. Its key is a
digest of all that its result depends on: the full resolved spec, what the traces are made from, and the version.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass, replace
from typing import Any

from dataflows.accelerator import Accelerator
from dataflows.registry import machine
from simulator.analytical import expect, no_part
from simulator.configuration import idle_settings, merge, validate
from simulator.equal_size import at_equal_size, parse_equal_size, scaled_line, shortfalls
from simulator.network_simulation import DenseCycles, simulate
from simulator.reports.network_total import total_row
from simulator.reports.report import ANALYTICAL, EVENTS, Model, NetworkReport
from simulator.studies.content import code_version, described, digest_of, file_digest, loaded
from workloads import pruning
from workloads.errors import InputError, PrunesimError
from workloads.masks.named import ACTIVATION_PATTERNS, WEIGHT_PATTERNS, parse_pattern
from workloads.source import Drawn, DrawnBatch, LayerSource, TensorSource
from workloads.workload import Workload

REFUSED = "the worker has another version of prunesim, or of a workload file"
CHANGED = "a file of the workload changed while the point was computed; run the sweep again"
_DENSE_CYCLES: DenseCycles = {}  # of this process: points share their machines' dense baselines


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

    def base(self) -> Workload:
        """The whole workload before it is pruned. Raises `InputError`."""
        # The workload is held for all points that name it; only its seed is the point's own, and tensors are made when
        # asked for.
        workload = replace(loaded(self.workload), seed=self.seed)
        workload = workload if self.batch is None else workload.with_batch(self.batch)
        workload = workload.at_input(self.input)
        # The operand's own density wins over the one for both.
        weights = self.density if self.weight_density is None else self.weight_density
        activations = self.density if self.activation_density is None else self.activation_density
        workload = workload.with_densities(weights, activations)
        sources = (_rearranged(source, self.weight_pattern, self.activation_pattern) for source in workload.sources)
        return replace(workload, sources=tuple(sources))

    def traced(self) -> Workload:
        """The layers to simulate, pruned; no trace is made yet. Raises `InputError`."""
        workload = self.base()
        # Pruned before layers are selected, as a pruning may look at the whole network.
        workload = workload if self.prune is None else workload.prune(pruning.parse(self.prune))
        return workload if self.layers is None else workload.select(self.layers)

    def check_workload(self) -> None:
        """Raise `InputError` when the workload, its pruning or its layers are not there; nothing is pruned."""
        base = self.base()
        if self.prune is not None:
            pruning.parse(self.prune)
        if self.layers is not None:
            base.select(self.layers)

    def key(self) -> str:
        """Digest of spec, traces and version; no trace is made for it. Raises `InputError`."""
        base, accelerator = self.base(), self.accelerator()
        chosen = base if self.layers is None else base.select(self.layers)
        # Nothing is pruned for a key: the settings of the pruning, defaults included, say what it would do.
        return digest_of(
            code_version(),
            [accelerator.name, accelerator.spec.model_dump_json(), *([self.equal] if self.equal else [])],
            [file_digest(path) for path in base.files],
            [base.name, self.seed, self.input, described(base.sources, from_files=bool(base.files))],
            [layer.name for layer in chosen.layers],
            None if self.prune is None else described(pruning.parse(self.prune).resolved()),
            self.model,
        )

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
        if point.key() != key:
            return Outcome(key, error=REFUSED)
        report = _report(point)
        # Once more, as a file may have changed while traces were read from it.
        if point.key() != key:
            return Outcome(key, error=CHANGED)
    except PrunesimError as error:
        return Outcome(key, error=str(error))
    except Exception as error:  # noqa: BLE001 (a failed point is recorded and must not stop the others)
        return Outcome(key, error=f"{type(error).__name__}: {error}")
    data = report.to_dict()
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    # The total stands apart, for tables of a study read nothing else of a report.
    return Outcome(key, json.dumps(total_row(data), allow_nan=False), zlib.compress(text.encode()))


def _report(point: Point) -> NetworkReport:
    if point.model == ANALYTICAL:
        return expect(point.accelerator(), point.traced())
    return simulate([point.accelerator()], point.traced(), dense_cycles=_DENSE_CYCLES)[0]


def _rearranged(source: LayerSource, weights: str | None, activations: str | None) -> LayerSource:
    """The same densities with other patterns. Raises `InputError` where a tensor is stored instead of drawn."""
    if weights is not None:
        pattern = parse_pattern(weights, WEIGHT_PATTERNS)
        source = replace(source, weights=replace(_drawn(source.weights, source, "weight"), pattern=pattern))
    if activations is not None:
        pattern = parse_pattern(activations, ACTIVATION_PATTERNS)
        source = replace(source, activations=replace(_drawn(source.activations, source, "activation"), pattern=pattern))
    return source


def _drawn(tensor: TensorSource, source: LayerSource, name: str) -> Drawn | DrawnBatch:
    if not isinstance(tensor, Drawn | DrawnBatch):
        raise InputError(f"{name}_pattern: layer '{source.layer.name}' has stored {name}s, give {name}_density as well")
    return tensor


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
