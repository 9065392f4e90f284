"""What a description may say (docs/describing.md): a strict schema, and everything that can be wrong in it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from dataflows.described.mapping import Level, Nest, nest_of
from dataflows.specs import AcceleratorSpec, Bytes, Spec
from dataflows.tiling.strip_plan import require_two_blocks
from workloads import formats
from workloads.units import KIB

Balance = Literal["none", "sorted", "paired"]
Meeting = Literal["step", "output", "tile"]
Operand = Literal["none", "weights", "activations", "both"]
MOST_WINDOW = 1 << 14
"""Of a window this long twice its square, times four, is still a 32-bit word (`costs.rounded_up`)."""


def _of_every(text: str) -> str:
    parts = re.fullmatch(r"([1-9]\d{0,3}):([1-9]\d{0,3})", text)
    if text and not (parts and int(parts[1]) <= int(parts[2])):
        raise ValueError("must be n:m with n up to m, as 2:4, or empty")
    return text


def _known_format(text: str) -> str:
    formats.parse(text)  # raises an error that names the format, the option and what is allowed
    return text


class SkipSpec(Spec):
    """Whose zeros are skipped, and what a step costs."""

    operand: Operand = Field("none", description="whose zeros are skipped")
    window: int = Field(
        0, ge=0, le=MOST_WINDOW, description="entries of the list that are looked at in a step; 0: lanes of C"
    )
    spans: Literal["position", "kernel"] = Field(
        "position", description="position: windows end with the channels of a kernel position; kernel: they run on"
    )
    least_cycles: int = Field(1, ge=0, le=64, description="cycles that a step takes at least")
    padding: Literal["absent", "zeros"] = Field(
        "absent", description="entries outside the map: absent: no candidates; zeros: activations that are zero"
    )
    kept: Annotated[str, AfterValidator(_of_every)] = Field(
        "", description="n:m: n weights of every m channels are stored, zeros among them"
    )
    union: bool = Field(False, description="a weight that any filter of its group stores is stored for all of them")

    @property
    def weights(self) -> bool:
        """Whether weights that are not stored are skipped."""
        return self.operand in ("weights", "both")

    @property
    def activations(self) -> bool:
        """Whether activations that are zero are skipped."""
        return self.operand in ("activations", "both")


class SynchronizationSpec(Spec):
    """Where the PEs of a level meet, and how far one may run ahead."""

    rows: Meeting | None = Field(None, description="where rows of PEs meet; positions always at the tile")
    columns: Meeting | None = Field(None, description="where columns of PEs meet; likewise")
    queue: int = Field(0, ge=0, le=1 << 16, description="places of a queue before each PE; 0: PEs meet")


class StorageSpec(Spec):
    """How operands are stored, buffers, and what stays on the chip."""

    weights: Annotated[str, AfterValidator(_known_format)] = Field("dense", description="format of weights, by name")
    activations: Literal["dense", "bitmap", "offsets"] = Field(
        "dense",
        description="dense; bitmap: a bit a value and the non-zeros; offsets: as much room as dense, places in memory "
        "of their own",
    )
    input_buffer_bytes: Bytes = Field(512 * KIB, description="input buffer, bytes")
    weight_buffer_bytes: Bytes = Field(512 * KIB, description="weight buffer, bytes")
    output_buffer_bytes: Bytes = Field(128 * KIB, description="output buffer, bytes")
    resident: list[Literal["weights", "maps"]] = Field([], description="what stays on the chip where it fits")


class DescriptionSpec(AcceleratorSpec):
    """A whole description, and what every machine has."""

    mapping: list[Level] = Field(description="levels, outermost first: dims, size, and time, rows, columns or lanes")
    skip: SkipSpec = SkipSpec.model_validate({})
    synchronization: SynchronizationSpec = SynchronizationSpec.model_validate({})
    storage: StorageSpec = StorageSpec.model_validate({})
    balance: Balance = Field("none", description="filters as they are, sorted by their weights, or two a PE")

    @property
    def nest(self) -> Nest:
        """What the mapping says."""
        return nest_of(tuple(self.mapping))

    @property
    def window(self) -> int:
        """Entries of the list in a step."""
        return 1 if self.nest.broadcast else self.skip.window or self.nest.lanes["C"]

    @property
    def slots(self) -> int:
        """Filters that a PE has in a round, one after the other."""
        return 2 if self.balance == "paired" else 1

    @property
    def filter_meeting(self) -> Meeting:
        """Where filter PEs meet."""
        return self._meeting("K") or self._meeting("R S C") or "output"

    @property
    def list_meeting(self) -> Meeting:
        """Where list PEs meet."""
        return self._meeting("R S C") or self.filter_meeting

    def _meeting(self, dims: str) -> Meeting | None:
        place = self.nest.place_of(dims)
        said = self.synchronization.rows if place == "rows" else self.synchronization.columns
        return None if place is None else said or "output"

    @model_validator(mode="before")
    @classmethod
    def _levels_by_number(cls, values: Any) -> Any:
        """Levels may be set by number over those of a file: `mapping.4.size = 32`."""
        given = values.get("mapping") if isinstance(values, dict) else None
        if not isinstance(given, dict):
            return values
        default = cls.model_fields["mapping"].get_default(call_default_factory=True)
        levels = [level.model_dump(exclude_defaults=True) for level in default or []]
        for number, level in given.items():
            if not (str(number).isdecimal() and len(str(number)) < 3 and int(number) < len(levels)):
                raise ValueError(f"mapping.{number}: there are {len(levels)} levels, from 0 on")
            levels[int(number)] |= level if isinstance(level, dict) else {"": level}
        return values | {"mapping": levels}

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        for check in (self._check_skip, self._check_meetings, self._check_storage):
            check()
        return self

    def _check_skip(self) -> None:
        skip, nest = self.skip, self.nest
        if nest.broadcast:
            if skip.window > 1:
                raise ValueError(f"skip.window = {skip.window}: a broadcast sends one entry of the list at a time")
            if self.balance == "paired":
                raise ValueError("balance = 'paired': in a broadcast a PE has all of its filters at once")
        elif skip.window and skip.window < nest.lanes["C"]:
            raise ValueError(
                f"skip.window = {skip.window}: smaller than the {nest.lanes['C']} lanes of C that it feeds"
            )
        if self.window > MOST_WINDOW:
            raise ValueError(f"mapping: {self.window} lanes of C, at most {MOST_WINDOW}")
        for key, value in (("kept", skip.kept), ("union", skip.union)):
            if value and not skip.weights:
                raise ValueError(f"skip.{key} = {value}: weights are not skipped (skip.operand = '{skip.operand}')")
        if self.balance != "none" and not skip.weights:
            raise ValueError(
                f"balance = '{self.balance}': weights are not skipped, so that all filters take equally long"
            )
        if self.balance == "paired" and nest.lanes["K"] > 1:
            raise ValueError("balance = 'paired': a PE that has two filters in turn has no lanes of K")

    def _check_meetings(self) -> None:
        nest, said = self.nest, self.synchronization
        for place in ("rows", "columns"):
            meeting, dims = getattr(said, place), nest.dims_of(place)
            if meeting and dims is None:
                raise ValueError(f"synchronization.{place} = '{meeting}': no level is mapped on {place}")
            if meeting not in (None, "tile") and dims not in ("K", "R S C"):
                raise ValueError(f"synchronization.{place} = '{meeting}': positions meet at the tile")
        often = ("step", "output", "tile")
        team = [dims for dims in ("K", "R S C") if nest.place_of(dims)]
        if len(team) == 2 and often.index(self.list_meeting) > often.index(self.filter_meeting):
            raise ValueError(
                f"synchronization.{nest.place_of('R S C')} = '{self.list_meeting}': parts of a list meet at least as "
                f"often as filters ('{self.filter_meeting}')"
            )
        if not said.queue:
            return
        if not team:
            raise ValueError(f"synchronization.queue = {said.queue}: neither filters nor the list are on PEs")
        if len({self._meeting(dims) for dims in team}) == 2:
            raise ValueError(
                f"synchronization.queue = {said.queue}: a barrier inside a queue: rows meet at "
                f"'{said.rows or 'output'}', columns at '{said.columns or 'output'}'"
            )
        if self._meeting(team[0]) == "tile":
            raise ValueError(f"synchronization.queue = {said.queue}: PEs that meet at the tile need no queue")

    def _check_storage(self) -> None:
        storage, nest = self.storage, self.nest
        if self.skip.weights and storage.weights.partition(":")[0] == "dense":
            raise ValueError("storage.weights = 'dense': weights are skipped (skip.operand), and have to be compressed")
        if self.skip.activations and storage.activations == "dense":
            raise ValueError(
                "storage.activations = 'dense': activations are skipped (skip.operand), and have to be 'bitmap' or "
                "'offsets'"
            )
        if storage.activations == "bitmap" and "maps" in storage.resident:
            raise ValueError("storage.resident = 'maps': bitmaps do not stay on the chip")
        outputs = nest.pes * nest.lanes["K"] * nest.lanes["P Q"] * self.slots
        try:
            require_two_blocks(
                storage.output_buffer_bytes, outputs, self.value_bits, "the outputs of two steps of all PEs"
            )
        except ValueError as error:
            raise ValueError(f"storage.{error}") from None
