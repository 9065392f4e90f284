"""Timeloop problem files: one convolution or matrix product as YAML, with densities; masks are drawn.

Convolutions have the dimensions R S P Q C and K or M, and N and G where given (with G, C and M are one group's); R and
P lie along the width with Wstride and Wdilation, S and Q along the height, unless the shape's projections say
otherwise. The input is as large as the outputs need, without padding. Matrix products have M N K: weights A (M, K) or
Weights, inputs B (N, K) or Inputs, N positions. Source: Timeloop's documentation, problem; Sparseloop's densities.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workloads.errors import InputError
from workloads.files import read_text
from workloads.importers.imported import Imported, ImportOptions, product_layer, require
from workloads.importers.importer import importer
from workloads.layer import Layer
from workloads.names import plain_name
from workloads.source import Drawn, DrawnBatch, LayerSource
from workloads.texts import parse_yaml
from workloads.workload import Workload


@importer("Timeloop problem", ".yaml", ".yml")
def import_problem(path: Path, options: ImportOptions) -> Imported:
    """The layer of a problem file. Raises `InputError` naming the file and the key."""
    del options
    try:
        return _import(path)
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith((str(path), "Timeloop")) else f"{path}: {text}") from None


def _import(path: Path) -> Imported:
    problem = _read(path)
    instance = problem.get("instance", problem)
    if not isinstance(instance, dict):
        raise InputError("'instance' must be a table of sizes")
    # Densities stand among the sizes, as a table; sizes themselves are plain values.
    sizes = {str(key).lower(): value for key, value in instance.items() if not isinstance(value, dict | list)}
    shape = problem.get("shape")
    name = plain_name(str(instance.get("name") or problem.get("name") or path.stem))
    # A convolution may use the letters M, N and K as well, so that it is looked for first.
    conv = {"p", "q", "r", "s", "c"} <= set(sizes)
    if not conv and not {"m", "n", "k"} <= set(sizes):
        raise InputError("has neither the dimensions R S P Q C of a convolution nor M N K of a matrix product")
    layer = _conv(name, sizes, shape) if conv else _product(name, sizes)
    densities, warnings = _densities(instance.get("densities", problem.get("densities", {})), sizes)
    # A data space's own density, by either of its names, then the common one, then dense.
    weights, inputs, outputs = (
        next((densities[key] for key in keys if key in densities), densities.get("", 1.0))
        for keys in (("weights", "a"), ("inputs", "b"), ("outputs", "z"))
    )
    source = LayerSource(0, layer, Drawn(weights), DrawnBatch(inputs), outputs, str(path), relu_input=True)
    workload = Workload(path.stem, (source,), title=f"imported from {path.name}", origin=str(path))
    return Imported(workload, warnings=warnings)


def _read(path: Path) -> dict[str, Any]:
    yaml = require("yaml", "files", "Timeloop files")
    data = parse_yaml(read_text(path), str(path), yaml)
    problem = data.get("problem", data) if isinstance(data, dict) else None
    if not isinstance(problem, dict):
        raise InputError("not a Timeloop problem: it has no 'problem'")
    return problem


def _size(sizes: dict[str, Any], key: str, default: int | None = None) -> int:
    value = sizes.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"size {key.upper()} = {value!r}, must be a whole number of at least 1")
    return value


def _conv(name: str, sizes: dict[str, Any], shape: Any) -> Layer:
    # In Timeloop's own shapes P and R run along the width, so that the axis of Q and S, the rows, comes first.
    across, down = ("h", "w") if _height_first(shape) else ("w", "h")
    groups = _size(sizes, "g", 1)
    filters = _size(sizes, "k" if "k" in sizes else "m")
    axes = []
    for output, taps, letter in (("q", "s", down), ("p", "r", across)):
        stride, dilation = (_size(sizes, f"{letter}{what}", 1) for what in ("stride", "dilation"))
        kernel = _size(sizes, taps)
        # The input that the outputs need: 4 outputs at stride 2 with 3 taps read 3 * 2 + 3 = 9 positions.
        axes.append(((_size(sizes, output) - 1) * stride + (kernel - 1) * dilation + 1, kernel, stride, dilation))
    if across == "h":
        axes.reverse()
    size, kernel_size, strides, dilations = zip(*axes, strict=True)
    return Layer.conv(
        name,
        in_channels=_size(sizes, "c") * groups,
        out_channels=filters * groups,
        input_size=size,
        kernel_size=kernel_size,
        stride=strides,
        dilation=dilations,
        groups=groups,
        batch=_size(sizes, "n", 1),
    )


def _height_first(shape: Any) -> bool:
    """Whether the shape's projections pair P with the height's stride; Timeloop's own pair it with the width's."""
    if not isinstance(shape, dict):
        return False
    spaces = shape.get("data-spaces", shape.get("data_spaces", []))
    projections = [space.get("projection", []) for space in spaces if isinstance(space, dict)]
    # A projection pairs dimensions with their factors, as [P, Hstride]; quotes and blanks depend on how YAML was
    # written.
    text = str(projections).lower().replace("'", "").replace(" ", "")
    return "[p,hstride]" in text


def _product(name: str, sizes: dict[str, Any]) -> Layer:
    # One image of N positions, each with K features, to M outputs.
    return product_layer(name, (1, _size(sizes, "n")), _size(sizes, "k"), _size(sizes, "m"))


def _densities(given: Any, sizes: dict[str, Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Densities by data space (lower case; "" for all others) and a warning for each that is not drawn as described."""
    found: dict[str, float] = {}
    warnings = []
    if "commondensity" in sizes:
        found[""] = _share("commonDensity", sizes["commondensity"])
    for space, value in (given if isinstance(given, dict) else {}).items():
        key, kind = str(space), "hypergeometric"
        if isinstance(value, dict):
            kind = str(value.get("distribution", kind))
            if "density" not in value:
                raise InputError(f"densities.{key}: distribution '{kind}' without a density cannot be drawn")
            value = value["density"]  # noqa: PLW2901 (a density with a distribution, or bare)
        # A hypergeometric distribution is that of a uniform draw with an exact count, which is how masks are drawn
        # here.
        if kind != "hypergeometric":
            warnings.append(f"densities.{key}: distribution '{kind}' is drawn uniformly with the same density")
        found[key.lower()] = _share(f"densities.{key}", value)
    return found, tuple(warnings)


def _share(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"{key} = {value!r}, must be a number between 0 and 1")
    return float(value)
