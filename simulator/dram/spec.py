"""`BankedDramSpec`: a machine's memory as the banked model can simulate it, and its limits as the kernels read them."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import field_validator, model_validator

from dataflows.specs import DramSpec
from simulator.dram.address_map import AddressMap
from simulator.dram.layout import LIMITS, MAX_QUEUE
from simulator.dram.standards import DramStandard, standard_named


class BankedDramSpec(DramSpec):
    """DRAM channels with banks, rows and refresh behind an FR-FCFS controller: a machine's memory, once it is banked.

    The settings are those of `DramSpec`; added is what only this model knows: standards, address maps, and how much
    room its structs have.
    """

    kind: Literal["banked"] = "banked"  # pyright: ignore[reportIncompatibleVariableOverride] (specs are frozen)

    @field_validator("read_queue", "write_buffer")
    @classmethod
    def _has_room(cls, places: int) -> int:
        # Room in the structs is fixed when kernels are compiled, so that a longer queue is refused here and not cut
        # there.
        if places > MAX_QUEUE:
            raise ValueError(f"must be less than or equal to {MAX_QUEUE}")
        return places

    @model_validator(mode="after")
    def _check(self) -> Self:
        device = self.device
        # Made for its error alone: a map that is unknown is refused before anything runs.
        AddressMap.named(self.address_map, device)
        if self.interleave_bytes % device.burst_bytes:
            raise ValueError(f"interleave_bytes must be a multiple of the burst, {device.burst_bytes} bytes")
        if not self.drain_stop < self.drain_start <= self.write_buffer:
            raise ValueError("drain_stop < drain_start <= write_buffer must hold")
        return self

    @classmethod
    def of(cls, dram: DramSpec) -> Self:
        """A machine's memory, which must be banked. Raises pydantic's `ValidationError` where it is impossible."""
        return cls.model_validate(dram.model_dump())

    @property
    def device(self) -> DramStandard:
        """The standard with the overrides applied."""
        return standard_named(self.standard).override(self.override)

    def limits(self, streams: int) -> np.ndarray:
        """The LIMITS struct, shape (1,), of one channel that serves `streams` streams."""
        device, places = self.device, AddressMap.named(self.address_map, self.device)
        # JEDEC counts tWTR and tWR from the end of a write's data, the controller all gaps from its command.
        # On DDR4-2400 a write's data end 12 + 4 clocks after its command, so that a read may follow the command after
        # 16 + 3 = 19 clocks in another bank group, 16 + 9 = 25 in the same one, and a precharge after 16 + 18 = 34.
        write_data = device.nCWL + device.nBL
        values = {
            "activate_to_column": device.nRCD,
            "activate_to_precharge": device.nRAS,
            "activate_to_activate": device.nRC,
            "activate_to_activate_short": device.nRRD_S,
            "activate_to_activate_long": device.nRRD_L,
            "activate_window": device.nFAW,
            "precharge_to_activate": device.nRP,
            "precharge_all_to_activate": device.nRPab,
            # A burst longer than the gap between commands holds the data bus until it is over.
            "column_to_column_short": max(device.nCCD_S, device.nBL),
            "column_to_column_long": max(device.nCCD_L, device.nBL),
            "read_to_write": device.nRTW,
            "write_to_read_short": write_data + device.nWTR_S,
            "write_to_read_long": write_data + device.nWTR_L,
            "read_to_precharge": device.nRTP,
            "write_to_precharge": write_data + device.nWR,
            "refresh_to_activate": device.nRFC,
            "refresh_interval": device.nREFI,
            "data_end": (device.nCL + device.nBL, write_data),
            "banks": device.bank_groups * device.banks_per_group,
            "banks_per_group": device.banks_per_group,
            "streams": streams,
            "queue_size": (self.read_queue, self.write_buffer),
            "drain_start": self.drain_start,
            "drain_stop": self.drain_stop,
            "row_hit_first": int(self.scheduler == "row_hit"),
            # Shifts and masks have the same names in the map and in the struct.
            **{field: getattr(places, field) for field in LIMITS.fields or () if hasattr(places, field)},
        }
        limits = np.zeros(1, LIMITS)
        for field, value in values.items():
            limits[field] = value
        return limits
