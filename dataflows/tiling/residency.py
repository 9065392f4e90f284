"""Whether a layer's weights lie on the chip before it starts, for machines whose memory is made to keep them there."""

from __future__ import annotations

from typing import Literal

Residency = Literal["fitting", "always", "never"]
RESIDENCY_TEXT = (
    "weights that lie on the chip before the layer starts: fitting: those of a layer for which the chip has room, as "
    "published, others stream in; always: all, whatever their size; never: none"
)


def resident(residency: Residency, *, fits: bool) -> bool:
    """Whether weights that fit, or do not, are there before the layer starts."""
    return residency == "always" or (residency == "fitting" and fits)


def residency_notes(what: str, size_bytes: int, room_bytes: int, *, held: bool) -> tuple[str, ...]:
    """A note on weights (`what`) for which the chip has no room."""
    if size_bytes <= room_bytes:
        return ()
    then = "are taken to lie there all the same" if held else "stream in"
    return (f"{what} take {size_bytes} bytes, there is room for {room_bytes}: they {then}",)
