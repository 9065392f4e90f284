"""`InputsInARow`: several inputs of a network on one machine, each behind the one before, on one clock."""

from __future__ import annotations

from collections import Counter

from dataflows.accelerator import Accelerator
from dataflows.schedule import Cause
from simulator.engine.network_layers import NetworkLayer, NetworkPlayed
from simulator.network.run import play_on
from simulator.reports.books import check_inputs
from simulator.reports.network_inputs import InputSpan, NetworkInputs
from simulator.reports.network_total import NetworkTotal


class InputsInARow:
    """Inputs that are handed over one after the other: `push` for each layer of one, then `end_input`; then `total`.

    The layers of all inputs are one sequence for the rules of a network; with `overlap = "none"` an input begins when
    the layers of the one before are over, each alone. Of an input that is over only sums are kept.

    machine  whose settings say what runs side by side
    images   of an input
    """

    def __init__(self, machine: Accelerator, images: int) -> None:
        spec = machine.spec
        self._clock_hz = spec.clock_hz
        self._images = images
        self._play = None if spec.overlap == "none" else play_on(machine, spec.overlap)
        self._begun = 0  # inputs of which a layer has come
        # Of the inputs one by one.
        self._alone_cycles: list[int] = []
        self._stack = Counter[str]()
        self._read_bytes = self._write_bytes = self._pes = 0

    def push(self, layer: NetworkLayer) -> None:
        """The next layer of the input."""
        if self._play is None:
            return
        first = self._begun == len(self._alone_cycles)
        if first and self._begun:
            self._play.next_input()
        self._begun += first
        self._play.push(layer)

    def end_input(self, alone: NetworkTotal, pes: int) -> None:
        """The input has no more layers; `alone` is its network by itself, on an idle machine of so many PEs."""
        self._alone_cycles.append(alone.cycles)
        self._stack.update(alone.pe_cycle_stack)
        self._read_bytes += alone.read_bytes
        self._write_bytes += alone.write_bytes
        self._pes = pes

    def total(self) -> NetworkInputs:
        """What came of two inputs or more. Raises `BooksError` when a conservation law fails."""
        total = self._one_by_one() if self._play is None else self._one_run(self._play.finish())
        moved = self._read_bytes + self._write_bytes
        check_inputs(total, self._pes, busy_cycles=self._stack[Cause.BUSY.key], moved_bytes=moved)
        return total

    def _one_by_one(self) -> NetworkInputs:
        spans, end = list[InputSpan](), 0
        for cycles in self._alone_cycles:
            spans.append(InputSpan(end, end := end + cycles, cycles))
        stack = {cause.key: self._stack[cause.key] for cause in Cause}
        return self._total(end, stack, self._read_bytes, self._write_bytes, spans)

    def _one_run(self, played: NetworkPlayed) -> NetworkInputs:
        stack = {cause.key: sum(int(one.pe_cycles[cause]) for one in played.inputs) for cause in Cause}
        spans = [
            InputSpan(one.start, one.done, alone)
            for one, alone in zip(played.inputs, self._alone_cycles, strict=True)
        ]  # fmt: skip
        return self._total(played.cycles, stack, played.traffic.read_bytes, played.traffic.write_bytes, spans)

    def _total(
        self, cycles: int, stack: dict[str, int], read_bytes: int, write_bytes: int, spans: list[InputSpan]
    ) -> NetworkInputs:
        return NetworkInputs(self._images, self._clock_hz, cycles, stack, read_bytes, write_bytes, tuple(spans))
