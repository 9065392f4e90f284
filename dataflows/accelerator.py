"""`Accelerator`: what every machine is to the rest of the project.

A machine is one file or folder in `machines`: a spec (pydantic, frozen, strict, unknown keys refused; the source of a
default stands in its field's description) and a subclass of `Accelerator[ThatSpec]`. Defining it registers it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cached_property
from math import isinf
from typing import Any, ClassVar, Generic, cast

import numpy as np
from typing_extensions import TypeVar

from dataflows.expected import ExpectedWork
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.schedule import LayerSchedule
from dataflows.sizing import EqualSize, Scaling, scaled_settings
from dataflows.specs import MOST_MULTIPLIERS, AcceleratorSpec
from workloads.errors import InputError, UnsupportedLayerError
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div

Spec_co = TypeVar("Spec_co", bound=AcceleratorSpec, covariant=True, default=AcceleratorSpec)


class Accelerator(ABC, Generic[Spec_co]):
    """A machine with fixed parameters, its `spec`: it turns the trace of a layer into a schedule.

    Class attributes of a machine: `name` (in commands), `display` (in pictures, as its paper writes it; empty: as
    `name`, below which it stands as a literal), `title` (one line for lists), `Spec` (its pydantic class),
    `baseline_name` (the dense machine its paper compares with; None when the machine is its own), `skips_zeros` (False
    for a dense machine, whose cycles do not depend on where zeros are), `pointwise_only` (True for a machine that
    multiplies matrices by vectors: fully connected layers and 1x1 kernels, nothing else), `needs_constant_weights` (of
    a machine whose weights have to be prepared before the run: why it cannot multiply two activations, as a sentence), `path` (of a machine that is described in a file: by which it is found in place of its name),
    `scaling` (which parameters are its multipliers and buffers, and which of them grow) and `analytical_keys` (the
    settings that `expected_work` depends on, where the machine has an analytical model).
    """

    name: ClassVar[str]
    display: ClassVar[str] = ""
    title: ClassVar[str]
    Spec: ClassVar[type[AcceleratorSpec]]
    baseline_name: ClassVar[str | None] = None
    skips_zeros: ClassVar[bool] = True
    pointwise_only: ClassVar[bool] = False
    needs_constant_weights: ClassVar[str | None] = None
    path: ClassVar[str] = ""
    scaling: ClassVar[Scaling] = Scaling()
    analytical_keys: ClassVar[tuple[str, ...]] = ()
    registry: ClassVar[dict[str, type[Accelerator]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A subclass without a name of its own, such as a test's, is not another machine.
        if "name" in cls.__dict__:
            # A module that is loaded again defines its machine again; two modules that claim one name are a fault.
            if Accelerator.registry.get(cls.name, cls).__module__ != cls.__module__:
                raise TypeError(f"two machines are called '{cls.name}'")
            Accelerator.registry[cls.name] = cls

    def __init__(self, spec: Spec_co | None = None, equal_size: EqualSize | None = None) -> None:
        """`equal_size` is the size that the settings were found for, which its dense baseline is brought to as well.

        Raises `InputError` for more multipliers than can be counted.
        """
        self.spec = cast("Spec_co", self.Spec.model_validate({})) if spec is None else spec
        self.equal_size = equal_size
        # Each factor has a bound of its own, and their product another.
        multipliers = self.multipliers
        if multipliers is not None and multipliers > MOST_MULTIPLIERS:
            factors = " x ".join(f"{key} = {getattr(self.spec, key)}" for key in self.scaling.factors)
            raise InputError(f"{self.name}: {factors}: {multipliers:.3g} multipliers, at most {MOST_MULTIPLIERS}")

    def __repr__(self) -> str:
        multipliers, held, bandwidth = self.multipliers, self.on_chip_bytes, self.spec.dram.bandwidth_gbs
        size = (
            "multipliers without number" if multipliers is None else f"{multipliers:,} multipliers",
            f"{self.spec.clock_hz / 1e9:g} GHz",
            *(() if held is None else (f"{held / 1024:,.0f} KiB on the chip",)),
            "DRAM without limit" if isinf(bandwidth) else f"DRAM of {bandwidth:g} GB/s",
        )
        changed = [f"{key} = {value}" for key, value in self.spec.model_dump(exclude_defaults=True).items()]
        lines = (
            f"{type(self).__name__} '{self.name}': {self.title}",
            f"  {', '.join(size)}",
            f"  {', '.join(changed) or 'all settings as by default'}",
        )
        return "\n".join(lines)

    @abstractmethod
    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """The layer's work in tiles. Raises `UnsupportedLayerError` when `refusal` gives a reason."""

    def with_inputs_from_dram(self, trace: LayerTrace, schedule: LayerSchedule) -> LayerSchedule:
        """The schedule of a layer whose input lies in DRAM, from its schedule where the input does not.

        A machine whose work does not depend on it moves other bytes alone, and says so here.
        """
        del schedule
        return self.schedule(replace(trace, input_in_dram=True))

    @abstractmethod
    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """The layer's outputs, computed product by product in the order in which this machine would.

        weights (K, C/G, [T,] R, S) and activations (N, C, [D,] H, W), both int64; returns int64 (N, K, [O,] P, Q).
        Only the products that the machine issues are made, so that a product it wrongly skips shows in the result.
        """

    def issued_products(self, trace: LayerTrace) -> int:
        """Products that its own rule makes the machine issue, as `LayerSchedule.expected_issued`.

        Counted from the masks where that is all it takes; here from a schedule.
        """
        return self.schedule(trace).expected_issued

    def expected_work(self, layer: Layer, weight_density: float, activation_density: float) -> ExpectedWork | None:
        """What an analytical model expects of a layer that the machine can run; None: this machine has no such model.

        The densities are those of uniform masks. Unlike `schedule` it sees no single non-zero.
        """
        del layer, weight_density, activation_density
        return None

    def expected_cycles(self, layer: Layer, weight_density: float, activation_density: float) -> float | None:
        """Cycles of the layer by the machine's analytical model (`expected_work`); None where it has none."""
        work = self.expected_work(layer, weight_density, activation_density)
        return None if work is None else work.cycles

    def components(self) -> tuple[Component, ...]:
        """What the machine is built of, memory outside the chip excepted; empty where it does not say."""
        return ()

    @cached_property
    def parts(self) -> tuple[Component, ...]:
        """Its components, made once: what `actions` counts layer by layer follows from the spec alone."""
        return self.components()

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts | None:
        """How often each component did what in a layer, from its schedule; None where it does not say.

        Whole numbers that follow from the dataflow and the zeros, never from time: slots that pass empty are added by
        whoever knows the cycles (`ActionCounts.idle`).

        effectual_macs  the layer's products of two non-zeros inside the map
        """
        del trace, schedule, effectual_macs
        return None

    def refusal(self, layer: Layer) -> str | None:
        """Why the real machine could not run the layer, as a sentence; None when it can.

        A machine that refuses more asks here first.
        """
        return self.needs_constant_weights if layer.moving_weights else None

    def require(self, layer: Layer) -> None:
        """Raise `UnsupportedLayerError` when the machine cannot run the layer."""
        reason = self.refusal(layer)
        if reason is not None:
            raise UnsupportedLayerError(f"{self.name} cannot run layer '{layer.name}': {reason}")

    def baseline_settings(self) -> dict[str, Any]:
        """Settings (nested as in the baseline's spec) that give the baseline this machine's size.

        What all machines have in common it inherits in any case (`registry.baseline_of`).
        """
        return {}

    @property
    def multipliers(self) -> int | None:
        """Multipliers of the whole machine; None where it does not say (`scaling`)."""
        return self.scaling.multipliers(self.spec)

    @property
    def on_chip_bytes(self) -> int | None:
        """Bytes of all buffers; None where the machine has none of a known size."""
        return self.scaling.on_chip_bytes(self.spec)

    def scaled(self, target: EqualSize) -> dict[str, int]:
        """Settings of this machine's multipliers and buffers for the target's, or as near as it can come.

        Clock, word and bandwidth, which all machines set alike, are not among them.
        """
        return scaled_settings(self.scaling, self.spec, target.multipliers, target.on_chip_bytes)

    def stored_map_bytes(self, values: int, nonzeros: int) -> int:
        """Bytes of a map in DRAM, `nonzeros` of whose values are not zero, as the machine stores it: dense here."""
        del nonzeros
        return ceil_div(values * self.spec.value_bits, 8)

    def least_weight_bits(self) -> int:
        """Bits in which a non-zero weight is stored at least, whatever tells its place."""
        return self.spec.value_bits

    def idle_settings(self) -> dict[str, str]:
        """Dotted keys that have no effect in this configuration, and why; setting one of them gives a warning."""
        return {}
