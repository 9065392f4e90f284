"""What a PyTorch model does while it runs: which operators and layers read which tensors.

Operators are seen below autograd, where every call of a model ends (torch's dispatch mode), so that functions and
methods of tensors are seen as modules are. A tensor is followed for as long as it lives.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from workloads.importers.torch.products import Product

# What they give depends on shapes alone, not on values.
_SHAPES_ALONE = frozenset({"empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like"}) | {
    *("new_empty", "new_zeros", "new_ones", "new_full", "new_empty_strided"),
}


@dataclass(frozen=True)
class Step:
    """An operator or a layer: what it reads and makes, as numbers of values; `shape` with the batch.

    operator   torch's name without overload and without the mark of operators in place: "add"; what has layers is a
               "layer", "transposed", "recurrent" or a "product"
    name       the layer's; of an operator the module's, where it is the first one of that
    arguments  what an operator is told besides tensors, such as axes
    whole      whether all tensors that it reads depend on the model's inputs
    axes       of a layer: those that its kernels move along, 0 of a matrix product; None: it is no layer
    added      values that are added to a product
    """

    operator: str
    name: str
    inputs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    output: int
    shape: tuple[int, ...]
    arguments: tuple[Any, ...] = ()
    whole: bool = True
    axes: int | None = None
    added: tuple[int, ...] = ()


@dataclass
class Watch:
    """The steps of a run; `unknown`: why what follows cannot be trusted, the first reason."""

    torch: Any
    steps: list[Step] = field(default_factory=list[Step])
    inputs: list[tuple[int, tuple[int, ...]]] = field(default_factory=list[tuple[int, tuple[int, ...]]])
    results: list[int] = field(default_factory=list[int])
    unknown: str = ""

    def __post_init__(self) -> None:
        from torch.utils.weak import WeakTensorKeyDictionary  # noqa: PLC0415 # pyright: ignore[reportMissingImports]

        self._values: Any = WeakTensorKeyDictionary()
        self._count = 0
        self._layers_open = 0
        self._module = ""
        self._product: tuple[str, Product] | None = None

    def leaves(self, held: Any) -> list[Any]:
        """All tensors in nested tuples, lists and dictionaries."""
        found = self.torch.utils._pytree.tree_leaves(held)  # noqa: SLF001 (torch has no public one)
        return [one for one in found if isinstance(one, self.torch.Tensor)]

    def enter(self, inputs: Any) -> None:
        """Note the model's inputs."""
        self.inputs = [(self._new(one), tuple(one.shape)) for one in self.leaves(inputs)]

    @property
    def images(self) -> int:
        """The model's batch: what the first axis of its first input counts."""
        shapes = [shape for _, shape in self.inputs if shape]
        return shapes[0][0] if shapes else 1

    def leave(self, outputs: Any) -> None:
        """Note the model's results."""
        self.results = [self._values[one] for one in self.leaves(outputs) if one in self._values]

    def open_layer(self) -> None:
        """A layer begins: what it calls is no operator of the model."""
        self._layers_open += 1

    def close_layer(
        self, operator: str, name: str, given: Sequence[Any], made: Any, axes: int, arguments: tuple[Any, ...] = ()
    ) -> None:
        """What has layers ends, and has read some tensors; for `axes` and `arguments` see `Step`."""
        self._layers_open -= 1
        numbers, shapes = self._numbers(given), tuple(tuple(one.shape) for one in given)
        known = None if operator == "refused" else axes
        if known is None:
            numbers = tuple(number for number in numbers if number >= 0)
            if not numbers:
                return
        results = self.leaves(made)
        first, *others = (self._new(one) for one in results)
        self.steps.append(Step(operator, name, numbers, shapes, first, tuple(results[0].shape), arguments, axes=known))
        # States behind the last step are made of what all steps give.
        self.steps += [
            Step("state", "", (first,), (tuple(results[0].shape),), number, tuple(one.shape))
            for number, one in zip(others, results[1:], strict=True)
        ]

    def mark(self) -> tuple[int, int, str]:
        """What has been seen so far, for `close_marked`."""
        return len(self.steps), self._count, self.unknown

    def close_marked(
        self, mark: tuple[int, int, str], operator: str, name: str, given: Any, made: Any, axes: int
    ) -> None:
        """What was seen since a mark is one layer, which has read a tensor and made another."""
        steps, count, self.unknown = mark
        del self.steps[steps:]
        for one in [one for one, number in self._values.items() if number > count]:
            del self._values[one]
        self._layers_open += 1
        self.close_layer(operator, name, [given], made, axes)

    def product(self, name: str, product: Product) -> None:
        """The next operator is a layer: a product."""
        self._product = (name, product)

    @contextmanager
    def aside(self) -> Generator[None]:
        """What runs while this lasts is not the model's work."""
        self._layers_open += 1
        try:
            yield
        finally:
            self._layers_open -= 1

    def _numbers(self, tensors: Sequence[Any]) -> tuple[int, ...]:
        return tuple(self._values.get(one, -1) for one in tensors)

    def open_module(self, name: str) -> None:
        """A module without children begins, whose first operator has its name."""
        self._module = name

    @contextmanager
    def watching(self) -> Generator[None]:
        """Operators are seen while this lasts."""
        from torch.utils._python_dispatch import TorchDispatchMode  # noqa: PLC0415 # pyright: ignore[reportMissingImports]

        watch = self

        class Mode(TorchDispatchMode):  # pyright: ignore[reportUntypedBaseClass]
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                del types
                made = func(*args, **(kwargs or {}))
                if not watch._layers_open:
                    watch._see(func, (args, kwargs or {}), made)
                return made

        with Mode():
            yield

    def _new(self, tensor: Any) -> int:
        self._count += 1
        self._values[tensor] = self._count
        return self._count

    def _see(self, func: Any, given: Any, made: Any) -> None:
        if self._product is not None:
            self._see_product(*self._product, self.leaves(made)[0])
            return
        name = func.name().removeprefix("aten::").partition(".")[0]
        read = self.leaves(given)
        known = [one for one in read if one in self._values]
        if not known or name in _SHAPES_ALONE:
            return
        if name == "_local_scalar_dense":
            self._doubt("a value of a tensor is taken out of it as a number")
            return
        # Numbers are taken before outputs get new ones, as an operator in place writes into what it reads.
        numbers, shapes = tuple(self._values[one] for one in known), tuple(tuple(one.shape) for one in known)
        if func._schema.is_mutable:  # noqa: SLF001 (torch has no public one)
            self._check_in_place(name, read[0])
        arguments = tuple(one for one in given[0] if not isinstance(one, self.torch.Tensor))
        for output in self.leaves(made):
            if output.numel():
                label, self._module = self._module, ""
                whole = len(known) == len(read)
                plain = name.removesuffix("_")
                self.steps.append(
                    Step(plain, label, numbers, shapes, self._new(output), tuple(output.shape), arguments, whole)
                )

    def _see_product(self, name: str, product: Product, made: Any) -> None:
        self._product, self._module = None, ""
        shapes = tuple(tuple(one.shape) for one in product.sides)
        numbers, more = self._numbers(product.sides), tuple(one for one in self._numbers(product.added) if one >= 0)
        number, shape = self._new(made), tuple(made.shape)
        self.steps.append(
            Step(
                product.operator, name, numbers, shapes, number, shape, product.arguments, axes=product.axes, added=more
            )
        )

    def _check_in_place(self, name: str, target: Any) -> None:
        """Doubt what follows where an operator writes into a tensor that has other names."""
        if target not in self._values:
            self._doubt(f"{name} writes into a tensor that is not made of the model's inputs")
        storage = target.untyped_storage().data_ptr()
        if any(one is not target and one.untyped_storage().data_ptr() == storage for one in self._values):
            self._doubt(f"{name} writes into a part of a tensor, or into one that is in use in another shape")

    def _doubt(self, reason: str) -> None:
        self.unknown = self.unknown or reason
