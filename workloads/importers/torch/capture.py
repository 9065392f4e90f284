"""PyTorch models: layers, weights and activations seen while the model runs.

    imported = capture(model, inputs)
    save_traces("mine.npz", imported.workload)

A list of inputs makes a workload of several: `capture(model, [first, second])`.

torch is loaded by the caller, who has a model; importing this module does not load it. Products are seen where torch
dispatches its operators (`dispatch`), whoever calls them, with the tensors that the operators read; hooks on modules
tell the layers' names.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any, cast

from workloads.errors import InputError
from workloads.importers.graph_nodes import build
from workloads.importers.imported import (
    STEPS,
    FoundLayer,
    Imported,
    omitted_operators,
    require,
    workload_of,
)
from workloads.importers.torch.dispatch import Watcher, decomposed, watching
from workloads.importers.torch.nodes import graph_of
from workloads.importers.torch.runs import Runs
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

    Weights are those that the operators read, so that masks are in them, wherever they are applied. A module that is
    called twice gives two layers. Raises `InputError` when nothing can be simulated or products cannot be seen, or when
    inputs lead to other layers, shapes or weights than the first.
    """
    torch = require("torch", "torch", "PyTorch models")
    given = cast("list[Any]", inputs) if isinstance(inputs, list) else [inputs]
    if not given:
        raise InputError("capture: the list of inputs is empty")
    _require_visible(torch, model)
    title = name or type(model).__name__
    runs, omitted, steps, drawn = Runs(len(given)), (), (), (None, ())
    for number, one in enumerate(given):
        run = _run(torch, model, one, transposed)
        if number == 0:
            omitted = omitted_operators(run.seen.omitted)
            steps = (STEPS,) if run.seen.recurrent else ()
            drawn = build(partial(graph_of, run.watch, run.layers))
        runs.add([layer for layers in run.layers.values() for layer in layers])
        del run  # before the next one takes memory
    found = runs.joined()
    # What a layer reads tells what the one before it stored, where that one plainly feeds it.
    layers, unknown = [one.layer for one in found], [None] * len(found)
    stored = zip(*(output_densities(layers, read, unknown) for read in runs.shares()), strict=True)
    found = [
        # The first run alone says 0.2, the second 0.4: all of them say 0.3.
        replace(one, output_density=fmean(densities), output_densities=densities)
        for one, densities in zip(found, stored, strict=True)
    ]
    workload = workload_of(title, found, f"PyTorch model {title}", omitted, drawn, len(given))
    return Imported(replace(workload, notes=(*workload.notes, *steps)), omitted, steps)


def _require_visible(torch: Any, model: Any) -> None:
    for label, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta:
            raise InputError(f"capture: '{label}' is on the device 'meta': it has a shape, but no values")
    for label, module in model.named_modules():
        # torch runs these convolutions without dispatching them.
        if isinstance(module, torch.jit.ScriptModule) and "prim::mkldnn_convolution" in str(module.graph):
            raise InputError(
                f"capture: '{label or type(module).__name__}' holds convolutions that optimize_for_inference has made, "
                "which cannot be seen; capture the model that it was made of"
            )


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
        with suppress(NotImplementedError):  # an exported model is what it was when it was exported
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
    layers = {call.name: call.make(call.name) for call in seen.calls}
    # Hooks and modes refer to one another, and would keep the tensors of all calls for some time.
    seen.calls.clear()
    return _Run(layers, seen, watch)


def _hooks(model: Any, seen: Seen) -> list[Any]:
    """Hooks that tell when each module begins and has run."""

    def entering(label: str) -> Any:
        return lambda module, args, given: seen.enter(label, module, (args, given))

    def leaving(module: Any, args: tuple[Any, ...], given: dict[str, Any], out: Any) -> None:
        seen.leave(module, args, given, out)

    handles: list[Any] = []
    for label, module in model.named_modules():
        try:
            handles.append(module.register_forward_hook(leaving, with_kwargs=True))
        except RuntimeError:
            continue  # scripted modules take no hooks: the module around them gives what they run its name
        handles.append(module.register_forward_pre_hook(entering(label), with_kwargs=True))
    return handles
