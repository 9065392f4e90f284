"""The tables of a network file as pydantic models: strict, frozen, unknown keys refused.

Every value has a check of its own that says what is allowed in the project's words; pydantic adds missing and unknown
keys and finds all faults at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from workloads.errors import InputError, nearest
from workloads.layer import Axes, Layer, Pads
from workloads.synthetic import UNIFORM, Clustered, Pattern, Skewed, Uniform

_PATTERNS: dict[str, type[Any]] = {"uniform": Uniform, "clustered": Clustered, "skewed": Skewed}


def _fault(text: str) -> PydanticCustomError:
    return PydanticCustomError("fault", "{text}", {"text": text})


def _is_whole(value: Any, minimum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


def _whole(minimum: int) -> PlainValidator:
    def check(value: Any) -> int:
        if not _is_whole(value, minimum):
            raise _fault(f"must be a whole number of at least {minimum}")
        return value

    return PlainValidator(check)


def _axes(minimum: int, *, single: bool) -> PlainValidator:
    one = f"a whole number of at least {minimum} or " if single else ""

    def check(value: Any) -> int | Axes:
        if single and _is_whole(value, minimum):
            return value
        if isinstance(value, list) and len(value) in (2, 3) and all(_is_whole(v, minimum) for v in value):
            return tuple(value)
        raise _fault(f"must be {one}a list of 2 or 3 whole numbers of at least {minimum}")

    return PlainValidator(check)


def _padding(value: Any) -> int | Axes | Pads:
    if _is_whole(value, 0):
        return value
    if isinstance(value, list) and len(value) in (2, 3):
        if all(_is_whole(v, 0) for v in value):
            return tuple(value)
        if all(isinstance(v, list) and len(v) == 2 and all(_is_whole(w, 0) for w in v) for v in value):
            return tuple((before, after) for before, after in value)
    raise _fault(
        "must be a whole number of at least 0, a list of one per axis, or of one [before, after] pair per axis"
    )


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _fault("must be a number between 0 and 1")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _fault("must be a non-empty text")
    return value


def _pattern(*allowed: str) -> PlainValidator:
    def check(value: Any) -> Pattern:
        settings = dict(value) if isinstance(value, dict) else {"kind": value}
        kind = settings.pop("kind", None)
        if kind not in allowed:
            raise _fault(f"must be {' or '.join(map(repr, allowed))}, or a table with one of them as 'kind'")
        known = {setting.name: setting.type for setting in fields(_PATTERNS[kind])}
        for key, number in settings.items():
            if key not in known:
                raise _fault(f"has the unknown key '{key}': {nearest(key, known) if known else 'it has no settings'}")
            whole = known[key] == "int"
            if isinstance(number, bool) or not isinstance(number, int if whole else int | float):
                raise _fault(f"has {key} = {number!r}, must be a {'whole ' if whole else ''}number")
        try:
            return _PATTERNS[kind](**settings)
        except InputError as error:
            raise _fault(f"is not possible: {error}") from None

    return PlainValidator(check)


Text = Annotated[str, PlainValidator(_text)]
Share = Annotated[float, PlainValidator(_share)]
Count = Annotated[int, _whole(1)]


class Table(BaseModel):
    """Base of all tables."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class TensorTable(Table):
    """A tensor of every layer: how dense it is and how its non-zeros lie."""

    density: Share | None = None
    pattern: Any = None

    def pattern_value(self) -> Pattern:
        """The pattern, uniform where none was chosen."""
        return UNIFORM if self.pattern is None else self.pattern


class WeightsTable(TensorTable):
    """Weights of every layer."""

    pattern: Annotated[Any, _pattern("uniform", "skewed")] = None


class ActivationsTable(TensorTable):
    """Input activations of every layer."""

    pattern: Annotated[Any, _pattern("uniform", "clustered")] = None


class _FileTable(TensorTable):
    """A tensor of one layer, drawn or from a file."""

    file: Text | None = None
    entry: Text | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.file is None and self.entry is not None:
            raise _fault("has 'entry' without 'file'")
        if self.file is not None and (self.density is not None or self.pattern is not None):
            raise _fault("has 'file' beside 'density' or 'pattern', must have one of them")
        return self

    def over(self, default: TensorTable) -> Self:
        """This table where it says something, else the default for all layers."""
        if self.file is not None:
            return self
        return self.model_copy(
            update={k: getattr(default, k) for k in default.model_fields_set - self.model_fields_set}
        )


class LayerWeights(WeightsTable, _FileTable):
    """Weights of one layer."""


class LayerActivations(ActivationsTable, _FileTable):
    """Input activations of one layer."""


class _LayerTable(Table):
    name: Text
    in_channels: Count
    out_channels: Count
    batch: Count = 1
    output_density: Share | None = None
    weights: LayerWeights = LayerWeights()
    activations: LayerActivations = LayerActivations()


class ConvTable(_LayerTable):
    """A convolution over 2 or 3 spatial axes."""

    kind: Literal["conv"] = "conv"
    input_size: Annotated[Any, _axes(1, single=False)]
    kernel_size: Annotated[Any, _axes(1, single=True)]
    stride: Annotated[Any, _axes(1, single=True)] = 1
    padding: Annotated[Any, PlainValidator(_padding)] = 0
    dilation: Annotated[Any, _axes(1, single=True)] = 1
    groups: Count = 1

    def layer(self) -> Layer:
        """The layer, which checks its fields against one another (`InputError`)."""
        return Layer.conv(
            self.name,
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            input_size=self.input_size,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            batch=self.batch,
        )


class DenseTable(_LayerTable):
    """A fully connected layer."""

    kind: Literal["fc"]

    def layer(self) -> Layer:
        """The layer."""
        return Layer.dense(self.name, in_features=self.in_channels, out_features=self.out_channels, batch=self.batch)


LayerTable = ConvTable | DenseTable


class NetworkTable(Table):
    """A whole file; `layers` are checked one by one."""

    name: Text | None = None
    title: Text | None = None
    network: Text | None = None
    layers: list[Any] | None = None
    weights: WeightsTable = WeightsTable()
    activations: ActivationsTable = ActivationsTable()


_Model = TypeVar("_Model", bound=Table)


def layer_table(raw: Any) -> type[ConvTable | DenseTable]:
    """The model for a row of `layers`: its `kind` decides which keys it has."""
    return DenseTable if isinstance(raw, dict) and raw.get("kind") == "fc" else ConvTable


def check(model: type[_Model], raw: Any, prefix: str, faults: list[str]) -> _Model | None:
    """The table, or None after adding a line for each of its faults; `prefix` is its dotted key in the file."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults.extend(_line(model, prefix, detail) for detail in error.errors())
        return None


_EXPECTED: Mapping[str, Callable[[ErrorDetails], str]] = {
    "fault": lambda detail: detail["msg"],
    "literal_error": lambda _: "must be 'conv' or 'fc'",
    "list_type": lambda _: "must be a list of tables",
}


def _line(model: type[Table], prefix: str, detail: ErrorDetails) -> str:
    parts = [str(part) for part in detail["loc"]]
    key = ".".join(filter(None, [prefix, *parts]))
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "extra_forbidden":
        return f"unknown key '{key}': {nearest(parts[-1], _keys(model, parts[:-1]))}"
    allowed = _EXPECTED.get(detail["type"], lambda _: "must be a table")(detail)
    value = repr(detail["input"])
    return f"{key} = {value if len(value) <= 60 else value[:57] + '...'}, {allowed}"


def _keys(model: type[Table], path: list[str]) -> list[str]:
    """Keys of the table at a path inside a model."""
    for part in path:
        inner = model.model_fields[part].annotation
        assert isinstance(inner, type)  # noqa: S101 (only tables nest)
        model = inner
    return list(model.model_fields)
