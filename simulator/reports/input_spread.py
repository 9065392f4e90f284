"""`InputSpread`: how far the figures of a run differ between the inputs of its workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import fmean, pstdev
from typing import Any, Self

from simulator.reports.metrics import flat


@dataclass(frozen=True)
class InputFigures:
    """What is compared of a layer, or of a network's total, on one input.

    dram_bytes          useful bytes read and written
    activation_density  non-zeros / elements of the layer's input; of a total: of all layers' inputs together
    """

    cycles: int
    load_imbalance: float
    dram_bytes: int
    activation_density: float


MEASURES = tuple(field.name for field in fields(InputFigures))


@dataclass(frozen=True)
class Spread:
    """One figure on each of the inputs, in their order."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean; of equal values exactly their value."""
        return self.values[0] if self.min == self.max else fmean(self.values)

    @property
    def min(self) -> float:
        """The least."""
        return min(self.values)

    @property
    def max(self) -> float:
        """The most."""
        return max(self.values)

    @property
    def std(self) -> float:
        """Standard deviation of these inputs themselves, not an estimate for others: their number divides."""
        return 0.0 if self.min == self.max else pstdev(self.values)

    @property
    def worst_input(self) -> int:
        """The input with the most, counted from 0; of several the first."""
        return self.values.index(self.max)

    def to_dict(self) -> dict[str, Any]:
        """As the JSON report says it."""
        summary = {key: getattr(self, key) for key in ("mean", "min", "max", "std", "worst_input")}
        return summary | {"values": list(self.values)}


@dataclass(frozen=True)
class LayerSpread:
    """A layer, or the total, over all inputs: a spread for each of `MEASURES`."""

    name: str
    cycles: Spread
    load_imbalance: Spread
    dram_bytes: Spread
    activation_density: Spread

    @classmethod
    def of(cls, name: str, figures: Sequence[InputFigures]) -> Self:
        """From the figures on each input."""
        return cls(name, *(Spread(tuple(getattr(one, measure) for one in figures)) for measure in MEASURES))

    def to_dict(self) -> dict[str, Any]:
        """As the JSON report says it."""
        return {"name": self.name} | {measure: getattr(self, measure).to_dict() for measure in MEASURES}


@dataclass(frozen=True)
class InputSpread:
    """A network over several inputs, layer by layer and in total."""

    layers: tuple[LayerSpread, ...]
    total: LayerSpread

    @property
    def count(self) -> int:
        """How many inputs."""
        return len(self.total.cycles.values)

    def to_dict(self) -> dict[str, Any]:
        """As the JSON report says it."""
        return {
            "count": self.count,
            "layers": [layer.to_dict() for layer in self.layers],
            "total": self.total.to_dict(),
        }


def spread_columns(inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The columns that flat rows of layers and of the total get, of `InputSpread.to_dict`: `inputs.cycles.mean`, ..."""
    spreads = [{**row, "count": inputs["count"]} for row in (*inputs["layers"], inputs["total"])]
    return [flat({"inputs": {key: value for key, value in row.items() if key != "name"}}) for row in spreads]
