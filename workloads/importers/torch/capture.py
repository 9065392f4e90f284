"""PyTorch models: layers, weights and activations seen by forward hooks while the model runs.

    imported = capture(model, inputs)
    save_traces("mine.npz", imported.workload)

A list of inputs makes a workload of several: `capture(model, [first, second])`.

torch is loaded by the caller, who has a model; importing this module does not load it. What a model calls as a function
(torch.nn.functional.conv2d, the products inside MultiheadAttention) has no module and is no layer; the graph knows it
as an operator of which only the shape is known.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, cast

import numpy as np

from workloads.errors import InputError
from workloads.importers.graph_nodes import build
from workloads.importers.imported import (
    FoundLayer,
    Imported,
    Made,
    omitted_operators,
    product_activations,
    product_layer,
    require,
    shares_by_input,
    workload_of,
)
from workloads.importers.torch.nodes import graph_of
from workloads.importers.torch.watch import Watch
from workloads.layer import Layer, Pads
from workloads.names import plain_name
from workloads.source import output_densities

_CONVOLUTIONS = ("Conv1d", "Conv2d", "Conv3d")
_PAD_MODES: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
_REASONS = {
    **dict.fromkeys(
        ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"), "no machine here models a transposed convolution"
    ),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "recurrent, its products depend on one another"),
    "MultiheadAttention": "its products are calls of functions, which hooks do not see; export the model to ONNX",
    "Bilinear": "a product of two inputs, and machines here need weights",
}


@dataclass(frozen=True)
class _Call:
    """A module's call: its name, its input and its weights as they were then."""

    name: str
    module: Any
    inputs: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class _Run:
    """A run of a model: the calls of layers, other operators with why they are refused, and what their tensors were."""

    calls: list[_Call]
    seen: list[tuple[str, str]]
    watch: Watch


def capture(model: Any, inputs: Any, name: str = "") -> Imported:
    """The network of a torch model and its traces on real inputs.

    model    a `torch.nn.Module`; it runs in evaluation mode and is left as it was
    inputs   a tensor (its first axis is the batch), or a tuple of the model's arguments; a list of either: the model
             runs on one after another, and the workload holds them all
    name     of the network; by default the model's class

    Weights are those that the layers used, so that the masks of `torch.nn.utils.prune` are in them. A module that is
    called twice gives two layers. Raises `InputError` when nothing can be simulated, or when inputs lead to other
    layers, or other shapes, than the first.
    """
    torch = require("torch", "torch", "PyTorch models")
    given = cast("list[Any]", inputs) if isinstance(inputs, list) else [inputs]
    if not given:
        raise InputError("capture: the list of inputs is empty")
    runs = [_calls(torch, model, one) for one in given]
    title = name or type(model).__name__
    omitted = omitted_operators(runs[0].seen)
    found = [_found(call) for call in _joined([run.calls for run in runs])]
    # The graph is that of one run, whose layers have its batch.
    layers = {one.layer.name: one.layer.with_batch(one.layer.batch // len(runs)) for one in found}
    drawn = build(lambda: graph_of(runs[0].watch, layers))
    found = [
        # The first run alone says 0.2, the second 0.4: all of them say 0.3.
        replace(one, output_density=fmean(densities), output_densities=densities)
        for one, densities in zip(found, _stored_densities(found, len(runs)), strict=True)
    ]
    return Imported(workload_of(title, found, f"PyTorch model {title}", omitted, drawn, len(runs)), omitted)


def _stored_densities(found: list[FoundLayer], inputs: int) -> list[tuple[float, ...]]:
    """For each layer the densities of the outputs that it stores, input by input."""
    dense = (1.0,) * inputs
    read = [dense if one.activations is None else shares_by_input(one.activations != 0, inputs) for one in found]
    # What a layer reads tells what the one before it stored, where that one plainly feeds it.
    layers, unknown = [one.layer for one in found], [None] * len(found)
    return list(
        zip(*(output_densities(layers, densities, unknown) for densities in zip(*read, strict=True)), strict=True)
    )


def _joined(runs: list[list[_Call]]) -> list[_Call]:
    """Each layer's calls over all runs as one, their inputs joined along the batch."""
    for number, calls in enumerate(runs):
        if [call.name for call in calls] != [call.name for call in runs[0]]:
            raise InputError(f"capture: input {number} runs through other layers than the first")
        for call, first in zip(calls, runs[0], strict=True):
            if call.inputs.shape != first.inputs.shape:
                raise InputError(
                    f"capture: input {number} has shape {call.inputs.shape} at layer '{call.name}', the first "
                    f"{first.inputs.shape}"
                )
    return [
        replace(calls[0], inputs=np.concatenate([call.inputs for call in calls])) for calls in zip(*runs, strict=True)
    ]


def _calls(torch: Any, model: Any, inputs: Any) -> _Run:
    """What is seen when a model runs once."""
    calls: list[_Call] = []
    seen: list[tuple[str, str]] = []
    counts: Counter[str] = Counter()
    watch = Watch(torch)

    def note(label: str, module: Any, given: tuple[Any, ...], made: Any) -> None:
        kind = type(module).__name__
        if _is_layer(torch, module):
            # A module that is called twice reads two inputs: two layers with the same weights.
            counts[label] += 1
            unique = label if counts[label] == 1 else f"{label}_{counts[label]}"
            weights = _array(module.weight)
            calls.append(_Call(plain_name(unique), module, _batched(_array(given[0]), weights), weights))
            watch.close_layer(calls[-1].name, given[0], made, module.weight.ndim - 2)
        # A module with children is a container, whose work its children do; one without is an operator by itself.
        elif kind in _REASONS or not any(True for _ in module.children()):
            seen.append((kind, _REASONS.get(kind, "")))

    _run(torch, model, inputs, note, watch)
    return _Run(calls, seen, watch)


def _batched(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Inputs with the batch axis that torch lets a single image of a convolution, or row of features, lack."""
    image = inputs.ndim == 1 if weights.ndim == 2 else inputs.ndim < weights.ndim
    return inputs[np.newaxis] if image else inputs


def _run(torch: Any, model: Any, inputs: Any, note: Any, watch: Watch) -> None:
    """Call the model with hooks on every module; hooks and training modes are put back."""
    modes = {module: module.training for module in model.modules()}

    def begin(label: str) -> Any:
        def hook(module: Any, given: Any) -> None:
            del given
            if _is_layer(torch, module):
                watch.open_layer()
            elif not any(True for _ in module.children()):
                watch.open_module(label)

        return hook

    def end(label: str) -> Any:
        return lambda module, given, made: note(label or type(module).__name__, module, given, made)

    # Behind the module's own call, so that the masked weights of `torch.nn.utils.prune`, which are put there before it,
    # are the ones that are seen.
    handles = [module.register_forward_hook(end(label)) for label, module in model.named_modules()]
    handles += [module.register_forward_pre_hook(begin(label)) for label, module in model.named_modules()]
    try:
        # Dropout and batch statistics of training would give other zeros.
        model.eval()
        watch.enter(inputs)
        with torch.no_grad(), watch.watching():
            watch.leave(model(*inputs) if isinstance(inputs, tuple) else model(inputs))
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training


def _is_layer(torch: Any, module: Any) -> bool:
    kinds = tuple(getattr(torch.nn, kind) for kind in (*_CONVOLUTIONS, "Linear"))
    transposed = isinstance(module, torch.nn.modules.conv._ConvTransposeNd)  # noqa: SLF001 (torch has no public base)
    return isinstance(module, kinds) and not transposed


def _array(tensor: Any) -> np.ndarray:
    """A copy, so that later operations in place do not change it; narrow floats become float32."""
    held = tensor.detach().cpu()
    # numpy has no bfloat16.
    held = held.float() if held.is_floating_point() and held.element_size() == 2 else held
    return held.numpy().copy()


def _found(call: _Call) -> FoundLayer:
    weights = call.weights
    if weights.ndim == 2:
        layer = product_layer(call.name, call.inputs.shape[:-1], call.module.in_features, call.module.out_features)
        return FoundLayer(layer, _held(weights.reshape(layer.weight_shape)), product_activations(layer, call.inputs))
    inputs = call.inputs
    pads = _pads(call.module)
    # Reflected or repeated values are no zeros: they are put into the activations, and the layer pads nothing itself.
    if call.module.padding_mode != "zeros":
        inputs = np.pad(inputs, ((0, 0), (0, 0), *pads), mode=_PAD_MODES[call.module.padding_mode])
        pads = ((0, 0),) * len(pads)
    layer = _conv(call, inputs.shape, pads)
    return FoundLayer(layer, _held(weights.reshape(layer.weight_shape)), inputs.reshape(layer.input_shape))


def _held(weights: np.ndarray) -> Made:
    return Made(lambda: weights)


def _pads(module: Any) -> Pads:
    """(before, after) of each axis; torch keeps them last axis first."""
    flat = module._reversed_padding_repeated_twice  # noqa: SLF001 (the only place where 'same' is resolved)
    # (left, right, top, bottom) gives (top, bottom), (left, right): pairs from the last to the first.
    return tuple((flat[i], flat[i + 1]) for i in range(len(flat) - 2, -2, -2))


def _conv(call: _Call, shape: tuple[int, ...], pads: Pads) -> Layer:
    module = call.module
    row = len(shape) == 3  # a 1-D convolution is a 2-D one over a single row
    try:
        return Layer(
            name=call.name,
            in_channels=module.in_channels,
            out_channels=module.out_channels,
            input_size=(1,) * row + shape[2:],
            kernel_size=(1,) * row + tuple(module.kernel_size),
            stride=(1,) * row + tuple(module.stride),
            padding=((0, 0),) * row + pads,
            dilation=(1,) * row + tuple(module.dilation),
            groups=module.groups,
            batch=shape[0],
        )
    except InputError as error:
        raise InputError(f"PyTorch {type(module).__name__}: {error}") from None
