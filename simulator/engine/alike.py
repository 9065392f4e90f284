"""Which buffers two layers in a row use as one (docs/network.md, R5)."""

from __future__ import annotations

from dataflows.schedule import BufferUse, LayerSchedule, Tensor


def alike_tensors(schedule: LayerSchedule, before: LayerSchedule) -> list[Tensor]:
    """Tensors whose buffer two layers in a row use as one: of one name, capacity and manner, and loaded by both."""
    uses: dict[Tensor, BufferUse] = {use.tensor: use for use in before.buffers}
    return [
        use.tensor
        for use in schedule.buffers
        # Results are made by every layer. What one of the two does not load lies in the buffer without a transfer.
        if uses.get(use.tensor) == use
        and (use.tensor == Tensor.OUTPUT or all(use.tensor in one.loads.tensor for one in (schedule, before)))
    ]
