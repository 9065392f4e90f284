"""`Operator`: an operator between layers as files write it, and the map that it makes of its inputs' maps.

Shapes that follow from inputs are computed, never written twice. Maps are (C, [D,] H, W), or (features,).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from workloads.errors import InputError, nearest
from workloads.graph import KINDS, Kind, Map

OPERATORS = tuple(kind for kind in KINDS if kind != "layer")
_SINGLE = frozenset({"pool", "upsample", "activation", "normalise", "reshape"})  # kinds that read one map
_SHAPED = frozenset({"input", "pool", "upsample", "reshape", "other"})  # kinds whose shape may be told
_WINDOW = ("kernel_size", "stride", "padding", "ceil")


@dataclass(frozen=True)
class Operator:
    """What a file says of an operator; a single number stands for every axis.

    kernel_size  of a pool's windows; None: one window over the whole map
    stride       of a pool's windows; None: as its kernel
    padding      of a pool, at either end of an axis
    ceil         whether a pool has a last window that reaches beyond the map; it begins inside the map or before it
    scale        by how much an upsampled map is larger, each axis
    shape        the output, where it does not follow from the inputs
    """

    name: str
    kind: Kind
    kernel_size: Map | int | None = None
    stride: Map | int | None = None
    padding: Map | int = 0
    ceil: bool = False
    scale: Map | int | None = None
    shape: Map | None = None

    def __post_init__(self) -> None:
        if self.kind not in OPERATORS:
            raise self._fault(f"kind = {self.kind!r:.60}: {nearest(str(self.kind), OPERATORS)}")
        allowed = {
            **dict.fromkeys(_WINDOW, self.kind == "pool"),
            "scale": self.kind == "upsample",
            "shape": self.kind in _SHAPED,
        }
        for field in fields(self):
            # An option without an effect would be passed over without a word.
            if not allowed.get(field.name, True) and getattr(self, field.name) != field.default:
                keys = sorted(key for key, may in allowed.items() if may)
                known = nearest(field.name, keys) if keys else "it has no options"
                raise self._fault(f"{self.kind} takes no '{field.name}': {known}")
        if self.kind == "pool" and self.kernel_size is None and (self.stride is not None or self.padding or self.ceil):
            raise self._fault("key 'kernel_size' is missing: stride, padding and ceil speak of windows")
        if self.shape is not None and not (self.kernel_size is None and self.scale is None):
            raise self._fault("shape excludes kernel_size and scale, from which it follows")

    def output(self, inputs: Sequence[Map]) -> Map:
        """The output's shape. Raises `InputError` naming the operator when inputs do not fit it."""
        if self.kind in _SINGLE and len(inputs) != 1:
            raise self._fault(f"{self.kind} reads {len(inputs)} maps, must be 1")
        if self.shape is not None:
            return self.shape
        rules = {
            "pool": self._pooled,
            "add": self._summed,
            "concat": self._joined,
            "upsample": self._enlarged,
            "activation": self._same,
            "normalise": self._same,
            "reshape": self._flattened,
        }
        if self.kind not in rules:
            raise self._fault(f"key 'shape' is missing: that of {self.kind} does not follow from what it reads")
        return rules[self.kind](inputs)

    def _pooled(self, inputs: Sequence[Map]) -> Map:
        channels, *sizes = inputs[0]
        if self.kernel_size is None:
            return (channels, *(1 for _ in sizes))
        kernel = self._spread("kernel_size", self.kernel_size, len(sizes))
        stride = kernel if self.stride is None else self._spread("stride", self.stride, len(sizes))
        padding = self._spread("padding", self.padding, len(sizes))
        return (channels, *map(self._windows, sizes, kernel, stride, padding))

    def _windows(self, size: int, kernel: int, stride: int, pad: int) -> int:
        """How many windows stand on an axis."""
        if kernel > size + 2 * pad:
            raise self._fault(f"kernel_size = {kernel} but the padded input has only {size + 2 * pad}")
        rest = size + 2 * pad - kernel
        # 3 positions, 2 apart, in a map of 54: 51 are left of the first window; floored 26 windows stand there,
        # rounded up 27.
        count = (math.ceil(rest / stride) if self.ceil else rest // stride) + 1
        # A window that would begin in the padding behind the map holds nothing of it.
        return count - 1 if (count - 1) * stride >= size + pad else count

    def _summed(self, inputs: Sequence[Map]) -> Map:
        largest = max(inputs, key=math.prod)
        # (C, 1, 1) scales every position of (C, H, W).
        fits = all(
            len(shape) == len(largest)
            and all(size in (1, most) for size, most in zip(shape, largest, strict=True))
            for shape in inputs
        )  # fmt: skip
        if not fits:
            raise self._fault(f"cannot add {_listed(inputs)}")
        return largest

    def _joined(self, inputs: Sequence[Map]) -> Map:
        if len({shape[1:] for shape in inputs}) != 1:
            raise self._fault(f"cannot join {_listed(inputs)}: only channels may differ")
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])

    def _enlarged(self, inputs: Sequence[Map]) -> Map:
        if self.scale is None:
            raise self._fault("key 'scale' or 'shape' is missing")
        channels, *sizes = inputs[0]
        scales = self._spread("scale", self.scale, len(sizes))
        return (channels, *(size * scale for size, scale in zip(sizes, scales, strict=True)))

    def _same(self, inputs: Sequence[Map]) -> Map:
        return inputs[0]

    def _flattened(self, inputs: Sequence[Map]) -> Map:
        return (math.prod(inputs[0]),)

    def _spread(self, key: str, value: Map | int, axes: int) -> Map:
        if isinstance(value, int):
            return (value,) * axes
        if len(value) != axes:
            raise self._fault(f"{key} = {written(value)}, but the map that it reads has {axes} axes")
        return value

    def _fault(self, text: str) -> InputError:
        return InputError(f"node '{self.name}': {text}")


def written(shape: Sequence[int]) -> str:
    """A shape as tables write it: 64x56x56."""
    return "x".join(map(str, shape))


def _listed(shapes: Sequence[Map]) -> str:
    return " and ".join(map(written, shapes))
