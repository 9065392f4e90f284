"""The tables of a network file as pydantic models: strict, frozen, unknown keys refused.

Every value has a check of its own that says what is allowed in the project's words; pydantic adds missing and unknown
keys and finds all faults at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from workloads.errors import MOST_FAULTS, InputError, nearest
from workloads.layer import Axes, Layer, Pads
from workloads.masks.named import ACTIVATION_PATTERNS, WEIGHT_PATTERNS, make_pattern
from workloads.masks.synthetic import Pattern
from workloads.names import LONGEST_NAME, require_name
from workloads.transposed import FORMS, Form, Transposed, TransposedPart


def fault(text: str) -> PydanticCustomError:
    """A fault of a value, in this project's words."""
    return PydanticCustomError("fault", "{text}", {"text": text})


def _is_whole(value: Any, minimum: int) -> bool:
    # A bool is an int in Python, and `true` must not pass as 1.
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


def _whole(minimum: int) -> PlainValidator:
    def check(value: Any) -> int:
        if not _is_whole(value, minimum):
            raise fault(f"must be a whole number of at least {minimum}")
        return value

    return PlainValidator(check)


def axes_of(minimum: int, *, single: bool) -> PlainValidator:
    """A list of one number per axis, or a single one for all of them."""
    one = f"a whole number of at least {minimum} or " if single else ""

    def check(value: Any) -> int | Axes:
        if single and _is_whole(value, minimum):
            return value
        if isinstance(value, list) and len(value) in (2, 3) and all(_is_whole(v, minimum) for v in value):
            return tuple(value)
        raise fault(f"must be {one}a list of 2 or 3 whole numbers of at least {minimum}")

    return PlainValidator(check)


def _padding(value: Any) -> int | Axes | Pads:
    if _is_whole(value, 0):
        return value
    if isinstance(value, list) and len(value) in (2, 3):
        if all(_is_whole(v, 0) for v in value):
            return tuple(value)
        # [[0, 1], [0, 1]] pads below and on the right alone.
        if all(isinstance(v, list) and len(v) == 2 and all(_is_whole(w, 0) for w in v) for v in value):
            return tuple((before, after) for before, after in value)
    raise fault("must be a whole number of at least 0, a list of one per axis, or of one [before, after] pair per axis")


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise fault("must be a number between 0 and 1")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise fault("must be true or false")
    return value


def _form(value: Any) -> Form:
    if value not in FORMS:
        raise fault(f"must be {' or '.join(map(repr, FORMS))}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise fault("must be a non-empty text")
    return value


def _pattern(*allowed: str) -> PlainValidator:
    def check(value: Any) -> Pattern:
        # A name alone has its default settings; a table may give them.
        settings = dict(value) if isinstance(value, dict) else {"kind": value}
        kind = settings.pop("kind", None)
        if kind not in allowed:
            raise fault(f"must be {' or '.join(map(repr, allowed))}, or a table with one of them as 'kind'")
        try:
            return make_pattern(kind, settings)
        except InputError as error:
            raise fault(str(error)) from None

    return PlainValidator(check)


def _name(value: Any) -> str:
    try:
        require_name("", value)
    except InputError:
        raise fault(f"must be a non-empty text of at most {LONGEST_NAME} printable characters") from None
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise fault("must be a list of names")
    return tuple(value)


Name = Annotated[str, PlainValidator(_name)]
Names = Annotated[tuple[str, ...], PlainValidator(_names)]
Text = Annotated[str, PlainValidator(_text)]
Share = Annotated[float, PlainValidator(_share)]
Count = Annotated[int, _whole(1)]
Flag = Annotated[bool, PlainValidator(_flag)]


class Table(BaseModel):
    """Base of all tables."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class TensorKeys(Table):
    """How dense tensors are and how their non-zeros lie: for one layer, or for all that say nothing else.

    relu_input says whether a ReLU wrote the input; the density of activations that stands for all layers reaches no
    other input, and as a value for all layers it leaves out the first, which reads the image.
    """

    weight_density: Share | None = None
    weight_pattern: Annotated[Any, _pattern(*WEIGHT_PATTERNS)] = None
    activation_density: Share | None = None
    activation_pattern: Annotated[Any, _pattern(*ACTIVATION_PATTERNS)] = None
    relu_input: Flag | None = None


class LayerTable(TensorKeys):
    """What every layer has."""

    name: Name
    in_channels: Count
    out_channels: Count
    batch: Count = 1
    inputs: Names | None = None
    weight_file: Text | None = None
    weight_entry: Text | None = None
    activation_file: Text | None = None
    activation_entry: Text | None = None
    output_density: Share | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        for tensor in ("weight", "activation"):
            density, pattern, file, entry = (
                getattr(self, f"{tensor}_{key}") is not None for key in ("density", "pattern", "file", "entry")
            )
            if entry and not file:
                raise fault(f"{tensor}_entry needs {tensor}_file")
            # A file's tensor has its own density and pattern: what else the table says of them would be passed over
            # without a word.
            if file and (density or pattern):
                raise fault(f"{tensor}_file excludes {tensor}_density and {tensor}_pattern")
        return self

    def layer(self) -> Layer:
        """The layer, which checks its fields against one another (`InputError`)."""
        raise NotImplementedError


class ConvTable(LayerTable):
    """A convolution over 2 or 3 spatial axes."""

    type: Literal["conv"] = "conv"
    input_size: Annotated[Any, axes_of(1, single=False)]
    kernel_size: Annotated[Any, axes_of(1, single=True)]
    stride: Annotated[Any, axes_of(1, single=True)] = 1
    padding: Annotated[Any, PlainValidator(_padding)] = 0
    dilation: Annotated[Any, axes_of(1, single=True)] = 1
    groups: Count = 1
    moving_weights: Flag = False

    def layer(self) -> Layer:
        """See `LayerTable`."""
        one = Layer.conv(
            self.name,
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            input_size=self.input_size,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        # Images of a product of two activations are groups of their own: the table's channels are those of one image.
        return (replace(one, moving_images=1) if self.moving_weights else one).with_batch(self.batch)


class TransposedTable(LayerTable):
    """A transposed convolution, which runs as one convolution or as several (`workloads.transposed`)."""

    type: Literal["transposed"]
    form: Annotated[Form, PlainValidator(_form)] = "stretched"
    input_size: Annotated[Any, axes_of(1, single=False)]
    kernel_size: Annotated[Any, axes_of(1, single=True)]
    stride: Annotated[Any, axes_of(1, single=True)] = 1
    padding: Annotated[Any, PlainValidator(_padding)] = 0
    output_padding: Annotated[Any, axes_of(0, single=True)] = 0
    dilation: Annotated[Any, axes_of(1, single=True)] = 1
    groups: Count = 1

    @model_validator(mode="after")
    def _no_files(self) -> Self:
        if self.weight_file or self.activation_file:
            raise fault("a transposed layer takes no files; import the model instead")
        return self

    def layer(self) -> Layer:
        """The first of its convolutions."""
        return self.parts()[0].layer

    def parts(self) -> tuple[TransposedPart, ...]:
        """Its convolutions (`InputError` where its fields do not fit together)."""
        # An ordinary layer spreads numbers over the axes and checks what it has in common with this one.
        size = len(self.input_size)
        spread = Layer.conv(
            self.name,
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            input_size=self.input_size,
            kernel_size=1,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            batch=self.batch,
        )
        kernel, more = (
            (value,) * size if isinstance(value, int) else value for value in (self.kernel_size, self.output_padding)
        )
        if len(kernel) != size or len(more) != size:
            raise InputError(f"layer '{self.name}': kernel_size and output_padding must have {size} values")
        whole = Transposed(
            self.name,
            self.in_channels,
            self.out_channels,
            spread.input_size,
            kernel,
            spread.stride,
            spread.padding,
            more,
            spread.dilation,
            self.groups,
            self.batch,
        )
        return whole.parts(self.form)


class DenseTable(LayerTable):
    """A fully connected layer."""

    type: Literal["fc"]

    def layer(self) -> Layer:
        """See `LayerTable`."""
        return Layer.dense(self.name, in_features=self.in_channels, out_features=self.out_channels, batch=self.batch)


class NetworkTable(TensorKeys):
    """A whole file; `layers` and `operators` are checked one by one."""

    name: Name | None = None
    title: Text | None = None
    network: Text | None = None
    layers: list[Any] | None = None
    operators: list[Any] | None = None


_Model = TypeVar("_Model", bound=Table)


def layer_table(raw: Any) -> type[LayerTable]:
    """The model for a row of `layers`: its `type` decides which keys it has."""
    # Everything else is read as a convolution, which reports a wrong type among its faults.
    kind = raw.get("type") if isinstance(raw, dict) else None
    return {"fc": DenseTable, "transposed": TransposedTable}.get(kind if isinstance(kind, str) else "", ConvTable)


def check(model: type[_Model], raw: Any, prefix: str, faults: list[str]) -> _Model | None:
    """The table, or None after adding a line for each of its faults; `prefix` is its dotted key in the file."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False)
        faults.extend(_line(model, prefix, detail, len(faults) < MOST_FAULTS) for detail in details)
        return None


_ALLOWED = {
    "literal_error": "must be 'conv', 'fc' or 'transposed'",
    "list_type": "must be a list of tables",
    "model_type": "must be a table",
}


def _line(model: type[Table], prefix: str, detail: ErrorDetails, hinted: bool) -> str:
    # The place of the table in the file and the place in the table: "layers[2]" and "stride" are "layers[2].stride".
    key = ".".join(filter(None, [prefix, *map(str, detail["loc"])]))
    if detail["type"] == "missing":
        return f"key '{key}' is missing"
    if detail["type"] == "extra_forbidden":
        return f"unknown key '{key}'" + (f": {nearest(str(detail['loc'][-1]), model.model_fields)}" if hinted else "")
    # Words of this project where pydantic's own would speak of its types.
    allowed = _ALLOWED.get(detail["type"], detail["msg"])
    # A fault of a whole table has no key and no single value to show.
    if not detail["loc"] and detail["type"] == "fault":  # about several keys of the table
        return f"{key}: {allowed}"
    value = repr(detail["input"])
    return f"{key} = {value if len(value) <= 60 else value[:57] + '...'}: {allowed}"
