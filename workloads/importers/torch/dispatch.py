"""Products of a torch model, whoever calls them, seen where torch dispatches its operators.

A side is constant when it is a parameter or buffer of the model or was computed from such alone (`Origins`); with a
constant matrix on one side a product is a layer with weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from workloads.errors import InputError
from workloads.importers.imported import NO_MATRIX
from workloads.importers.torch import operators
from workloads.importers.torch.operators import Convolution, Lstm, Matrices
from workloads.importers.torch.products import ConvolutionCall, MatrixCall, Product, moving_layers
from workloads.importers.torch.recurrent import lstm_product
from workloads.importers.torch.tensors import Origins, array_of, is_strided
from workloads.transposed import Form

ALONE = "both sides are constants: it can be computed once, ahead of all runs"
_MOVING = "its weights are computed from the model's inputs"
_COMPLEX = "its values are complex numbers"


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
        # Operators of functions (torch.cond) come here too, to be refused by name.
        supports_higher_order_operators = True

        def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = kwargs or {}
            if not hasattr(func, "overloadpacket"):
                raise InputError(f"capture: the model runs torch's '{func.name()}', inside which no products are seen")
            if torch.is_inference_mode_enabled() and not func.name().startswith("aten::upsample"):
                # Operators that consist of others arrive whole; the graph knows upsampling whole as well.
                with self:
                    made = func.decompose(*args, **given)
                if made is not NotImplemented:
                    return made
            # Before the operator runs, which may write over what it reads.
            read = tensors((args, given))
            constant, moving = watcher.origins.of(read)
            product = watcher.sees(func, args, read)
            made = func(*args, **given)
            if product is not None and product.take is not None:
                product.take(tensors(made)[0])
            watcher.origins.made(read, tensors(made), constant=constant, moving=moving)
            return made

    return Watch()


@dataclass(frozen=True)
class Place:
    """The module that runs, and the tensors that it was given.

    own  it is a layer, the last side of whose operator is its weights, unless they are computed from inputs
    """

    label: str
    own: bool = False
    given: tuple[Any, ...] = ()


class Watcher:
    """Finds the products among a model's operators.

    images   the model's batch
    form     how transposed convolutions become convolutions
    place    the module that runs now; None inside one whose products are known otherwise
    found    takes a place and the product that is about to be made there
    refused  takes a place, an operator and the reason why it is left out
    aside    a context in which what runs is not the model's work
    """

    def __init__(
        self,
        torch: Any,
        origins: Origins,
        images: int,
        form: Form,
        place: Callable[[], Place | None],
        found: Callable[[Place, Product], None],
        refused: Callable[[Place, str, str], None],
        aside: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.origins = origins
        self._torch, self._images = torch, images
        self._form: Form = form
        self._place, self._found, self._refused, self._aside = place, found, refused, aside

    def sees(self, func: Any, args: tuple[Any, ...], read: list[Any]) -> Product | None:
        """An operator is about to run, which reads these tensors; the product that it makes."""
        place = self._place()
        if place is None:
            return None
        with self._aside():
            made = self._made(func, args, read, place)
        if isinstance(made, Product):
            self._found(place, made)
            return made
        if made:
            self._refused(place, func.overloadpacket.__name__, made)
        return None

    def _made(self, func: Any, args: tuple[Any, ...], read: list[Any], place: Place) -> Product | str:
        """The product that an operator makes, or why it is refused; empty where it makes none."""
        # Sparse tensors, for one, have no storage of which there are views.
        sparse = any(not is_strided(one) for one in read)
        held = None if sparse else operators.read(self._torch, func, args)
        if held is None:
            weighs = any(one.ndim > 1 and self.origins.constant(one) for one in read)
            moving = sparse or any(map(self.origins.moves, read))
            reason = operators.refusal(self._torch, func, args, moving=moving, weighs=weighs)
            return operators.LAYOUT if reason and sparse else reason
        sides = (held.left, held.right) if isinstance(held, Matrices) else (held.inputs, held.weights)
        if any(one.is_complex() for one in sides):
            return _COMPLEX
        if not all(one.numel() for one in sides):
            return ""
        if isinstance(held, Lstm):
            return _MOVING if any(map(self.origins.moves, (held.weights, held.recurrent))) else lstm_product(held)
        return self._convolution(held, place) if isinstance(held, Convolution) else self._matrices(held, place)

    def _alone(self, place: Place, *sides: Any) -> bool:
        """Whether an operator multiplies constants, and does so not because its layer was given nothing else."""
        given = place.own and all(map(self.origins.constant, place.given))
        return all(map(self.origins.constant, sides)) and not given

    def _convolution(self, held: Convolution, place: Place) -> Product | str:
        if not held.packed and self.origins.moves(held.weights):
            return _MOVING
        if not held.packed and self._alone(place, held.side, held.weights):
            return ALONE
        axes = held.weights.ndim - 2
        # A single number stands for all axes.
        stride, padding, dilation = (
            one * axes if len(one) == 1 else one for one in (held.stride, held.padding, held.dilation)
        )
        call = ConvolutionCall(
            array_of(held.inputs),
            array_of(held.weights),
            stride,
            tuple((pad, pad) for pad in padding),
            dilation,
            held.groups,
            held.more * axes if len(held.more) == 1 else held.more,
            self._form if held.transposed else None,
        )
        # A row of an operator for maps is the map of a 1-D convolution.
        kind = "transposed" if held.transposed else "layer"
        return Product(call.layers, kind, held.side.ndim - 2, (held.side,), call=call)

    def _matrices(self, held: Matrices, place: Place) -> Product | str:
        left, right = held.left, held.right
        if held.packed:
            packed = MatrixCall(array_of(left), array_of(right).T)
            return Product(packed.layers, "product", 0, held.sides[:1], arguments=(False,), call=packed)
        if self._alone(place, *held.sides):
            return ALONE
        first, last = map(self.origins.constant, held.sides)
        if (first and last) or (place.own and not first and not self.origins.moves(held.sides[1])):
            first, last = False, True
        if not first and not last:
            a, b, images = array_of(left), array_of(right), self._images
            return Product(
                lambda name: moving_layers(name, a, b, images), "product", 0, held.sides, held.added, (False,)
            )
        if left.ndim > 2:
            # A stack whose matrices are all one and the same is that matrix, over the rows of all.
            constant, moving = (left, right.transpose(1, 2)) if first else (right, left)
            if len(constant) > 1 and constant.stride(0) != 0:
                return NO_MATRIX
            a, b = array_of(moving.reshape(-1, moving.shape[-1])), array_of(constant[0])
        else:
            a, b = (array_of(right).T, array_of(left)) if first else (array_of(left), array_of(right))
        call = MatrixCall(a, b.T if first else b)  # A·x as a layer reads x^T·A^T
        return Product(call.layers, "product", 0, held.sides[first : first + 1], held.added, (first,), call)


def rows_of(call: MatrixCall, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The axes before the last one of a tensor that a product reads joined; None: it reads another tensor."""
    fits = shape[-1:] == call.inputs.shape[1:] and math.prod(shape[:-1]) == len(call.inputs)
    return (shape[:-1] or (1,)) if fits else None
