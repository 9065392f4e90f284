"""PyTorch models: layers, weights and activations seen while the model runs.

    imported = capture(model, inputs)
    save_traces("mine.npz", imported.workload)

A list of inputs makes a workload of several: `capture(model, [first, second])`.

torch is loaded by the caller, who has a model; importing this module does not load it. Products are seen where torch
dispatches its operators (`dispatch`), whoever calls them, with the tensors that the operators read; hooks on modules tell
the layers' names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, cast

from workloads.errors import InputError
from workloads.importers.graph_nodes import build
from workloads.importers.imported import (
    STEPS,
    FoundLayer,
    Imported,
    joined_runs,
    omitted_operators,
    require,
    shares_by_input,
    workload_of,
)
from workloads.importers.torch.dispatch import Watcher, decomposed, watching
from workloads.importers.torch.nodes import graph_of
from workloads.importers.torch.seen import Seen
from workloads.importers.torch.tensors import Origins
from workloads.importers.torch.watch import Watch
from workloads.source import output_densities
from workloads.transposed import Form


def capture(model: Any, inputs: Any, name: str = "", transposed: Form = "stretched") -> Imported:
    """The network of a torch model and its traces on real inputs.

    model       a `torch.nn.Module`; it runs in evaluation mode and is left as it was
    inputs      a tensor (its first axis is the batch), or a tuple of the model's arguments; a list of either: the model
                runs on one after another, and the workload holds them all
    name        of the network; by default the model's class
    transposed  how transposed convolutions become convolutions (`workloads.transposed`)

    Weights are those that the layers used, so that the masks of `torch.nn.utils.prune` are in them. A module that is
    called twice gives two layers. Raises `InputError` when nothing can be simulated, or when inputs lead to other
    layers, or other shapes, than the first.
    """
    torch = require("torch", "torch", "PyTorch models")
    given = cast("list[Any]", inputs) if isinstance(inputs, list) else [inputs]
    if not given:
        raise InputError("capture: the list of inputs is empty")
    runs = [_run(torch, model, one, transposed) for one in given]
    title = name or type(model).__name__
    omitted = omitted_operators(runs[0].seen.omitted)
    found = _joined([[layer for layers in run.layers.values() for layer in layers] for run in runs])
    drawn = build(lambda: graph_of(runs[0].watch, runs[0].layers))
    found = [
        # The first run alone says 0.2, the second 0.4: all of them say 0.3.
        replace(one, output_density=fmean(densities), output_densities=densities)
        for one, densities in zip(found, _stored_densities(found, len(runs)), strict=True)
    ]
    steps = (STEPS,) if runs[0].seen.recurrent else ()
    workload = workload_of(title, found, f"PyTorch model {title}", omitted, drawn, len(runs))
    return Imported(replace(workload, notes=(*workload.notes, *steps)), omitted, steps)


def _stored_densities(found: list[FoundLayer], inputs: int) -> list[tuple[float, ...]]:
    """For each layer the densities of the outputs that it stores, input by input."""
    dense = (1.0,) * inputs
    read = [dense if one.activations is None else shares_by_input(one.by_image() != 0, inputs) for one in found]
    # What a layer reads tells what the one before it stored, where that one plainly feeds it.
    layers, unknown = [one.layer for one in found], [None] * len(found)
    return list(
        zip(*(output_densities(layers, densities, unknown) for densities in zip(*read, strict=True)), strict=True)
    )


def _joined(runs: list[list[FoundLayer]]) -> list[FoundLayer]:
    """Each layer over all runs as one, which has the images of all of them."""
    for number, layers in enumerate(runs):
        if [one.layer.name for one in layers] != [one.layer.name for one in runs[0]]:
            raise InputError(f"capture: input {number} runs through other layers than the first")
        for one, first in zip(layers, runs[0], strict=True):
            if one.layer != first.layer:
                raise InputError(
                    f"capture: input {number} has shape {one.layer.input_shape} at layer '{one.layer.name}', the first "
                    f"{first.layer.input_shape}"
                )
    return [joined_runs(of_layer) for of_layer in zip(*runs, strict=True)]


@dataclass(frozen=True)
class _Run:
    """A run of a model: the layers of each call by its name, what else was seen, and what became of tensors."""

    layers: dict[str, list[FoundLayer]]
    seen: Seen
    watch: Watch


def _run(torch: Any, model: Any, inputs: Any, transposed: Form) -> _Run:
    """Call the model with hooks on every module; hooks and training modes are put back."""
    watch = Watch(torch)
    modes = {module: module.training for module in model.modules()}
    seen = Seen(torch, watch, [label for label, _ in model.named_modules()])
    handles = _hooks(model, seen)
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    try:
        # Dropout and batch statistics of training would give other zeros.
        model.eval()
        watch.enter(inputs)
        origins = Origins((*model.parameters(), *model.buffers()), watch.leaves(inputs))
        watcher = Watcher(
            torch, origins, watch.images, transposed, seen.place, seen.function, seen.refused, watch.aside
        )
        # Products are noted before an operator runs, and the graph once it has run: the inner mode sees it first.
        with torch.no_grad(), decomposed(torch), watch.watching(), watching(torch, watcher):
            made = model(*arguments)
        watch.leave(made)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    return _Run({call.name: call.make(call.name) for call in seen.calls}, seen, watch)


def _hooks(model: Any, seen: Seen) -> list[Any]:
    """Hooks that tell when each module begins and has run."""

    def entering(label: str) -> Any:
        return lambda module, _: seen.enter(label, module)

    def leaving(module: Any, args: tuple[Any, ...], given: dict[str, Any], out: Any) -> None:
        seen.leave(module, args, given, out)

    handles: list[Any] = []
    for label, module in model.named_modules():
        try:
            handles.append(module.register_forward_hook(leaving, with_kwargs=True))
        except RuntimeError:
            continue  # scripted modules take no hooks: the module around them gives what they run its name
        handles.append(module.register_forward_pre_hook(entering(label)))
    return handles
