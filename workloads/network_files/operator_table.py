"""The table of an operator between layers, as a pydantic model; `workloads.operators` says what each key means."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import PlainValidator, model_validator

from workloads.errors import InputError, nearest
from workloads.network_files.schema import Flag, Name, Names, Table, axes_of, fault
from workloads.operators import OPERATORS, Operator


def _kind(value: Any) -> str:
    if value not in OPERATORS:
        raise fault(nearest(str(value), OPERATORS))
    return value


def _shape(value: Any) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(type(size) is int and size > 0 for size in value)
    if not whole or not 1 <= len(value) <= 4:
        raise fault("must be a list of 1 to 4 whole numbers of at least 1: [channels, rows, columns], or [features]")
    return tuple(value)


class OperatorTable(Table):
    """An operator that is no layer: a pooling, a sum, a join, ..."""

    name: Name
    kind: Annotated[Any, PlainValidator(_kind)]
    inputs: Names | None = None
    kernel_size: Annotated[Any, axes_of(1, single=True)] = None
    stride: Annotated[Any, axes_of(1, single=True)] = None
    padding: Annotated[Any, axes_of(0, single=True)] = 0
    ceil: Flag = False
    scale: Annotated[Any, axes_of(1, single=True)] = None
    shape: Annotated[Any, PlainValidator(_shape)] = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.inputs is None) != (self.kind == "input"):
            raise fault("an input reads nothing" if self.inputs else "key 'inputs' is missing: what does it read?")
        try:
            self.operator()
        except InputError as error:
            raise fault(str(error)) from None
        return self

    def operator(self) -> Operator:
        """The operator, which checks its keys against one another (`InputError`)."""
        return Operator(**self.model_dump(exclude={"inputs"}))
