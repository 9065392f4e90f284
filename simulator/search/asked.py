"""What a sampler is: it is asked for designs, and told what came of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.search.space import Design


@dataclass(frozen=True)
class Told:
    """What came of a design: its objectives, None where it is impossible, and how far each limit is exceeded."""

    design: Design
    objectives: tuple[float, ...] | None
    excesses: tuple[float, ...] = ()


class Asked(ABC):
    """A sampler of a space."""

    @abstractmethod
    def ask(self, count: int) -> list[Design]:
        """So many designs, fewer where there are no more; the same one may come again."""

    @abstractmethod
    def tell(self, told: Sequence[Told]) -> None:
        """What came of the designs that were asked for last, in their order."""
