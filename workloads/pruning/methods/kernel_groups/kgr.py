"""KGR: rows (filters) of kernel groups (Sun et al., IEEE TCAD 2024)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from workloads.layer import Layer
from workloads.pruning.base import density
from workloads.pruning.methods.kernel_groups.base import KernelGroup


@dataclass(frozen=True)
class KernelGroupRow(KernelGroup):
    """Keeps round(density x group) filters in every group of `group` filters x `group` channels, at least one."""

    name: ClassVar[str] = "kgr"
    title: ClassVar[str] = "keeps the same number of filters in every group of kernels"
    examples: ClassVar[tuple[str, ...]] = ("density=0.5",)
    literature: ClassVar[str] = "C3D and R(2+1)D-18: 1/2 in most layers (Sun et al., IEEE TCAD 2024, Table II)"

    density: float | None = density("a group's filters", None)

    @property
    def _keys(self) -> tuple[str, ...]:
        return ("density",)

    @property
    def rows_columns(self) -> tuple[float, float]:
        """See `KernelGroup`."""
        return self.density or 0.0, 1.0

    def with_ratios(self, ratios: dict[str, float]) -> Self:
        """See `KernelGroup`."""
        # Operations before over after: a ratio of 2 keeps every other filter of a group.
        return replace(self, table="none", density=1 / ratios["kgr"])

    def storage_format(self, layer: Layer) -> str:
        """An enable bit for each row of a group."""
        return f"block:filters=1,channels={self.group}" if layer.groups == 1 else "bitmap"
