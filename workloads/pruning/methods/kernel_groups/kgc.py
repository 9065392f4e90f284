"""KGC: columns (kernel positions) of kernel groups (Sun et al., IEEE TCAD 2024)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from workloads.pruning.base import density
from workloads.pruning.methods.kernel_groups.base import KernelGroup


@dataclass(frozen=True)
class KernelGroupColumn(KernelGroup):
    """Keeps round(density x 9) of every 9 kernel positions in every group, the same in all its kernels, at least one.

    A 1x1 kernel has one position and stays whole.
    """

    name: ClassVar[str] = "kgc"
    title: ClassVar[str] = "keeps the same kernel positions in all kernels of a group, as many in every group"
    examples: ClassVar[tuple[str, ...]] = ("density=0.33",)
    literature: ClassVar[str] = "C3D and R(2+1)D-18: 2/3 or 1/3 in most layers (Sun et al., IEEE TCAD 2024, Table II)"

    density: float | None = density("the kernel positions", None)

    @property
    def _keys(self) -> tuple[str, ...]:
        return ("density",)

    @property
    def rows_columns(self) -> tuple[float, float]:
        """See `KernelGroup`."""
        return 1.0, self.density or 0.0

    def with_ratios(self, ratios: dict[str, float]) -> Self:
        """See `KernelGroup`."""
        # Operations before over after: a ratio of 3 keeps a third of the positions.
        return replace(self, table="none", density=1 / ratios["kgc"])
