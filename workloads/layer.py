"""`Layer`: one convolution or fully connected layer, as a value that cannot be wrong.

Letters (as in the whole project): N batch, G groups, C input channels, K output channels; input map [D,] H, W; kernel
[T,] R, S; output map [O,] P, Q. Spatial tuples are ordered (depth first in 3-D), rows before columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from workloads.errors import InputError
from workloads.names import require_name

Axes = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


_LARGEST = (1 << 31) - 1  # of any size; a product of two still fits a machine word
_MOST_PADDING = 1 << 16
_FOLDED = ("groups", "in_channels", "out_channels")  # what grows with the images of a product of two activations


def _whole(layer: str, field: str, value: object, minimum: int) -> None:
    # A bool is an int in Python; True would pass as a size of 1.
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise InputError(f"layer '{layer}': {field} = {value!r:.60}, must be a whole number of at least {minimum}")
    if value > _LARGEST:
        # Past 308 digits there is no float to shorten it by.
        written = f"= {value:.6g}" if value.bit_length() < 1000 else f"has about {value.bit_length() * 3 // 10} digits"
        raise InputError(f"layer '{layer}': {field} {written}, must be at most {_LARGEST}")


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution over 2 or 3 spatial axes, or a fully connected layer (a 1x1 convolution of a 1x1 map).

    Every field is checked when the value is made; `InputError` names the layer, the field and what is allowed.
    `padding` holds (before, after) for each axis, so that asymmetric padding is an ordinary case.
    The output size is floored, as in PyTorch.

    moving_images  0: the weights are constants. Else the layer is a product of two activations (attention's) of so many
                   images: other layers make its weights, and each image has its own. Heads are groups then, and
                   `groups` counts those of all images, while `batch` is 1. See `product`.
    """

    name: str
    in_channels: int
    out_channels: int
    input_size: Axes
    kernel_size: Axes
    stride: Axes
    padding: Pads
    dilation: Axes
    groups: int = 1
    batch: int = 1
    fully_connected: bool = False
    moving_images: int = 0

    def __post_init__(self) -> None:
        require_name("layer", self.name)
        for field in ("in_channels", "out_channels", "groups", "batch"):
            _whole(self.name, field, getattr(self, field), 1)
        _whole(self.name, "moving_images", self.moving_images, 0)
        # The input decides whether there are 2 or 3 axes; all other tuples must agree.
        axes = len(self.input_size)
        if axes not in (2, 3):
            raise InputError(f"layer '{self.name}': input_size = {self.input_size}, must have 2 or 3 axes")
        for field in ("input_size", "kernel_size", "stride", "dilation"):
            self._check_axes(field, getattr(self, field), axes, 1)
        if len(self.padding) != axes:
            raise InputError(f"layer '{self.name}': padding = {self.padding}, must have {axes} (before, after) pairs")
        for pair in self.padding:
            self._check_axes("padding", pair, 2, 0)
            if max(pair) > _MOST_PADDING:
                raise InputError(f"layer '{self.name}': padding = {max(pair)}, must be at most {_MOST_PADDING}")
        self._check_fit()

    def _check_fit(self) -> None:
        """The fields against one another, once each is right by itself."""
        # Every group reads as many channels as any other, and writes as many.
        for field in ("in_channels", "out_channels"):
            if getattr(self, field) % self.groups:
                raise InputError(
                    f"layer '{self.name}': groups = {self.groups} does not divide {field} = {getattr(self, field)}"
                )
        for size, span, pad in zip(self.input_size, self.kernel_span, self.padding, strict=True):
            # Such a kernel fits nowhere: the output would have no positions, or fewer than none.
            # 3 taps fit a map of 2 positions with a zero at either end; without padding they do not.
            if span > size + sum(pad):
                raise InputError(
                    f"layer '{self.name}': kernel spans {span} but the padded input only {size + sum(pad)}"
                )
        if self.fully_connected and (max(self.input_size) > 1 or max(self.kernel_size) > 1 or self.axes != 2):
            raise InputError(f"layer '{self.name}': a fully connected layer has a 1x1 map and a 1x1 kernel")
        if self.moving_images:
            self._check_moving()

    def _check_moving(self) -> None:
        ones = {*self.kernel_size, *self.stride, *self.dilation, self.batch}
        if ones != {1} or any(map(any, self.padding)) or self.fully_connected:
            raise InputError(
                f"layer '{self.name}': a product of two activations (moving weights) has a 1x1 kernel, stride and "
                "dilation 1, no padding, and its images among the groups"
            )
        if self.groups % self.moving_images:
            raise InputError(
                f"layer '{self.name}': moving_images = {self.moving_images} does not divide groups = {self.groups}"
            )

    def _check_axes(self, field: str, values: Axes, axes: int, minimum: int) -> None:
        if not isinstance(values, tuple) or len(values) != axes:  # pyright: ignore[reportUnnecessaryIsInstance] (users' own)
            raise InputError(f"layer '{self.name}': {field} = {values!r}, must have {axes} values")
        for value in values:
            _whole(self.name, field, value, minimum)

    @classmethod
    def conv(
        cls,
        name: str,
        *,
        in_channels: int,
        out_channels: int,
        input_size: Axes,
        kernel_size: int | Axes,
        stride: int | Axes = 1,
        padding: int | Axes | Pads = 0,
        dilation: int | Axes = 1,
        groups: int = 1,
        batch: int = 1,
    ) -> Self:
        """A convolution; a single number stands for every axis, and padding may be given as (before, after) pairs."""
        axes = len(input_size)

        def spread(value: int | Axes) -> Axes:
            return (value,) * axes if isinstance(value, int) else tuple(value)

        # Padding comes as one number, as one a axis, or as (before, after) pairs; it becomes pairs in any case.
        per_axis = spread(padding) if isinstance(padding, int) else tuple(padding)
        pads = tuple((pad, pad) if isinstance(pad, int) else tuple(pad) for pad in per_axis)
        return cls(
            name=name,
            in_channels=in_channels,
            out_channels=out_channels,
            input_size=tuple(input_size),
            kernel_size=spread(kernel_size),
            stride=spread(stride),
            padding=pads,  # type: ignore[arg-type]
            dilation=spread(dilation),
            groups=groups,
            batch=batch,
        )

    @classmethod
    def dense(cls, name: str, *, in_features: int, out_features: int, batch: int = 1) -> Self:
        """A fully connected layer."""
        return replace(
            cls.conv(
                name,
                in_channels=in_features,
                out_channels=out_features,
                input_size=(1, 1),
                kernel_size=1,
                batch=batch,
            ),
            fully_connected=True,
        )

    @classmethod
    def product(cls, name: str, *, heads: int, rows: int, depth: int, columns: int, batch: int = 1) -> Self:
        """A batched product of two activations: for each head of each image (rows x depth) by (depth x columns).

        Attention's Q·K^T and P·V. It is a 1x1 convolution whose groups are the heads: inputs (1, heads·depth, 1, rows),
        weights (heads·columns, depth, 1, 1), outputs (1, heads·columns, 1, rows).
        """
        # Three heads of 64 features over 197 tokens: scores have 192 channels in and 3 x 197 out at 197 positions.
        one = cls.conv(
            name,
            in_channels=heads * depth,
            out_channels=heads * columns,
            input_size=(1, rows),
            kernel_size=1,
            groups=heads,
        )
        return replace(one, moving_images=1).with_batch(batch)

    @property
    def moving_weights(self) -> bool:
        """Whether its weights are activations, too, made by other layers of the same run."""
        return self.moving_images > 0

    @property
    def images(self) -> int:
        """The images of its batch; those of a product of two activations are among its groups."""
        return self.moving_images or self.batch

    @property
    def axes(self) -> int:
        """Spatial axes: 2, or 3 for video and volumes."""
        return len(self.input_size)

    @property
    def kernel_span(self) -> Axes:
        """Input positions from a kernel's first to its last weight, per axis, dilation included."""
        # 3 taps of dilation 2 stand at 0, 2 and 4 and span 5 positions.
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))

    @property
    def output_size(self) -> Axes:
        """Output positions per axis ([O,] P, Q), floored."""
        # Kernel 3, stride 2, no padding: 7 rows give (7 - 3) // 2 + 1 = 3 outputs, and 8 rows as many. The last row is
        # never read.
        return tuple(
            (size + sum(pad) - span) // stride + 1
            for size, pad, span, stride in zip(
                self.input_size, self.padding, self.kernel_span, self.stride, strict=True
            )
        )

    @property
    def group_in_channels(self) -> int:
        """Input channels of one group (C/G)."""
        return self.in_channels // self.groups

    @property
    def group_out_channels(self) -> int:
        """Output channels of one group (K/G)."""
        return self.out_channels // self.groups

    @property
    def weight_shape(self) -> Axes:
        """(K, C/G, [T,] R, S)."""
        return (self.out_channels, self.group_in_channels, *self.kernel_size)

    @property
    def input_shape(self) -> Axes:
        """(N, C, [D,] H, W)."""
        return (self.batch, self.in_channels, *self.input_size)

    @property
    def output_shape(self) -> Axes:
        """(N, K, [O,] P, Q)."""
        return (self.batch, self.out_channels, *self.output_size)

    @property
    def weight_count(self) -> int:
        """Weights of the layer, zeros included."""
        return math.prod(self.weight_shape)

    @property
    def input_count(self) -> int:
        """Input activations of the whole batch, zeros included, padding not."""
        return math.prod(self.input_shape)

    @property
    def output_count(self) -> int:
        """Output activations of the whole batch."""
        return math.prod(self.output_shape)

    @property
    def dense_macs(self) -> int:
        """N·K·(C/G)·[T·]R·S·[O·]P·Q; padding positions count."""
        # Every output is a sum over the C/G channels of its group and all kernel positions.
        # VGG-16's first layer: 64 x 224 x 224 outputs of 3 x 3 x 3 products, 86,704,128.
        return self.output_count * math.prod(self.weight_shape[1:])

    def with_batch(self, batch: int) -> Self:
        """The same layer for another batch size."""
        if not self.moving_weights:
            return replace(self, batch=batch)
        # Images do not share weights, so that each has groups of its own: two images of three heads are six groups.
        _whole(self.name, "batch", batch, 1)
        sizes = {key: getattr(self, key) // self.moving_images * batch for key in _FOLDED}
        return replace(self, **sizes, moving_images=batch)
