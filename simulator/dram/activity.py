"""`DramActivity`: what DRAM devices have done, from which their energy follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class DramActivity:
    """Commands of all channels, and their time; whole numbers that know no technology.

    activates, precharges     rows opened; commands that closed one row or all of them
    read_bursts, write_bursts bursts that devices moved
    forwarded_bursts          reads that the controller's write buffer answered, which cost the devices nothing
    refreshes                 of all banks of a channel
    open_clocks, closed_clocks   clocks of channels with a row open in any bank, and with all banks closed
    burst_bytes               of one burst
    Ideal memory has bursts only: what else they would have cost is decided where they are priced.
    """

    activates: int = 0
    precharges: int = 0
    read_bursts: int = 0
    write_bursts: int = 0
    forwarded_bursts: int = 0
    refreshes: int = 0
    open_clocks: int = 0
    closed_clocks: int = 0
    burst_bytes: int = 0

    @property
    def bursts(self) -> int:
        """All that were asked for; times `burst_bytes` they are the bytes of whole bursts."""
        return self.read_bursts + self.write_bursts + self.forwarded_bursts

    def __add__(self, other: Self) -> Self:
        """Layers one after the other, of one memory."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__}
        # A layer that nothing was counted of has bursts of no size.
        return type(self)(**sums | {"burst_bytes": max(self.burst_bytes, other.burst_bytes)})


NO_ACTIVITY = DramActivity()
