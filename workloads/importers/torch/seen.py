"""What a run of a PyTorch model has shown: the calls of its layers, in order, and what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from workloads.importers.imported import FoundLayer
from workloads.importers.torch import recurrent
from workloads.importers.torch import transposed as transposed_modules
from workloads.importers.torch.functions import Product, array_of
from workloads.importers.torch.modules import Call, is_layer, module_layer
from workloads.importers.torch.watch import Watch
from workloads.names import plain_name
from workloads.transposed import Form

_REASONS = {"Bilinear": "a product of two inputs and a third tensor, which is no product of two matrices"}
Maker = Callable[[str], list[FoundLayer]]


class Seen:
    """What a run has shown: calls with functions that make their layers, and operators that are left out."""

    def __init__(self, torch: Any, transposed: Form, watch: Watch) -> None:
        self.calls: list[tuple[str, Maker]] = []
        self.omitted: list[tuple[str, str]] = []
        self.recurrent = False
        self._torch = torch
        self._watch = watch
        self._transposed: Form = transposed
        self._counts: Counter[str] = Counter()
        self._scopes: list[str] = []  # names of the modules that run now
        self._multiplied: set[str] = set()  # modules in which functions have made products
        self._known = 0  # modules among them whose products are known from themselves

    def scope(self) -> str | None:
        """The name of the module that runs; None inside one whose products are known from itself."""
        return None if self._known else (self._scopes[-1] if self._scopes else "")

    def found(self, label: str, make: Maker) -> str:
        """Note a call under a name that no other has; the name."""
        # A module that is called twice reads two inputs: two layers with the same weights.
        self._counts[label] += 1
        unique = label if self._counts[label] == 1 else f"{label}_{self._counts[label]}"
        self.calls.append((plain_name(unique), make))
        return self.calls[-1][0]

    def function(self, place: str, product: Product) -> None:
        """Note a product that a function is about to make in a module."""
        self._multiplied.add(place)
        name = self.found(f"{place}.product" if place else "product", lambda name: [product.make(name)])
        self._watch.product(name, product.sides, product.added, turned=product.turned)

    def refused(self, kind: str, reason: str) -> None:
        """Note an operator that is left out."""
        self.omitted.append((kind, reason))

    def enter(self, label: str, module: Any) -> None:
        """A module begins."""
        self._scopes.append(label)
        if not self._known:
            if self._has_layers(module):
                self._watch.open_layer()
            elif not any(True for _ in module.children()):
                self._watch.open_module(label)
        self._known += self._is_known(module)

    def leave(self, label: str, module: Any, given: tuple[Any, ...], out: Any) -> None:
        """A module has run."""
        kind = type(module).__name__
        outer = self._known - self._is_known(module)
        # While it still counts, for states of recurrent layers are computed again.
        make = None if outer else self._maker(kind, module, given, out)
        self._scopes.pop()
        self._known = outer
        if outer:
            return
        if self._has_layers(module):
            name = label or kind if make is None else self.found(label or kind, make)
            self._close(name, module, given, out, refused=make is None)
        if make is not None:
            return
        # A module with children is a container, whose work its children do; one without is an operator by itself.
        if kind in _REASONS or not (
            any(True for _ in module.children()) or self._is_recurrent(kind) or label in self._multiplied
        ):
            self.omitted.append((kind, _REASONS.get(kind, "")))

    def _maker(self, kind: str, module: Any, given: tuple[Any, ...], out: Any) -> Maker | None:
        """The function that makes the layers of a module's call; None: it has none, or is refused."""
        if is_layer(self._torch, module):
            call = Call("", module, array_of(given[0]), array_of(module.weight))
            return lambda name: [module_layer(replace(call, name=name))]
        if kind in transposed_modules.KINDS:
            tensors = array_of(given[0]), array_of(module.weight)
            size = tuple(out.shape[len(out.shape) - len(module.kernel_size) :])
            return lambda name: transposed_modules.module_layers(name, module, *tensors, size, self._transposed)
        if not self._is_recurrent(kind):
            return None
        reason = recurrent.refusal(self._torch, module, given)
        if reason:
            self.omitted.append((kind, reason))
            return None
        self.recurrent = True
        if kind in recurrent.CELLS:
            layers = recurrent.cell_layers("", module, given)
        else:
            layers = recurrent.sequence_layers(self._torch, "", module, given)
        # They were made now, since states may be written over later; their names come when all are known.
        return lambda name: [
            replace(one, layer=replace(one.layer, name=plain_name(name + one.layer.name))) for one in layers
        ]

    def _close(self, name: str, module: Any, given: tuple[Any, ...], out: Any, *, refused: bool) -> None:
        """Tell the graph what a module has read and made."""
        kind = type(module).__name__
        read: list[Any] = [given[0]]
        operator, axes, arguments = "layer", 0, ()
        if self._is_recurrent(kind):
            read = self._watch.leaves(given)
            operator, arguments = "recurrent", recurrent.order(module)
        else:
            operator = "transposed" if kind in transposed_modules.KINDS else "layer"
            axes = module.weight.ndim - 2
        self._watch.close_layer("refused" if refused else operator, name, read, out, axes, arguments)

    def _is_known(self, module: Any) -> bool:
        return type(module).__name__ in _REASONS or self._has_layers(module)

    def _has_layers(self, module: Any) -> bool:
        kind = type(module).__name__
        return kind in transposed_modules.KINDS or self._is_recurrent(kind) or is_layer(self._torch, module)

    @staticmethod
    def _is_recurrent(kind: str) -> bool:
        return kind in (*recurrent.MODULES, *recurrent.CELLS)
