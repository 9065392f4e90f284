"""Read latencies: in which bin the controller counts one; `read_latency` knows what the bins say."""

from __future__ import annotations

from dataflows.kernels.compiled import kernel
from simulator.dram.layout import BINS_PER_OCTAVE, FINE_CLOCKS, LATENCY_BINS, OCTAVES, as_index


@kernel(forceinline=True)
def latency_bin(clocks: int) -> int:
    """The bin of a latency."""
    # One bin a clock, up to FINE_CLOCKS.
    if clocks < FINE_CLOCKS:
        return as_index(clocks)
    # Octave o holds latencies from 4096 x 2^o up to 8192 x 2^o, in 512 bins of 8 x 2^o clocks.
    octave = 0
    while octave < OCTAVES and clocks >= 2 * FINE_CLOCKS << octave:
        octave += 1
    if octave == OCTAVES:
        return as_index(LATENCY_BINS - 1)
    # 10,000 clocks lie in octave 1: half of them, 5000, times 512 / 4096 is 625, which is place 113. That bin holds
    # latencies from 10,000 to 10,015.
    place = (clocks >> octave) * BINS_PER_OCTAVE // FINE_CLOCKS - BINS_PER_OCTAVE
    return as_index(FINE_CLOCKS + octave * BINS_PER_OCTAVE + place)
