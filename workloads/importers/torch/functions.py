"""Products that a torch model calls as functions: torch.matmul, `@`, einsum, attention, seen where torch dispatches.

Below its functions torch has a few operators of products (aten.mm, addmm, bmm, baddbmm). They are watched outside the
modules whose products are known from the modules themselves. A side is constant when it is a parameter or buffer of the
model or was computed from such alone; with a constant matrix on one side it is a layer with weights.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import NO_MATRIX, FoundLayer, Made, product_activations, product_layer
from workloads.importers.moving_products import MovingProduct

# Places of both sides among an operator's arguments.
_SIDES = {"mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2)}
_FUNCTION = "a convolution that is called as a function; make it a module, or export the model to ONNX"


@dataclass(frozen=True)
class Product:
    """A product that a function is about to make.

    make    makes its layer under a name
    sides   the tensors that are no constants, activations first
    added   what the operator adds to the product, if anything
    turned  whether the activations stand on the right, and are read turned
    """

    make: Callable[[str], FoundLayer]
    sides: tuple[Any, ...]
    added: tuple[Any, ...] = ()
    turned: bool = False


@contextmanager
def decomposed(torch: Any) -> Generator[None]:
    """Attention is computed from its products, in place of operators that hold them all."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def watching(torch: Any, watcher: Watcher) -> Any:
    """A mode under which a watcher sees every operator that torch dispatches."""
    tree = torch.utils._pytree.tree_leaves  # noqa: SLF001 (torch has no public one)

    def tensors(held: Any) -> list[Any]:
        return [one for one in tree(held) if isinstance(one, torch.Tensor)]

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):  # noqa: SLF001 (torch's documented place of it)
        def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
            # Before the operator runs, which may write over what it reads.
            watcher.sees(func.overloadpacket.__name__, args)
            constant = watcher.all_constant(tensors((args, kwargs or {})))
            made = func(*args, **(kwargs or {}))
            watcher.made(tensors(made), constant=constant)
            return made

    return Watch()


class Watcher:
    """Finds the products among a model's operators.

    images   the model's batch
    scope    the name of the module that runs now; None inside one whose products are known otherwise
    found    takes a product's place and the product
    refused  takes an operator and the reason why it is left out
    """

    def __init__(
        self,
        model: Any,
        images: int,
        scope: Callable[[], str | None],
        found: Callable[[str, Product], None],
        refused: Callable[[str, str], None],
    ) -> None:
        self._images, self._scope, self._found, self._refused = images, scope, found, refused
        # Storages by address; tensors are kept so that no other one gets the address of a constant.
        self._constants = {_storage(one): one for one in (*model.parameters(), *model.buffers()) if _strided(one)}

    def sees(self, kind: str, args: tuple[Any, ...]) -> None:
        """An operator is about to run."""
        place = self._scope()
        if place is None:
            return
        if kind in _SIDES:
            self._product(place, args[: _SIDES[kind][0]], *(args[side] for side in _SIDES[kind]))
        elif kind == "convolution":
            self._refused(kind, _FUNCTION)

    def all_constant(self, given: list[Any]) -> bool:
        """Whether an operator reads constants alone, so that what it makes is one."""
        return bool(given) and all(self._is_constant(one) for one in given)

    def made(self, tensors: list[Any], *, constant: bool) -> None:
        """What an operator has made, or written into."""
        for one in filter(_strided, tensors):
            # What activations are written into is no constant any more.
            if constant:
                self._constants.setdefault(_storage(one), one)
            else:
                self._constants.pop(_storage(one), None)

    def _is_constant(self, tensor: Any) -> bool:
        return _strided(tensor) and _storage(tensor) in self._constants

    def _product(self, place: str, added: tuple[Any, ...], left: Any, right: Any) -> None:
        sides = self._is_constant(left), self._is_constant(right)
        if all(sides) or not (_strided(left) and _strided(right)):
            return
        if any(sides) and left.ndim > 2:
            self._refused("bmm", NO_MATRIX)
            return
        a, b = array_of(left), array_of(right)
        if sides[0]:  # A·x as a layer reads x^T·A^T
            a, b = b.T, a.T
        make = _constant_product if any(sides) else _moving_product
        moving = tuple(side for side, constant in zip((left, right), sides, strict=True) if not constant)
        product = Product(lambda name: make(name, a, b, self._images), moving, added, turned=sides[0])
        self._found(place, product)


def _strided(tensor: Any) -> bool:
    return str(tensor.layout) == "torch.strided"


def _storage(tensor: Any) -> int:
    return tensor.untyped_storage().data_ptr()


def array_of(tensor: Any) -> np.ndarray:
    """A copy, so that later operations in place do not change it; narrow floats become float32."""
    held = tensor.detach().cpu()
    # numpy has no bfloat16.
    held = held.float() if held.is_floating_point() and held.element_size() == 2 else held
    return held.numpy().copy()


def _constant_product(name: str, inputs: np.ndarray, weights: np.ndarray, images: int) -> FoundLayer:
    del images
    # Functions have joined all axes before the last one: rows of all images are positions of one.
    layer = product_layer(name, (1, len(inputs)), *weights.shape)
    made = np.ascontiguousarray(weights.T).reshape(layer.weight_shape)
    return FoundLayer(layer, Made(lambda: made), product_activations(layer, inputs[np.newaxis]))


def _moving_product(name: str, left: np.ndarray, right: np.ndarray, images: int) -> FoundLayer:
    try:
        return MovingProduct.of(name, left.shape, right.shape, images).found(left[np.newaxis], right[np.newaxis])
    except InputError as error:
        raise InputError(f"PyTorch product {error}") from None
