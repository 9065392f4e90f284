"""How machines are brought to one size: what a machine declares of its multipliers and buffers, and what follows.

A machine's `Scaling` names the parameters whose product is its number of multipliers, those of them that grow (by the
paper's own scaling where it has one), and its buffers. `scaled_settings` finds the values that come nearest to a
target from below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Literal

from pydantic import Field, ValidationError

from dataflows.specs import MOST_BYTES, MOST_HZ, MOST_MULTIPLIERS, AcceleratorSpec, Rate, Spec
from workloads.units import KIB

_SKEW = 4.0  # how far two parameters that grow together may leave their default ratio
# Of two logarithms, so that a ratio of exactly _SKEW is near enough.
_ROUNDING = 1e-9
_MOST_PRODUCTS = 1 << 17  # tried one after the other; where nothing is possible, this ends it
_STEPS = 40  # of the search for the least possible buffers

# Of machines with a buffer each for inputs, weights and outputs, as `Scaling.buffers` says it.
THREE_BUFFERS: Mapping[str, str] = dict.fromkeys(
    ("input_buffer_bytes", "weight_buffer_bytes", "output_buffer_bytes"), ""
)


class EqualSize(Spec):
    """The size that machines are brought to; what is None stays as it is."""

    multipliers: int | None = Field(None, ge=1, le=MOST_MULTIPLIERS, description="multipliers of the whole machine")
    clock_ghz: float | None = Field(None, gt=0, le=MOST_HZ / 1e9, description="clock, GHz")
    on_chip_kib: float | None = Field(None, ge=1 / KIB, le=MOST_BYTES / KIB, description="all buffers together, KiB")
    bandwidth_gbs: Rate | None = Field(None, description="peak bandwidth of DRAM, 10^9 bytes a second")
    bits: Literal[4, 8, 16, 32] | None = Field(None, description="bits of a stored weight or activation")

    @property
    def on_chip_bytes(self) -> int | None:
        """Bytes of all buffers together."""
        return None if self.on_chip_kib is None else int(self.on_chip_kib * KIB)

    def shared_settings(self) -> dict[str, Any]:
        """By dotted name, what every machine sets alike."""
        settings = {
            "clock_hz": None if self.clock_ghz is None else max(1, round(self.clock_ghz * 1e9)),
            "dram.bandwidth_gbs": self.bandwidth_gbs,
            "value_bits": self.bits,
        }
        return {key: value for key, value in settings.items() if value is not None}


@dataclass(frozen=True)
class Scaling:
    """What a machine says of its size.

    factors  parameters whose product is the number of multipliers
    growing  the one or two of them that change with the machine's size; two keep their ratio as well as they can
    buffers  parameters that hold bytes, each with the parameter that counts how many there are ("" for one)
    reason   how it grows, or why it cannot
    unsized  why it has no buffers to size, where it has none
    """

    factors: tuple[str, ...] = ()
    growing: tuple[str, ...] = ()
    buffers: Mapping[str, str] = field(default_factory=dict)
    reason: str = "it declares no way to grow"
    unsized: str = "it declares no buffers"

    def multipliers(self, spec: AcceleratorSpec) -> int | None:
        """Multipliers of a machine with these parameters; None where the machine does not say."""
        return math.prod(getattr(spec, key) for key in self.factors) if self.factors else None

    def step(self, spec: AcceleratorSpec) -> int:
        """Multipliers that one more of what grows brings."""
        # A 128 x 128 array of which both sides grow comes in steps of 1; 64 PEs of 16 multipliers come in steps of 16.
        return math.prod(getattr(spec, key) for key in self.factors if key not in self.growing)

    def on_chip_bytes(self, spec: AcceleratorSpec) -> int | None:
        """Bytes of all buffers together; None where the machine has none of a known size.

        Queues, registers and accumulators, which are sized in entries, are part of the datapath and do not count.
        """
        if not self.buffers:
            return None
        # 64 PEs of 2 KiB each are 128 KiB, a buffer that all share counts once.
        return sum(getattr(spec, key) * (getattr(spec, count) if count else 1) for key, count in self.buffers.items())


def scaled_settings(
    scaling: Scaling, spec: AcceleratorSpec, multipliers: int | None, on_chip_bytes: int | None
) -> dict[str, int]:
    """Parameters that bring a machine to a number of multipliers and bytes on chip, or as near as it can.

    Multipliers exceed the target only where the machine cannot have so few. All buffers change by one factor, so that
    they keep their proportions; where the machine cannot work with so few bytes, they are as small as it can have them.
    A size that is None stays.
    """
    grown = {} if multipliers is None else _grown(scaling, spec, multipliers)
    if on_chip_bytes is None or not scaling.buffers:
        return grown
    return grown | _resized(scaling, spec, grown, on_chip_bytes)


def _grown(scaling: Scaling, spec: AcceleratorSpec, multipliers: int) -> dict[str, int]:
    """The growing parameters for the most multipliers within the target, or else for the fewest that are possible."""
    if not scaling.growing:
        return {}
    # Rounded down, so that the target is not exceeded where that can be helped.
    count = multipliers // scaling.step(spec)
    now = math.prod(getattr(spec, key) for key in scaling.growing)
    roomy = {key: _most(spec, key) for key in scaling.buffers}
    # From the target down; where nothing so small is possible, up again to the machine's own size, which is.
    for product in islice(chain(range(count, 0, -1), range(max(1, count + 1), now + 1)), _MOST_PRODUCTS):
        for values in _shapes(spec, scaling.growing, product):
            # Buffers may be too small for it as they are, and are sized next.
            if _is_possible(spec, values | roomy):
                return values
    return {}


def _most(spec: AcceleratorSpec, key: str) -> int:
    """The largest size that a buffer may be set to."""
    return min(getattr(one, "le", MOST_BYTES) for one in (*type(spec).model_fields[key].metadata, None))


def _shapes(spec: AcceleratorSpec, growing: tuple[str, ...], product: int) -> list[dict[str, int]]:
    """Values of one or two parameters with that product, the nearest to their ratio first."""
    if len(growing) == 1:
        return [{growing[0]: product}]
    first, second = growing
    ratio = getattr(spec, first) / getattr(spec, second)
    # 12 comes as 12 x 1, 6 x 2 and 4 x 3, either way round. Logarithms make twice too wide as far off as twice too
    # tall.
    sides = [side for side in range(1, math.isqrt(product) + 1) if product % side == 0]
    pairs = [pair for side in sides for pair in ((product // side, side), (side, product // side))]
    skews = {pair: abs(math.log(pair[0] / pair[1] / ratio)) for pair in pairs}
    near = [pair for pair in pairs if skews[pair] <= math.log(_SKEW) + _ROUNDING]
    return [{first: pair[0], second: pair[1]} for pair in sorted(near, key=lambda pair: skews[pair])]


def _resized(scaling: Scaling, spec: AcceleratorSpec, grown: dict[str, int], on_chip_bytes: int) -> dict[str, int]:
    """All buffers by one factor, the largest that keeps their sum within the target, or the least that is possible."""
    counted = spec.model_copy(update=grown)  # counts buffers only; what is made of it is checked by its user
    factor = on_chip_bytes / (scaling.on_chip_bytes(counted) or 1)

    def sizes(factor: float) -> dict[str, int]:
        # Rounded down, so that the sum stays within the target.
        return {key: max(1, int(getattr(spec, key) * factor)) for key in scaling.buffers}

    if _is_possible(spec, grown | sizes(factor)):
        return sizes(factor)
    low, high = factor, factor
    while not _is_possible(spec, grown | sizes(high)):
        high *= 2
        # Buffers are not what is in the way then.
        if high > 2.0**_STEPS * factor:
            return {}
    # Between a factor that is too small and one that works: 40 halvings leave less than a byte
    # of any buffer between them.
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _is_possible(spec, grown | sizes(middle)) else (middle, high)
    return sizes(high)


def _is_possible(spec: AcceleratorSpec, settings: dict[str, Any]) -> bool:
    try:
        type(spec).model_validate(spec.model_dump() | settings)
    except ValidationError:
        return False
    return True
