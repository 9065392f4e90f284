"""Products of two activations, as attention has them: their layer from the shapes of both sides, and their tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import FoundLayer, Made
from workloads.layer import Layer
from workloads.source import Drawn

Shape = tuple[int, ...]


@dataclass(frozen=True)
class MovingProduct:
    """A product (..., M, K) by (..., K, N) of one run of a model; axes before the last two repeat as in numpy.

    lead    those axes, joined: heads of all images
    images  how many images lie along the first of them; 1 where that axis does not tell
    """

    name: str
    lead: Shape
    rows: int
    depth: int
    columns: int
    images: int

    @classmethod
    def of(cls, name: str, left: Shape, right: Shape, images: int = 1) -> Self:
        """From the shapes of both sides; `images` is the model's own batch. Raises `InputError` where they differ."""
        # A vector on the left is a row, one on the right a column.
        left = (1, *left) if len(left) == 1 else left
        right = (*right, 1) if len(right) == 1 else right
        try:
            lead = np.broadcast_shapes(left[:-2], right[:-2])
        except ValueError:
            lead = None
        if lead is None or not left or left[-1] != right[-2]:
            raise InputError(f"'{name}': sides of shapes {left} and {right} cannot be multiplied")
        # (8 images, 3 heads) and (24,) hold the same where the model's batch is 8; a first axis of 3 holds heads alone.
        fits = bool(lead) and lead[0] % images == 0
        return cls(name, lead, left[-2], left[-1], right[-1], images if fits else 1)

    @property
    def layer(self) -> Layer:
        """The layer of one run."""
        heads = math.prod(self.lead) // self.images
        return Layer.product(
            self.name, heads=heads, rows=self.rows, depth=self.depth, columns=self.columns, batch=self.images
        )

    def found(self, left: np.ndarray | None, right: np.ndarray | None, output_density: float = 1.0) -> FoundLayer:
        """The layer with both sides of all runs, (runs, ..., M, K) and (runs, ..., K, N); None: not known, dense."""
        layer = self.layer
        if left is None or right is None:
            return FoundLayer(layer, Drawn(1.0))
        runs = len(left)
        layer = layer.with_batch(self.images * runs)
        # A side that one head lends to others is repeated for them: each has weights of its own as a group.
        lefts = np.broadcast_to(
            _led(left, self.rows, self.depth, len(self.lead)), self._shape(runs, self.depth, rows=True)
        )
        rights = np.broadcast_to(_led(right, self.depth, self.columns, len(self.lead)), self._shape(runs, self.depth))
        # (groups, M, K) become channels (groups, K) at M positions, (groups, K, N) filters (groups, N) of K channels.
        inputs, weights = (
            np.swapaxes(side.reshape(layer.groups, *side.shape[-2:]), 1, 2).reshape(shape)
            for side, shape in ((lefts, layer.input_shape), (rights, layer.weight_shape))
        )
        return FoundLayer(layer, Made(lambda: weights), np.ascontiguousarray(inputs), output_density)

    def _shape(self, runs: int, depth: int, *, rows: bool = False) -> Shape:
        return (runs, *self.lead, *((self.rows, depth) if rows else (depth, self.columns)))


def _led(side: np.ndarray, first: int, last: int, lead: int) -> np.ndarray:
    """(runs, ..., first, last) with as many axes between as all have; a vector gets its other axis."""
    axes = side.shape[1:-2] if side.ndim > 2 else ()
    return side.reshape(len(side), *(1,) * (lead - len(axes)), *axes, first, last)


@dataclass(frozen=True)
class Notation:
    """A product of two tensors in Einstein's notation, as a product of matrices.

    Each field holds letters: `batch` are in both sides and the result, `inner` in both sides alone, `rows` and
    `columns` in one side and the result.
    """

    left: str
    right: str
    result: str

    @classmethod
    def read(cls, text: str) -> Self | None:
        """From an equation such as `bhid,bhjd->bhij`; None for what is no product of two matrices."""
        sides, arrow, result = text.replace(" ", "").partition("->")
        operands = sides.split(",")
        if not arrow:
            # Without a result it has all letters that occur once, in the order of the alphabet.
            letters = "".join(operands)
            result = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
        plain = all(part.isalpha() and len(set(part)) == len(part) for part in (*operands, result) if part)
        if len(operands) != 2 or not plain:
            return None
        left, right = operands
        # A letter of one side alone that the result lacks is summed before the product.
        alone = (set(left) ^ set(right)) - set(result)
        strange = set(result) - set(left) - set(right)
        return None if alone or strange or not set(left) & set(right) - set(result) else cls(left, right, result)

    def exchanged(self) -> Self:
        """The same product with its sides exchanged."""
        return replace(self, left=self.right, right=self.left)

    @property
    def batch(self) -> str:
        """Letters of both sides and the result."""
        return "".join(letter for letter in self.left if letter in self.right and letter in self.result)

    @property
    def inner(self) -> str:
        """Letters that the product sums over."""
        return "".join(letter for letter in self.left if letter in self.right and letter not in self.result)

    @property
    def rows(self) -> str:
        """Letters of the left side alone."""
        return "".join(letter for letter in self.left if letter not in self.right)

    @property
    def columns(self) -> str:
        """Letters of the right side alone."""
        return "".join(letter for letter in self.right if letter not in self.left)

    def matrices(self, left: Shape, right: Shape) -> tuple[Shape, Shape]:
        """The shapes of both sides as (batch..., M, K) and (batch..., K, N)."""
        if (len(left), len(right)) != (len(self.left), len(self.right)):
            raise InputError(f"sides of shapes {left} and {right} do not fit '{self.left},{self.right}'")
        sizes = dict(zip(self.left + self.right, left + right, strict=True))
        inner, rows, columns = (math.prod(sizes[x] for x in part) for part in (self.inner, self.rows, self.columns))
        lead = tuple(sizes[letter] for letter in self.batch)
        return (*lead, rows, inner), (*lead, inner, columns)

    def turned(self, side: np.ndarray, which: str) -> np.ndarray:
        """A side, `left` or `right`, with runs before its axes, as (runs, batch..., M, K) or (runs, batch..., K, N)."""
        letters = getattr(self, which)
        parts = (self.batch, self.rows, self.inner) if which == "left" else (self.batch, self.inner, self.columns)
        order = [letters.index(letter) + 1 for part in parts for letter in part]
        sizes = dict(zip(letters, side.shape[1:], strict=True))
        last = [math.prod(sizes[letter] for letter in part) for part in parts[1:]]
        lead = [sizes[letter] for letter in self.batch]
        return side.transpose(0, *order).reshape(len(side), *lead, *last)


def split_runs(joined: np.ndarray, runs: int) -> np.ndarray:
    """Runs that were joined along the first axis, apart: (runs, ...)."""
    return joined.reshape(runs, joined.shape[0] // runs, *joined.shape[1:])
