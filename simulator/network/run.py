"""`NetworkRun`: a machine's layers as one run, handed over one by one while each is simulated by itself as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from dataflows.accelerator import Accelerator
from dataflows.schedule import LayerSchedule, Tensor
from simulator.engine.countable import require_countable
from simulator.engine.network_layers import NetworkLayer, NetworkPlayed, Overlap
from simulator.engine.network_play import NetworkPlay
from simulator.engine.observer import Observer
from simulator.network.dressing import dressed, pass_of
from simulator.network.roles import Role
from workloads.trace import LayerTrace


@dataclass
class Scheduled:
    """What all schedules of a run hold together, counted without a clock.

    moved_bytes                    loads, stores and operands
    compulsory_bytes               those that no order of tiles could avoid
    compute_cycles, fullest_pe_cycles   sums of the layers' bounds
    """

    moved_bytes: int = 0
    compulsory_bytes: int = 0
    compute_cycles: int = 0
    fullest_pe_cycles: int = 0

    def add(self, schedule: LayerSchedule) -> None:
        """Count a layer's schedule."""
        self.moved_bytes += sum(runs.total_bytes for runs in (schedule.loads, schedule.stores, schedule.operands))
        self.compulsory_bytes += schedule.compulsory_bytes
        self.compute_cycles += schedule.compute_cycles
        self.fullest_pe_cycles += schedule.fullest_pe_cycles


class NetworkRun:
    """A network on one machine: `layer` for each layer in order, then `finish`.

    Of a layer that has been played only counts are kept, so that memory does not grow with the network.

    pushed   told of each layer that is played
    """

    def __init__(
        self,
        machine: Accelerator,
        roles: Sequence[Role],
        overlap: Overlap,
        observers: tuple[Observer, ...] = (),
        pushed: Callable[[NetworkLayer], None] | None = None,
    ) -> None:
        self.scheduled = Scheduled()
        self._cycles = 0  # at most
        self._machine = machine
        self._waiting = list(reversed(roles))
        self._stored_bytes: list[int] = []  # of those that were handed over
        self._last: tuple[int, LayerSchedule] | None = None  # images, and the schedule of the layer alone
        self._play = play_on(machine, overlap, observers)
        self._pushed = pushed

    def layer(self, trace: LayerTrace, schedule: LayerSchedule) -> None:
        """The next layer, with its schedule as it is simulated by itself; before it the poolings that come before."""
        batch = trace.layer.images
        self._last = batch, schedule
        while (role := self._waiting.pop()).layer is None:
            self._pool(role, batch, schedule)
        schedule = self._with_inputs(role, trace, schedule)
        kept = 0
        if role.leaves:
            values = ceil(role.stored * batch)
            kept = self._machine.stored_map_bytes(values, ceil(values * trace.output_density))
        operands = self._bytes(role.operands, role.outside_operands * batch)
        self._push(
            role,
            dressed(schedule, stored_share=role.stored_share, kept_bytes=kept, operand_bytes=operands),
            moving_weights=trace.layer.moving_weights,
        )

    def finish(self) -> NetworkPlayed:
        """Play to the end, poolings behind the last layer included."""
        while self._waiting and self._last is not None:
            self._pool(self._waiting.pop(), *self._last)
        return self._play.finish()

    def _pool(self, role: Role, batch: int, schedule: LayerSchedule) -> None:
        """A pooling by itself, of a map with the density that its bytes tell; the array is that of a schedule."""
        read = self._bytes(tuple(one.layer for one in role.reads), role.outside_read * batch)
        pooled = pass_of(schedule, read, ceil(read * role.stored_share))
        self._push(role, dressed(pooled, operand_bytes=self._bytes(role.operands, role.outside_operands * batch)))

    def _with_inputs(self, role: Role, trace: LayerTrace, schedule: LayerSchedule) -> LayerSchedule:
        """The schedule of a layer whose inputs come from DRAM where they have to."""
        has_inputs = bool((schedule.loads.tensor == Tensor.INPUT).any())
        if not role.input_in_dram or trace.input_in_dram or has_inputs:
            return schedule
        return self._machine.with_inputs_from_dram(trace, schedule)

    def _bytes(self, places: Sequence[int], outside_values: int) -> int:
        """Bytes of stored maps; those that nobody here made are taken to hold no zeros."""
        outside = self._machine.stored_map_bytes(outside_values, outside_values) if outside_values else 0
        return sum(self._stored_bytes[place] for place in places) + outside

    def _push(self, role: Role, schedule: LayerSchedule, *, moving_weights: bool = False) -> None:
        self._cycles += require_countable(role.name, schedule, self._machine.spec, self._cycles)
        self.scheduled.add(schedule)
        self._stored_bytes.append(schedule.stores.total_bytes)
        layer = NetworkLayer(role.name, schedule, role.reads, role.operands, moving_weights)
        self._play.push(layer)
        if self._pushed is not None:
            self._pushed(layer)


def play_on(machine: Accelerator, overlap: Overlap, observers: tuple[Observer, ...] = ()) -> NetworkPlay:
    """A machine that waits for the layers of a network."""
    spec = machine.spec
    return NetworkPlay(
        spec.dram,
        spec.clock_hz,
        overlap,
        observers,
        write_back=spec.write_back,
        buffer_bytes_per_cycle=spec.buffers.bytes_per_cycle,
    )
