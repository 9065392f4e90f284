"""Transposed convolutions as the ordinary convolutions that compute them.

A transposed convolution adds each input, times the kernel, to its outputs: in a row, output o gets input i by tap t
where o + before = stride · i + dilation · t. Two forms:

    stretched   one convolution of stride 1 with the turned kernel, over the map with stride - 1 zeros between values.
                These are zeros of the activations: a machine that skips those loses nothing
    phases      outputs that lie stride apart meet the same taps: one smaller convolution for each place modulo the
                stride (stride² of them on a plane), each with its part of the kernel, over the map as it is

Example: a row of stride 2 and 3 taps. Even outputs o meet the taps 0 and 2, odd ones tap 1; the stretched row a 0 b 0 c
meets all three of them. Both forms make the products of two non-zeros that the transposed convolution makes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from workloads.errors import InputError
from workloads.layer import Axes, Layer, Pads
from workloads.whole_numbers import ceil_div

Form = Literal["stretched", "phases"]
FORMS: tuple[Form, ...] = ("stretched", "phases")


class _AxisPart(NamedTuple):
    """A convolution along one axis: its taps in order, the inputs that it reads, and its numbers."""

    taps: tuple[int, ...]
    inputs: tuple[int, int]  # first, end; of the stretched axis or of the axis itself
    padding: tuple[int, int]
    dilation: int
    label: int


@dataclass(frozen=True)
class Transposed:
    """A transposed convolution: weights (C, K/G, [T,] R, S), as ONNX and PyTorch keep them.

    padding         (before, after) of each axis, taken off the output
    output_padding  outputs that each axis has behind these
    """

    name: str
    in_channels: int
    out_channels: int
    input_size: Axes
    kernel_size: Axes
    stride: Axes
    padding: Pads
    output_padding: Axes
    dilation: Axes
    groups: int = 1
    batch: int = 1

    def __post_init__(self) -> None:
        for padding, stride, dilation in zip(self.output_padding, self.stride, self.dilation, strict=True):
            # Beyond them an output would meet nothing: PyTorch and ONNX allow no more.
            if not 0 <= padding < max(stride, dilation):
                raise InputError(
                    f"layer '{self.name}': output_padding = {padding}, must be at least 0 and smaller than the stride "
                    "or the dilation"
                )
        if min(self.output_size) < 1:
            raise InputError(f"layer '{self.name}': padding = {self.padding} leaves no output")

    @property
    def output_size(self) -> Axes:
        """Output positions per axis."""
        # 4 inputs at stride 2 with 3 taps reach 3 * 2 + 3 = 9 outputs; a padding of 1 and 1 leaves 7.
        return tuple(
            (size - 1) * stride + dilation * (taps - 1) + 1 - sum(pair) + more
            for size, stride, dilation, taps, pair, more in zip(
                self.input_size,
                self.stride,
                self.dilation,
                self.kernel_size,
                self.padding,
                self.output_padding,
                strict=True,
            )
        )

    def with_batch(self, batch: int) -> Transposed:
        """The same for another batch size."""
        return replace(self, batch=batch)

    def parts(self, form: Form) -> tuple[TransposedPart, ...]:
        """The convolutions that make its outputs. Raises `InputError` for a layer that cannot be."""
        axes = range(len(self.input_size))
        along = [[self._stretched(axis)] if form == "stretched" else list(self._phases(axis)) for axis in axes]
        parts = [TransposedPart(self, form, chosen) for chosen in itertools.product(*along)]
        if not parts:
            raise InputError(f"layer '{self.name}': none of its outputs meets an input")
        return tuple(parts)

    def _stretched(self, axis: int) -> _AxisPart:
        size, stride, dilation = self.input_size[axis], self.stride[axis], self.dilation[axis]
        taps, (before, after) = self.kernel_size[axis], self.padding[axis]
        # The whole kernel lies on either end; what the padding takes off beyond that are inputs themselves.
        front, back = dilation * (taps - 1) - before, dilation * (taps - 1) - after + self.output_padding[axis]
        end = (size - 1) * stride + 1
        inputs = max(-front, 0), end - max(-back, 0)
        return _AxisPart(tuple(range(taps))[::-1], inputs, (max(front, 0), max(back, 0)), dilation, 0)

    def _phases(self, axis: int) -> Iterator[_AxisPart]:
        size, stride, dilation = self.input_size[axis], self.stride[axis], self.dilation[axis]
        before, outputs = self.padding[axis][0], self.output_size[axis]
        step = math.gcd(stride, dilation)
        for phase in range(stride):
            taps = [tap for tap in range(self.kernel_size[axis]) if (dilation * tap - phase) % stride == 0]
            # Outputs of this phase: stride · j + phase - before, of which 0 to `outputs` are there.
            first, last = ceil_div(before - phase, stride), (before + outputs - 1 - phase) // stride
            if not taps or last < first:
                continue
            # Output j meets the input j + (phase - dilation · tap) / stride: the last tap the first of them.
            low = first + (phase - dilation * taps[-1]) // stride
            high = last + (phase - dilation * taps[0]) // stride
            inputs = max(low, 0), min(high + 1, size)
            # A phase whose outputs lie beyond the map meets padding alone.
            if inputs[0] < inputs[1]:
                padding = max(-low, 0), max(high + 1 - size, 0)
                yield _AxisPart(tuple(taps[::-1]), inputs, padding, dilation // step, phase)


@dataclass(frozen=True)
class TransposedPart:
    """One convolution of a transposed one, and how its tensors are made from those."""

    whole: Transposed
    form: Form
    axes: tuple[_AxisPart, ...]

    @property
    def layer(self) -> Layer:
        """The convolution; a phase has its place modulo the strides in its name."""
        whole = self.whole
        place = "_".join(str(axis.label) for axis in self.axes)
        return Layer(
            name=whole.name if self.form == "stretched" else f"{whole.name}.phase{place}",
            in_channels=whole.in_channels,
            out_channels=whole.out_channels,
            input_size=tuple(end - first for first, end in (axis.inputs for axis in self.axes)),
            kernel_size=tuple(len(axis.taps) for axis in self.axes),
            stride=(1,) * len(self.axes),
            padding=tuple(axis.padding for axis in self.axes),
            dilation=tuple(axis.dilation for axis in self.axes),
            groups=whole.groups,
            batch=whole.batch,
        )

    def weights(self, values: np.ndarray) -> np.ndarray:
        """From the weights (C, K/G, [T,] R, S): (K, C/G, ...) with this part's taps, the last first."""
        return self.taps(filters_first(values, self.whole.groups))

    def taps(self, values: np.ndarray) -> np.ndarray:
        """From weights that have filters first already."""
        for axis, part in enumerate(self.axes, 2):
            values = values.take(part.taps, axis)
        return np.ascontiguousarray(values)

    def activations(self, values: np.ndarray) -> np.ndarray:
        """From the map (N, C, [D,] H, W): what this part reads, zeros inserted where it is stretched."""
        if self.form == "stretched":
            sizes = [(size - 1) * step + 1 for size, step in zip(values.shape[2:], self.whole.stride, strict=True)]
            stretched = np.zeros((*values.shape[:2], *sizes), values.dtype)
            stretched[(..., *(slice(None, None, step) for step in self.whole.stride))] = values
            values = stretched
        return np.ascontiguousarray(values[(..., *(slice(*axis.inputs) for axis in self.axes))])


def filters_first(values: np.ndarray, groups: int) -> np.ndarray:
    """Weights (C, K/G, ...) of a transposed convolution as (K, C/G, ...)."""
    channels, filters, *kernel = values.shape
    apart = values.reshape(groups, channels // groups, filters, *kernel).swapaxes(1, 2)
    return apart.reshape(groups * filters, channels // groups, *kernel)
