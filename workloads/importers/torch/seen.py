"""What a run of a PyTorch model has shown: the calls of its layers, in order, and what is left out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from workloads.importers.torch import recurrent
from workloads.importers.torch.dispatch import ALONE, Place
from workloads.importers.torch.modules import as_called, is_layer, same_padding
from workloads.importers.torch.products import ConvolutionCall, Maker, Product
from workloads.importers.torch.watch import Watch
from workloads.names import plain_name


@dataclass
class _Frame:
    """A module that runs.

    known    its products are known from itself
    own      it is a layer
    given    the tensors that a layer was given
    calls    how many there were when it began
    omitted  how many operators had been left out
    mark     of the watch
    """

    label: str
    module: Any
    known: bool
    own: bool
    given: tuple[Any, ...]
    calls: int
    omitted: int
    mark: tuple[int, int, str]


@dataclass
class _Call:
    """A call under its name; `product`: of a layer that still runs, its own."""

    name: str
    make: Maker
    product: Product | None = None


class Seen:
    """What a run has shown: calls with functions that make their layers, and operators that are left out.

    labels  names of all modules, which no other module's calls take
    """

    def __init__(self, torch: Any, watch: Watch, labels: Collection[str]) -> None:
        self.calls: list[_Call] = []
        self.omitted: list[tuple[str, str]] = []
        self.recurrent = False  # whether a layer is recurrent
        self._torch = torch
        self._watch = watch
        self._labels = {plain_name(label) for label in labels if label}
        self._taken: set[str] = set()
        self._frames: list[_Frame] = []  # modules that run now, the innermost last

    def place(self) -> Place | None:
        """The module that runs; None inside one whose products are known from itself."""
        if any(one.known for one in self._frames):
            return None
        if not self._frames:
            return Place("")
        frame = self._frames[-1]
        return Place(frame.label or (type(frame.module).__name__ if frame.own else ""), frame.own, frame.given)

    def function(self, place: Place, product: Product) -> None:
        """Note a product that an operator is about to make in a module."""
        if place.own:
            product = _padded(product, self._frames[-1].module)
        self.recurrent |= product.operator == "recurrent"
        kind = "convolution" if product.axes else "product"
        label = place.label if place.own else f"{place.label}.{kind}".lstrip(".")
        if product.operator == "recurrent":
            label = place.label or "recurrent"
        call = self._note(label, product.make)
        if place.own:  # the layer may be all that its module does
            call.product = product
        self._watch.product(call.name, product)

    def refused(self, place: Place, kind: str, reason: str) -> None:
        """Note an operator that is left out."""
        del place
        # A module of torch's own is known by its name.
        module = type(self._frames[-1].module).__name__ if self._frames else ""
        self.omitted.append((module if module == "Bilinear" else kind, reason))

    def enter(self, label: str, module: Any, given: Any) -> None:
        """A module begins."""
        known, own = recurrent.is_known(self._torch, module), is_layer(self._torch, module)
        if self.place() is not None:
            if known:
                self._watch.open_layer()
            elif not own and not any(True for _ in module.children()):
                self._watch.open_module(label)
        tensors = tuple(self._watch.leaves(given)) if own else ()
        counts = len(self.calls), len(self.omitted)
        self._frames.append(_Frame(label, module, known, own, tensors, *counts, self._watch.mark()))

    def leave(self, module: Any, args: tuple[Any, ...], given: dict[str, Any], out: Any) -> None:
        """A module has run."""
        frame = self._frames[-1]
        if frame.known:
            # While its frame still counts, for states of recurrent layers are computed again.
            if not any(one.known for one in self._frames[:-1]):
                self._leave_recurrent(frame, recurrent.arguments(args, given), out)
            self._frames.pop()
            return
        self._frames.pop()
        if self.place() is None:
            return
        made, left = self.calls[frame.calls :], self.omitted[frame.omitted :]
        # Weights may be made from others inside a layer, which is the same layer for that.
        if frame.own and len(made) == 1 and all(reason == ALONE for _, reason in left):
            self._close(frame, made[0], (args, given), out)
        for call in made:
            call.product = None  # tensors are not kept
        # A module with children is a container, whose work its children do; one without is an operator by itself. What
        # is inside a layer is a part of it.
        leaf = frame.own or not any(True for _ in module.children())
        if leaf and not (made or left or any(one.own for one in self._frames)):
            self.omitted.append((type(module).__name__, ""))

    def _close(self, frame: _Frame, call: _Call, given: Any, out: Any) -> None:
        """A layer has run with a single product: where that is all, the graph has the module in the product's place."""
        read, made = self._watch.leaves(given), self._watch.leaves(out)
        # A layer inside this one has closed before, and taken its product with it.
        if call.product is None or not read or len(made) != 1:
            return
        product = as_called(call.product, read[0], made[0])
        if product is not None:
            call.make = product.make
            self._watch.close_marked(frame.mark, product.operator, call.name, read[0], made[0], product.axes)

    def _leave_recurrent(self, frame: _Frame, given: tuple[Any, ...], out: Any) -> None:
        module, kind = frame.module, type(frame.module).__name__
        reason = recurrent.refusal(self._torch, module, given)
        name = frame.label or kind
        if reason:
            self.omitted.append((kind, reason))
        else:
            self.recurrent = True
            # They are made now, since states may be written over later; their names come when all are known.
            layers = recurrent.layers(self._torch, module, given)
            name = self._note(
                name,
                lambda name: [
                    replace(one, layer=replace(one.layer, name=plain_name(name + one.layer.name))) for one in layers
                ],
            ).name
        read = self._watch.leaves(given)
        operator = "refused" if reason else "recurrent"
        self._watch.close_layer(operator, name, read, out, 0, recurrent.order(module))

    def _note(self, label: str, make: Maker) -> _Call:
        """Note a call under a name that no other has."""
        # A module that is called twice reads two inputs: two layers with the same weights.
        name, number = plain_name(label), 1
        while name in self._taken or (number > 1 and name in self._labels):
            number += 1
            name = plain_name(f"{label}_{number}")
        self._taken.add(name)
        self.calls.append(_Call(name, make))
        return self.calls[-1]


def _padded(product: Product, module: Any) -> Product:
    """The product of a module that pads its input to keep its size, with the padding as that."""
    pads, call = same_padding(module), product.call
    if pads is None or not isinstance(call, ConvolutionCall):
        return product
    call = call.within(pads)
    return replace(product, make=call.layers, call=call)
