"""What moved between two sets of reports: which layers and metrics, by how much, and whether that is tolerated."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from simulator.reports.diff_causes import TOTAL, Change, is_amount, wholes_of, with_causes
from simulator.reports.diff_headlines import headline
from simulator.reports.metrics import flat, sense_of
from simulator.reports.network_total import total_row
from simulator.reports.report import EVENTS
from workloads.errors import InputError

Report = Mapping[str, Any]
_ROUNDING = 1e-12  # relative; what sums of floating point differ by when nothing that they add up has moved
_SUMMED = "cycles"  # a layer's share of the total's cycles weighs its ratios


@dataclass(frozen=True)
class Difference:
    """All that differs: `changes`, what fails first, then by effect, and what stands on one side only.

    settings   what the reports were made with, where that differs; it explains and does not count as a difference
    headlines  a line for each machine with any change: how much faster or slower it is, and what for
    only_worse whether `worse_only` has left the other changes out
    """

    changes: tuple[Change, ...]
    missing: tuple[str, ...]
    settings: tuple[str, ...]
    headlines: tuple[str, ...] = ()
    only_worse: bool = False

    @property
    def accepted(self) -> bool:
        """Whether nothing is missing and every change is tolerated."""
        return not self.missing and all(change.tolerated for change in self.changes)

    def worse_only(self) -> Difference:
        """Without the changes that are for the better, or neither."""
        return replace(self, changes=tuple(change for change in self.changes if change.worse), only_worse=True)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; a change from nothing has no `relative` and may have no `effect`."""
        return {
            "accepted": self.accepted,
            "headlines": list(self.headlines),
            "missing": list(self.missing),
            "settings": list(self.settings),
            "changes": [change.to_dict() for change in self.changes],
        }


@dataclass(frozen=True)
class Tolerances:
    """How far metrics may move, relatively: (glob of metrics, limit). The last that matches counts; without one, 0."""

    limits: tuple[tuple[str, float], ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Tolerances:
        """From METRIC=REL, or REL for all metrics; REL is a share or, with a sign, per cent. Raises `InputError`."""
        limits = []
        for text in texts:
            # From the right: a text without an equals sign is a number alone, which `rpartition` puts last.
            metric, equals, number = text.rpartition("=")
            try:
                limit = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
            except ValueError:
                limit = math.nan
            # Not `limit < 0`, which NaN would pass.
            if not limit >= 0 or (equals and not metric):
                raise InputError(
                    f"--tolerance {text}: must have the form METRIC=REL or REL, REL at least 0, as 0.05 or 5%"
                )
            limits.append((metric or "*", limit))
        return cls(tuple(limits))

    def of(self, metric: str) -> float:
        """The limit of a metric."""
        return next((limit for glob, limit in reversed(self.limits) if fnmatchcase(metric, glob)), 0.0)

    def require_known(self, metrics: Iterable[str]) -> None:
        """Raise `InputError` for a glob that matches none of the metrics, which must be a mistake."""
        known = list(metrics)
        for glob, _ in self.limits:
            if not any(fnmatchcase(metric, glob) for metric in known):
                raise InputError(f"--tolerance {glob}: the reports have no such metric in common")


def difference(old: Sequence[Report], new: Sequence[Report], tolerances: Tolerances) -> Difference:
    """Compare reports machine by machine, layer by layer, metric by metric.

    Metrics that only one side has are not compared: a report may be a summary. Raises `InputError` for a tolerance of
    an unknown metric.
    """
    before, after = _by_name(old), _by_name(new)
    missing = _one_sided("accelerator", before, after)
    settings, changes, headlines, metrics = [], [], [], set()
    for name in before:
        if name not in after:
            continue
        settings += [f"{name}: {line}" for line in _settings(before[name], after[name])]
        old_rows, new_rows = _rows(before[name]), _rows(after[name])
        one_sided = _one_sided("layer", old_rows, new_rows)
        missing += [f"{name}: {line}" for line in one_sided]
        moved = []
        for layer in old_rows:
            if layer in new_rows:
                metrics |= old_rows[layer].keys() & new_rows[layer].keys()
                moved += with_causes(list(_changes(name, layer, old_rows, new_rows[layer], tolerances)))
        if moved:
            headlines.append(headline(name, old_rows[TOTAL], new_rows[TOTAL], same_layers=not one_sided))
        changes += moved
    tolerances.require_known(metrics)
    return Difference(tuple(sorted(changes, key=_rank)), tuple(missing), tuple(settings), tuple(headlines))


def _rank(change: Change) -> tuple[Any, ...]:
    """What fails before what is tolerated, of both what is worse first, and cycles before what they may come from."""
    # Of equal effects on a machine the total's comes first, as False sorts before True.
    return (
        change.tolerated, not change.worse, change.metric != _SUMMED, -(change.effect or 0.0), change.machine,
        change.layer != TOTAL, change.layer,
    )  # fmt: skip


def _changes(
    machine: str, layer: str, old_rows: Mapping[str, dict[str, Any]], new: Mapping[str, Any], tolerances: Tolerances
) -> Iterator[Change]:
    old, total = old_rows[layer], old_rows[TOTAL]
    # A layer of 2 % of the cycles whose ratio moves by 10 % has an effect of 0.2 % on the network.
    share = old.get(_SUMMED, 0) / total[_SUMMED] if total.get(_SUMMED) else 1.0
    wholes = wholes_of(total)
    for metric in sorted(old.keys() & new.keys()):
        before, after = old[metric], new[metric]
        if before == after:
            continue
        relative = _relative(before, after)
        if isinstance(before, float) and abs(relative) < _ROUNDING:
            continue
        effect = abs(relative) * share if math.isfinite(relative) else None
        # Counts add up over layers, so that their effect is their own change over the whole that they are a part of.
        # Bytes that fall from 500 to 400 in a layer, of 2,000 in all, have an effect of 5 %.
        added = isinstance(before, int) and isinstance(after, int)
        if (added or (effect is not None and is_amount(metric))) and (whole := wholes(metric)):
            effect = abs(after - before) / whole
        # What is a number on one side only has no direction: it counts as worse, so that nobody passes it over.
        known = isinstance(before, int | float) and isinstance(after, int | float)
        sense = sense_of(metric) * (1 if after > before else -1) if known else -1
        yield Change(
            machine, layer, metric, before, after, relative, effect, abs(relative) <= tolerances.of(metric), sense
        )  # fmt: skip


def _relative(old: Any, new: Any) -> float:
    if not isinstance(old, int | float) or not isinstance(new, int | float) or not old:
        return math.inf  # from nothing, or a value that is no number on one side
    # Over the absolute value, so that the sign tells the direction for negative values as well.
    return (new - old) / abs(old)


def _by_name(reports: Sequence[Report]) -> dict[str, Report]:
    """Reports by machine; further ones of the same machine are numbered."""
    named: dict[str, Report] = {}
    for report in reports:
        name = report["accelerator"]["name"]
        # Three reports of scnn become "scnn", "scnn #2" and "scnn #3": those before count without their numbers.
        number = sum(key.partition(" #")[0] == name for key in named)
        named[f"{name} #{number + 1}" if number else name] = report
    return named


def _rows(report: Report) -> dict[str, dict[str, Any]]:
    """Metrics by layer, the total last; a second layer of one name is numbered."""
    rows: dict[str, dict[str, Any]] = {}
    for number, layer in enumerate(report["layers"]):
        # By its place in the network: a second "conv1" that has five layers before it is "conv1 #5" in both reports.
        name = layer["name"] if layer["name"] not in rows else f"{layer['name']} #{number}"
        rows[name] = _numbers(layer)
    rows[TOTAL] = _numbers(total_row(report))
    return rows


def _numbers(measures: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in flat(dict(measures)).items() if not isinstance(value, str)}


def _one_sided(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    gone = [f"{kind} '{name}' is missing in the new report" for name in old if name not in new]
    return gone + [f"{kind} '{name}' is missing in the old report" for name in new if name not in old]


def _settings(old: Report, new: Report) -> Iterator[str]:
    """Parameters, workload, seed and model that differ."""
    described = [
        flat(
            {
                **report["accelerator"],
                "model": report.get("model", EVENTS),
                "equal": report.get("equal", {}),
                "workload": report["workload"],
                "seed": report.get("seed"),
            }
        )
        # `flat` leaves lists out, and prunings are one.
        | {"workload.prunings": "+".join(report["workload"].get("prunings", []))}
        for report in (old, new)
    ]
    for key in dict.fromkeys([*described[0], *described[1]]):
        before, after = (values.get(key) for values in described)
        if before != after:
            yield f"{key}: {before} -> {after}"
