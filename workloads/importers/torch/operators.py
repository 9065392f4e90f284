"""torch's operators that hold products: which tensors they multiply, and which are refused by name.

Below its functions and modules torch has few of them, whoever calls: convolution, mm, addmm, bmm and their like, and
the quantized ones, whose weights are packed in an object.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Matrices:
    """A product of tensors ([B,] M, K) and ([B,] K, N).

    sides   the tensors of the operator that these are or are views of
    added   what is added to the product
    packed  whether the right side is a constant (N, K) from a packed object, and `sides` are the left one twice
    """

    left: Any
    right: Any
    sides: tuple[Any, Any]
    added: tuple[Any, ...] = ()
    packed: bool = False


@dataclass(frozen=True)
class Convolution:
    """A convolution of tensors; `side` is the operator's tensor that `inputs` is or is a view of."""

    inputs: Any
    weights: Any
    side: Any
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    transposed: bool = False
    more: tuple[int, ...] = ()
    packed: bool = False


@dataclass(frozen=True)
class Lstm:
    """One layer of an LSTM in one direction: inputs (steps, N, C), weights (4H, C) and (4H, H), first states (N, H)."""

    inputs: Any
    weights: Any
    recurrent: Any
    first: Any
    reverse: bool


Args = tuple[Any, ...]
Read = Matrices | Convolution | Lstm


def _plain(left: int, right: int) -> Callable[[Args], Read]:
    return lambda args: Matrices(args[left], args[right], (args[left], args[right]), args[:left])


def _column(left: int) -> Callable[[Args], Read]:
    """A matrix times a vector."""
    return lambda args: Matrices(
        args[left], args[left + 1].unsqueeze(1), (args[left], args[left + 1]), tuple(args[:left])
    )


def _dot(args: Args) -> Read:
    return Matrices(args[0].unsqueeze(0), args[1].unsqueeze(1), (args[0], args[1]))


def _summed(args: Args) -> Read:
    # The sum over b of A[b] B[b] is one product of A's blocks side by side and B's one upon the other.
    left, right = args[1].permute(1, 0, 2).flatten(1), args[2].flatten(0, 1)
    return Matrices(left, right, (args[1], args[2]), tuple(args[:1]))


def _convolution(args: Args) -> Read:
    inputs, weights, _, stride, padding, dilation, transposed, more, groups = args[:9]
    sizes = tuple(stride), tuple(padding), tuple(dilation)
    return Convolution(inputs, weights, inputs, *sizes, groups, transposed, tuple(more))


def _lstm(args: Args) -> Read:
    return Lstm(args[0], args[1], args[2], first=args[5], reverse=args[7])


_READERS: dict[str, Callable[[Args], Read]] = {
    **dict.fromkeys(("mm", "bmm", "_int_mm", "_scaled_mm"), _plain(0, 1)),
    **dict.fromkeys(("addmm", "baddbmm", "_addmm_activation"), _plain(1, 2)),
    "mv": _column(0),
    "addmv": _column(1),
    **dict.fromkeys(("dot", "vdot"), _dot),
    "addbmm": _summed,
    "mkldnn_rnn_layer": _lstm,
    **dict.fromkeys(("convolution", "_convolution", "convolution_overrideable"), _convolution),
}
_REASONS = {
    "_trilinear": "a product of two inputs and a third tensor, which is no product of two matrices",
    "_cdist_forward": "distances of all pairs, whose products never leave the operator",
}
_MATRICES = "an operator of products that is not taken apart"
_SOLVES = "a factorization of a matrix, which is no product"
_FOREIGN = "an operator of another library, which may hold products of its weights"
LAYOUT = "a side is sparse, or of another layout of torch's; convert it with to_dense() first"
# Names of operators that multiply matrices inside, and those that look alike and do not.
_MULTIPLIES = re.compile(
    r"conv|mm$|mm_|matmul|attention|attn|(^|_)linear|_rnn|lstm|gru_|(^|_)mv$|euclidean_dist|chain_matmul"
)
_HARMLESS = re.compile(r"backward|upsample|conj|convert|pack|fused|flatten_weight|reorder|quantize_weight")
_FACTORS = re.compile(
    r"^_?linalg_(?!vector_norm|cross|diagonal|_|check)|cholesky|triangular_solve|matrix_exp|^ormqr|lu_solve"
)


def read(torch: Any, func: Any, args: Args) -> Read | None:
    """The tensors that an operator multiplies; None: it multiplies none, or is refused."""
    if func.namespace in ("aten", "prim"):
        reader = _READERS.get(func.overloadpacket.__name__.removesuffix("_"))  # addmm_ is addmm in place
        return reader(args) if reader else None
    # quantized::conv2d, conv2d_relu, linear, linear_dynamic, ... have their weights in a packed object.
    kind = func.overloadpacket.__name__
    packed = next((one for one in args if _is_packed(torch, one)), None)
    if func.namespace != "quantized" or packed is None or not isinstance(args[0], torch.Tensor):
        return None
    if kind.startswith("linear"):
        rows = args[0].reshape(-1, args[0].shape[-1])
        return Matrices(rows, packed.unpack()[0], (args[0], args[0]), packed=True)
    if kind.startswith("conv"):
        return _packed_convolution(args[0], packed)
    return None


def _packed_convolution(inputs: Any, packed: Any) -> Read:
    weights = packed.unpack()[0]
    # A 1-D convolution is packed as a 2-D one over a single row.
    held = inputs.unsqueeze(2) if inputs.ndim < weights.ndim else inputs
    spatial = (tuple(packed.stride()), tuple(packed.padding()), tuple(packed.dilation()))
    return Convolution(
        held,
        weights,
        inputs,
        *spatial,
        packed.groups(),
        packed.transpose(),
        tuple(packed.output_padding()),
        packed=True,
    )


def _is_packed(torch: Any, held: Any) -> bool:
    return isinstance(held, torch.ScriptObject) and "unpack" in held._method_names()  # noqa: SLF001 (no public one)


def refusal(torch: Any, func: Any, args: Args, *, moving: bool, weighs: bool) -> str:
    """Why an operator without readable products is refused; empty where it holds none.

    moving  whether it reads anything that depends on the model's inputs
    weighs  whether it reads a matrix, or more, of the model's constants
    """
    kind = func.overloadpacket.__name__
    if func.namespace in ("aten", "prim"):
        if kind in _REASONS:
            return _REASONS[kind]
        if _MULTIPLIES.search(kind) and not _HARMLESS.search(kind):
            return _MATRICES
        return _SOLVES if moving and _FACTORS.search(kind) else ""
    if moving and _MULTIPLIES.search(kind) and not _HARMLESS.search(kind):
        return _MATRICES
    objects = any(isinstance(one, torch.ScriptObject) for one in args)
    if not moving or "embedding" in kind or not (objects or weighs):
        return ""
    return _FOREIGN
