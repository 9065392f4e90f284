"""The graph of a PyTorch model, from the steps that were seen when it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workloads.graph import Graph, Kind, Map
from workloads.importers.graph_nodes import GraphNodes, NoGraphError, first_map, last_map, of_images
from workloads.importers.imported import FoundLayer, parts_of
from workloads.importers.torch.watch import Step, Watch
from workloads.layer import Layer
from workloads.names import plain_name
from workloads.wiring import input_map

_THROUGH = frozenset({"clone", "detach", "alias", "contiguous", "_to_copy", "lift_fresh"})
_SCALES = frozenset({"add", "sub", "mul", "div"})
_SUMS = _SCALES | {"maximum", "minimum", "pow", "rsub"}
_ACTIVATIONS = (
    *("relu", "relu6", "sigmoid", "silu", "hardswish", "hardsigmoid", "hardtanh", "gelu", "elu", "celu", "leaky_relu"),
    *("_prelu_kernel", "tanh", "mish", "clamp", "clamp_min", "clamp_max", "softplus", "threshold", "exp", "log"),
    *("sqrt", "rsqrt", "abs", "neg", "erf", "reciprocal", "log_sigmoid_forward"),
)
# Not channel by channel, but each gives a map of the shape that it reads, in the same order.
_WHOLE = ("native_layer_norm", "native_group_norm", "_softmax", "_log_softmax", "_fused_rms_norm")
_NORMALISE = ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "miopen_batch_norm")
_ALIKE = frozenset({*_SUMS, *_ACTIVATIONS, *_WHOLE, *_NORMALISE})
_REDUCES = frozenset({"mean", "amax", "amin", "sum"})
_KINDS: dict[str, Kind] = {
    **dict.fromkeys((f"max_pool{axes}d_with_indices" for axes in (2, 3)), "pool"),
    **dict.fromkeys((f"{how}_pool{axes}d" for how in ("max", "avg", "lp") for axes in (1, 2, 3)), "pool"),
    **dict.fromkeys((f"{how}_pool{axes}d" for how in ("_adaptive_avg", "adaptive_max") for axes in (2, 3)), "pool"),
    **dict.fromkeys(_REDUCES, "pool"),
    **dict.fromkeys(_SUMS, "add"),
    "cat": "concat",
    **dict.fromkeys(_ACTIVATIONS, "activation"),
    **dict.fromkeys(_NORMALISE, "normalise"),
    **dict.fromkeys(
        ("view", "_unsafe_view", "_reshape_alias", "reshape", "unsqueeze", "squeeze", "permute"), "reshape"
    ),
    **dict.fromkeys(("transpose", "t", "split", "split_with_sizes", "slice", "constant_pad_nd"), "reshape"),
    **dict.fromkeys((f"{how}_pad{axes}d" for how in ("reflection", "replication") for axes in (1, 2, 3)), "reshape"),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), "reshape"),
}


def graph_of(watch: Watch, layers: Mapping[str, Sequence[FoundLayer]]) -> Graph:
    """The graph of a run, with the layers of each call by its name.

    Raises `NoGraphError` where what was seen does not tell it.
    """
    if watch.unknown:
        raise NoGraphError(watch.unknown)
    names = [one.layer.name for found in layers.values() for one in found]
    return _Walk(watch, layers, GraphNodes(names)).graph()


@dataclass
class _Walk:
    """One pass over steps; `made`: the node of each value, `rows`: values whose channels come last."""

    watch: Watch
    layers: Mapping[str, Sequence[FoundLayer]]
    nodes: GraphNodes
    made: dict[int, str] = field(default_factory=dict[int, str])
    rows: set[int] = field(default_factory=set[int])

    def graph(self) -> Graph:
        """The graph, after all steps."""
        for number, shape in self.watch.inputs:
            self.made[number] = self.nodes.input("", first_map(shape))
        makers = {"recurrent": self._recurrent, "transposed": self._transposed, "product": self._product}
        for step in _used(self.watch):
            if step.axes is not None:
                makers.get(step.operator, self._layer)(step)
            elif step.operator in _THROUGH:
                self._note(step, self.made[step.inputs[0]], rows=step.inputs[0] in self.rows)
            else:
                self._operator(step)
        return self.nodes.graph(self.made[number] for number in self.watch.results)

    def _note(self, step: Step, name: str, *, rows: bool) -> None:
        self.made[step.output] = name
        if rows and len(step.shape) > 2:
            self.rows.add(step.output)

    def _split(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return of_images(shape, self.watch.images)

    def _map(self, step: Step, *, rows: bool) -> Map:
        return (last_map if rows else first_map)(self._split(step.shape))

    def _layer(self, step: Step) -> None:
        (found,), (read,) = self.layers[step.name], step.shapes
        layer, product = found.layer, step.axes == 0
        if len(read) < 2 or (step.axes and len(read) != step.axes + 2):
            raise NoGraphError(f"layer '{layer.name}' reads an image without a batch axis")
        # Values repeated around a map are put into what the layer reads.
        source = self._rows(step, layer, 0) if product else self._padded(step, layer)
        name = self.nodes.layer(layer, source)
        shape = last_map(step.shape) if product else first_map(step.shape)
        self._note(step, self.nodes.shaped(name, shape, f"{layer.name}_output"), rows=product)

    def _padded(self, step: Step, layer: Layer) -> str | None:
        source = self.made.get(step.inputs[0])
        if source is None or self.nodes.shape(source) == input_map(layer):
            return source
        return self.nodes.operator("reshape", f"{layer.name}_input", [source], input_map(layer))

    def _rows(self, step: Step, layer: Layer, place: int) -> str | None:
        """What a product reads of one of a step's inputs: features from the last axis."""
        number = step.inputs[place]
        source = self.made.get(number)
        # Where the map's channels lie elsewhere it is read in another order, even if both axes happen to be of one
        # length.
        if source is None or number in self.rows or max(layer.input_size) == 1:
            return source
        if not self.nodes.same_values(source, layer):
            return source  # positions of several images, which `GraphNodes.layer` sees to
        return self.nodes.operator("reshape", f"{layer.name}_input", [source], input_map(layer))

    def _product(self, step: Step) -> None:
        (found,) = self.layers[step.name]
        layer, (turned,) = found.layer, step.arguments
        source = self._rows(step, layer, 0)
        if layer.moving_weights:
            name = self.nodes.product(layer, source, self.made.get(step.inputs[1]))
        else:
            name = self.nodes.layer(layer, source)
        # The groups of a product of several heads are an axis of their own.
        rows = not turned and len(self._split(step.shape)) < 4
        shape = self._map(step, rows=rows)
        name = self.nodes.shaped(name, shape, f"{layer.name}_output")
        for number in step.added:
            name = self.nodes.operator("add", f"{layer.name}_add", [name, self.made[number]], shape)
        self._note(step, name, rows=rows)

    def _transposed(self, step: Step) -> None:
        if len(step.shapes[0]) != (step.axes or 0) + 2:
            raise NoGraphError(f"layer '{step.name}' reads an image without a batch axis")
        name = self.nodes.transposed(parts_of(self.layers[step.name]), self.made.get(step.inputs[0]))
        self._note(step, self.nodes.shaped(name, first_map(step.shape), f"{step.name}_output"), rows=False)

    def _recurrent(self, step: Step) -> None:
        layers = [found.layer for found in self.layers[step.name]]
        axes, ways, steps_first = step.arguments
        read, images = step.shapes[0], layers[0].batch
        if len(read) != axes:
            raise NoGraphError(f"layer '{step.name}' reads a sequence without a batch axis")
        if len(read) == 3 and steps_first and (images, self.watch.images) != (1, 1):
            raise NoGraphError(f"layer '{step.name}' reads its steps before its images")
        source = self._rows(step, layers[0], 0)
        name = self.nodes.recurrent(layers, ways, source, [self.made.get(number) for number in step.inputs[1:]])
        rows = len(read) == 3 and not steps_first
        self._note(step, self.nodes.shaped(name, self._map(step, rows=rows), f"{step.name}_output"), rows=rows)

    def _operator(self, step: Step) -> None:
        kind, rows = self._kind(step)
        shape, number = self._map(step, rows=rows), step.inputs[0]
        sources = [self._read(number, of, rows=rows) for number, of in zip(step.inputs, step.shapes, strict=True)]
        if kind == "reshape" and len(sources) == 1 and self._split(step.shape) == self._split(step.shapes[0]):
            self._note(step, sources[0], rows=number in self.rows or rows)
            return
        if kind == "reshape" and len(shape) == 1 and step.inputs[0] in self.rows:
            sources = [self.nodes.turned(sources[0], f"{step.name or kind}_turned"), *sources[1:]]
        self._note(step, self.nodes.operator(kind, plain_name(step.name), sources, shape), rows=rows)

    def _read(self, number: int, shape: tuple[int, ...], *, rows: bool) -> str:
        """The node of a value, with its channels last where they have to be."""
        source = self.made[number]
        if not rows or number in self.rows or len(shape) < 3:
            return source
        return self.nodes.operator("reshape", "", [source], last_map(self._split(shape)))

    def _kind(self, step: Step) -> tuple[Kind, bool]:
        """What an operator is, and whether the channels of what it gives come last."""
        shapes, shape, name = tuple(map(self._split, step.shapes)), self._split(step.shape), step.operator
        kind: Kind = "upsample" if name.lstrip("_").startswith("upsample_") else _KINDS.get(name, "other")
        last = [number in self.rows for number in step.inputs]
        # An operator that joins or parts the images of a batch gives maps of no one image. Axes are told for the shapes
        # in which heads and images are one.
        by_axis = kind == "concat" or name in _REDUCES
        if any(one[:1] != shape[:1] for one in shapes) or (by_axis and (*shapes, shape) != (*step.shapes, step.shape)):
            return "other", False
        if name in _SUMS and len(shapes) == 1:
            kind = "normalise" if name in _SCALES else "activation"
        if name in _ALIKE:
            # Where one map has its channels last, they are read so of all, which costs a reshape.
            alike = len({len(one) for one in (*shapes, shape)}) == 1 or not any(last)
            return (kind if alike else "other"), any(last) and alike
        if kind == "concat":
            axis = (step.arguments[-1] if isinstance(step.arguments[-1], int) else 0) % len(shape)
            whole = step.whole and axis == (len(shape) - 1 if all(last) else 1)
            return (kind if whole and (all(last) or not any(last)) else "other"), all(last)
        if name in _REDUCES:
            held: Kind = kind if _reduces_positions(step, rows=last[0]) else "other"
            return held, last[0] and held == "pool"
        if kind == "upsample" and all(a <= b for a, b in zip(shape, shapes[0], strict=True)):
            return "pool", False
        return ("other" if any(last) and kind != "reshape" else kind), False


def _used(watch: Watch) -> list[Step]:
    """Layers, and the operators whose values something reads: indices of a pooling, say, mostly nobody does."""
    used, kept = set(watch.results), list[Step]()
    for step in reversed(watch.steps):
        if step.axes is not None or step.output in used:
            used.update(step.inputs)
            kept.append(step)
    return kept[::-1]


def _reduces_positions(step: Step, *, rows: bool) -> bool:
    """Whether a reduction is over all positions of a map and nothing else; `rows`: channels come last."""
    axes = len(step.shapes[0])
    given = next((one for one in step.arguments if isinstance(one, list | tuple)), ())
    positions = range(1, axes - 1) if rows else range(2, axes)
    return bool(given) and {int(axis) % axes for axis in given} == set(positions)
