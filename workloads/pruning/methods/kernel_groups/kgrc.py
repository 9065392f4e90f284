"""KGRC: rows and columns of kernel groups together (Sun et al., IEEE TCAD 2024)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from workloads.pruning.base import density
from workloads.pruning.methods.kernel_groups.base import KernelGroup


@dataclass(frozen=True)
class KernelGroupRowColumn(KernelGroup):
    """Keeps round(rows x group) filters and, in them, round(columns x 9) of every 9 kernel positions of every group.

    The density is rows x columns. At least one of each stays.
    """

    name: ClassVar[str] = "kgrc"
    title: ClassVar[str] = "keeps filters and kernel positions of groups of kernels, as many in every group"
    examples: ClassVar[tuple[str, ...]] = ("rows=0.5,columns=0.33",)
    literature: ClassVar[str] = "C3D and R(2+1)D-18: 1/3 or 1/6 in most layers (Sun et al., IEEE TCAD 2024, Table II)"

    rows: float | None = density("a group's filters", None)
    columns: float | None = density("the kernel positions", None)

    @property
    def _keys(self) -> tuple[str, ...]:
        return ("rows", "columns")

    @property
    def rows_columns(self) -> tuple[float, float]:
        """See `KernelGroup`."""
        return self.rows or 0.0, self.columns or 0.0

    def with_ratios(self, ratios: dict[str, float]) -> Self:
        """See `KernelGroup`; the rows' part is KGR's ratio, as the published products show."""
        # kgr = 2 and kgrc = 6: half of the rows, and 2/6 of the columns, which together are a sixth.
        return replace(self, table="none", rows=1 / ratios["kgr"], columns=ratios["kgr"] / ratios["kgrc"])
