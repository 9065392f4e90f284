"""`BankedDramSpec`: what a user may set of the banked DRAM, and the limits that follow for the kernels."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dataflows.specs import Count, DramSpec, Size, Spec
from simulator.dram.address_map import AddressMap
from simulator.dram.layout import LIMITS, MAX_QUEUE
from simulator.dram.standards import DramStandard, standard_named

QueueSize = Annotated[int, Field(ge=1, le=MAX_QUEUE)]


class BankedDramSpec(Spec):
    """DRAM channels with banks, rows and refresh behind an FR-FCFS controller."""

    standard: str = Field(default="DDR4-2400", description="DRAM standard, by name")
    override: dict[str, int] = Field(default={}, description="numbers of the standard to replace, by JEDEC's names")
    channels: Count = Field(default=1, description="channels, each with its own controller")
    address_map: str = Field(default="RoBaBgCo", description="fields of an address from the highest bit to the lowest")
    interleave_bytes: Count = Field(default=256, description="channels take turns every so many bytes; assumption")
    read_queue: QueueSize = Field(
        default=32, description="reads that the controller can choose from; Ramulator 2's default"
    )
    write_buffer: QueueSize = Field(default=32, description="writes that it can hold back; Ramulator 2's default")
    drain_start: Count = Field(
        default=26, description="buffered writes at which it turns to them; 0.8 of 32 in Ramulator 2"
    )
    drain_stop: Size = Field(default=6, description="buffered writes at which it leaves them; 0.2 of 32 in Ramulator 2")
    scheduler: Literal["row_hit", "first_ready"] = Field(
        default="row_hit",
        description="row_hit: a precharge waits for older requests of the open row; first_ready: it does not",
    )
    refresh: bool = Field(default=True, description="refresh all banks every nREFI, none postponed")

    @model_validator(mode="after")
    def _check(self) -> Self:
        device = self.device
        AddressMap.named(self.address_map, device)
        if self.interleave_bytes % device.burst_bytes:
            raise ValueError(f"interleave_bytes must be a multiple of the burst, {device.burst_bytes} bytes")
        if not self.drain_stop < self.drain_start <= self.write_buffer:
            raise ValueError("drain_stop < drain_start <= write_buffer must hold")
        return self

    @classmethod
    def of(cls, dram: DramSpec) -> Self:
        """The banked part of a machine's memory. Raises pydantic's `ValidationError` where it is impossible."""
        return cls.model_validate({name: getattr(dram, name) for name in cls.model_fields})

    @property
    def device(self) -> DramStandard:
        """The standard with the overrides applied."""
        return standard_named(self.standard).override(self.override)

    def limits(self, streams: int) -> np.ndarray:
        """The LIMITS struct, shape (1,), of one channel that serves `streams` streams."""
        device, places = self.device, AddressMap.named(self.address_map, self.device)
        write_data = device.nCWL + device.nBL
        values = {
            "activate_to_column": device.nRCD,
            "activate_to_precharge": device.nRAS,
            "activate_to_activate": device.nRC,
            "activate_to_activate_short": device.nRRD_S,
            "activate_to_activate_long": device.nRRD_L,
            "activate_window": device.nFAW,
            "precharge_to_activate": device.nRP,
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
            **{field: getattr(places, field) for field in LIMITS.fields or () if hasattr(places, field)},
        }
        limits = np.zeros(1, LIMITS)
        for field, value in values.items():
            limits[field] = value
        return limits
