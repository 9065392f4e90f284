"""A baseline that all machines of a comparison have in common: one machine's run of the same layers.

Every machine has a dense baseline of its own, so that speedups of two machines are over different times. The common one
is a report of any machine on any zeros, of this comparison or stored by another run; speedups over it are ratios of
times, since clocks differ. In a JSON report it stands under `baseline`, with `speedup_over_baseline` in each layer, in
the total and in the network's run; rows have both as columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.reports.metrics import BASELINE, OVER_BASELINE
from workloads.errors import InputError


@dataclass(frozen=True, eq=False)
class CommonBaseline:
    """A report that others are compared with.

    label   what tables and figures call it: the machine, and the file where it comes from one
    report  its JSON report
    """

    label: str
    report: Mapping[str, Any]

    def over(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """The report with its speedups over this one. Raises `InputError` where the layers are not the same."""
        own, other = report["layers"], self.report["layers"]
        self._require_same(report["accelerator"]["name"], own, other)
        network, beside = report.get("network"), self.report.get("network")
        named = {
            "name": self.label,
            "accelerator": self.report["accelerator"]["name"],
            "workload": self.report["workload"]["name"],
            "seed": self.report.get("seed"),
            "digest": self.report.get("digest"),
        }
        return {
            **report,
            BASELINE: named,
            "layers": [_over(row, base) for row, base in zip(own, other, strict=True)],
            "total": _over(report["total"], self.report["total"]),
            **({"network": _over(network, beside) if network and beside else network} if "network" in report else {}),
        }

    def differences(self, report: Mapping[str, Any]) -> str:
        """What the baseline's run had otherwise than a report of the same layers, as a sentence; empty: nothing."""
        apart = []
        for key, name in (("weight_density", "weights"), ("activation_density", "activations")):
            if any(a[key] != b[key] for a, b in zip(report["layers"], self.report["layers"], strict=True)):
                apart.append(f"densities of {name}")
        apart += ["seed"] if report.get("seed") != self.report.get("seed") else []
        return f"baseline '{self.label}' ran with other {', '.join(apart)}" if apart else ""

    def _require_same(self, machine: str, own: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> None:
        if len(own) != len(other):
            raise InputError(f"--baseline: '{self.label}' has {len(other)} layers, '{machine}' has {len(own)}")
        for mine, base in zip(own, other, strict=True):
            # Layers of one name and as many products are taken to be one layer, however many of them are zero.
            if (mine["name"], mine["dense_macs"]) != (base["name"], base["dense_macs"]):
                raise InputError(
                    f"--baseline: layer '{mine['name']}' of {mine['dense_macs']:,} products on '{machine}' is "
                    f"'{base['name']}' of {base['dense_macs']:,} on '{self.label}': not the same layers"
                )


def _over(row: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, OVER_BASELINE: base["time_us"] / row["time_us"] if row["time_us"] else None}
