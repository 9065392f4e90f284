"""`MachineInPlay`: the components that play layers: memory, ports, the loads' process, results, the array."""

from __future__ import annotations

import simpy

from dataflows.schedule import Tensor
from dataflows.specs import DramSpec
from simulator.engine.buffer import Port
from simulator.engine.loading import Loading
from simulator.engine.memory_kinds import make_memory, peak_bytes_per_cycle
from simulator.engine.observer import Observer
from simulator.engine.pe_array import PEArray
from simulator.engine.results import Results
from simulator.engine.transfers import Transfers
from simulator.engine.write_back import WriteBack


class MachineInPlay:
    """A machine at cycle 0, for a layer alone as for all layers of a network.

    write_back               "blocking": the array waits until a tile's results are written before it goes on
    buffer_bytes_per_cycle   what buffers take in a cycle; None: as fast as memory delivers
    """

    def __init__(
        self,
        env: simpy.Environment,
        dram: DramSpec,
        clock_hz: int,
        observers: tuple[Observer, ...],
        *,
        write_back: WriteBack,
        buffer_bytes_per_cycle: int | None,
    ) -> None:
        self.memory = make_memory(env, dram, clock_hz, observers)
        peak = peak_bytes_per_cycle(dram, clock_hz)
        rate, ports = buffer_bytes_per_cycle, dict[Tensor, Port]()
        if rate is not None and peak is not None and rate < peak:  # faster ports never hold a load up
            ports = {tensor: Port(rate) for tensor in Tensor}
        transfers = Transfers(env, self.memory, observers)
        self.loading = Loading(env, transfers, ports)
        results = Results(env, transfers, peak, observers)
        self.array = PEArray(env, self.loading, results, observers, blocking=write_back == "blocking")
