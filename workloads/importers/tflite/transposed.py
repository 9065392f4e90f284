"""TFLite's TRANSPOSE_CONV as ordinary convolutions (`workloads.transposed`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import FoundLayer, transposed_layers
from workloads.importers.tflite.graph import TfliteGraph
from workloads.transposed import Form, Transposed

_SAME = 0  # Padding.SAME


@dataclass(frozen=True)
class TransposedFound:
    """A TRANSPOSE_CONV: its shape, and the tensors of its input, its weights, its output and of what that becomes."""

    whole: Transposed
    source: int
    weights: int
    output: int
    end: int

    @classmethod
    def refusal(cls, graph: TfliteGraph, operator: Any) -> str:
        """Why an operator is left out, or empty."""
        return "" if graph.stored(int(operator.Inputs(1))) >= 0 else "its weights are computed, not constant"

    @classmethod
    def of(cls, graph: TfliteGraph, name: str, operator: Any, end: int) -> Self:
        """From an operator whose outputs become the tensor `end`. Raises `InputError`."""
        options = graph.options(operator, "TransposeConvOptions")
        # It reads its output's shape, weights (K, R, S, C) and the map.
        weights, source = int(operator.Inputs(1)), int(operator.Inputs(2))
        shape, kernel, out = graph.shapes[source], graph.shapes[weights], graph.shapes[int(operator.Outputs(0))]
        if len(shape) != 4 or len(kernel) != 4 or min(shape) < 1 or min(out, default=0) < 1:
            raise InputError(f"{name}: the size of its input or output is not known: {shape}, {out}")
        if kernel[3] != shape[3]:
            raise InputError(f"{name}: weights take {kernel[3]} channels, its input has {shape[3]}")
        stride = (options.StrideH(), options.StrideW())
        reached = [(size - 1) * step + taps for size, step, taps in zip(shape[1:3], stride, kernel[1:3], strict=True)]
        # What is beyond the output is taken off, the odd position behind; with VALID all of it behind.
        totals = [all_of - wanted for all_of, wanted in zip(reached, out[1:3], strict=True)]
        same = options.Padding() == _SAME
        before = [max(total, 0) // 2 if same else 0 for total in totals]
        pads = tuple((front, max(total, 0) - front) for front, total in zip(before, totals, strict=True))
        more = tuple(max(-total, 0) for total in totals)
        whole = Transposed(
            name, shape[3], kernel[0], shape[1:3], kernel[1:3], stride, pads, more, (1, 1), batch=shape[0]
        )
        return cls(whole, source, weights, int(operator.Outputs(0)), end)

    @property
    def tensors(self) -> tuple[int, ...]:
        """What a run must give."""
        return self.source, self.end

    def found(self, graph: TfliteGraph, tensors: dict[int, np.ndarray], form: Form) -> list[FoundLayer]:
        """Its convolutions with what a run gave; no tensors: without a run."""
        whole, held = self.whole, None
        if tensors:
            # Channels last become channels first; several inputs are joined along the batch.
            held = np.moveaxis(graph.real(self.source, tensors[self.source]), -1, 1)
            whole = whole.with_batch(len(held))

        def weights() -> np.ndarray:
            # (K, R, S, C) as (C, K, R, S).
            return graph.constant(self.weights).transpose(3, 0, 1, 2)

        return transposed_layers(whole, form, weights, held, graph.share(self.end, tensors))
