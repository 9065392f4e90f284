"""What numba makes of the lanes and words of kernels: its type of a register of words, and instructions of LLVM.

Imported when a kernel is compiled; kernels know all this by the names in `dataflows.kernels.lanes` and
`dataflows.kernels.words`. numba knows no vector type, and its loop vectorizer keeps short arrays in memory instead of
in registers. LLVM maps this type to one register, or to two or four smaller ones where it must, on any processor.
"""

# ruff: noqa: ARG001 (an intrinsic's parameters are its signature, whether its typing looks at them or not)

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import lower_builtin, models, register_model, type_callable

from dataflows.kernels.lanes import LANES

intrinsic = cast("Callable[[Callable[..., Any]], Any]", numba_intrinsic)  # callers do not pass the first parameter
_WORD = ir.IntType(32)
_VECTOR = ir.VectorType(_WORD, LANES)


class LanesType(types.Type):
    """numba's type of `LANES` uint32 words."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes_type = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _VECTOR)


def _operation(python_operator: Callable[..., Any], operands: int, instruction: str) -> None:
    """Let a Python operator on lanes be one LLVM instruction."""

    @type_callable(python_operator)
    def _typing(_context: Any) -> Any:
        def check(*given: Any) -> Any:
            return lanes_type if given == (lanes_type,) * operands else None

        return check

    @lower_builtin(python_operator, *[LanesType] * operands)
    def _lowering(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)


for _binary, _in_place, _instruction in (
    (operator.and_, operator.iand, "and_"),
    (operator.or_, operator.ior, "or_"),
    (operator.xor, operator.ixor, "xor"),
    (operator.add, operator.iadd, "add"),
    (operator.sub, operator.isub, "sub"),
    (operator.mul, operator.imul, "mul"),
):
    # `a += b` is another operator than `a + b`, and numba asks for it by its own name.
    _operation(_binary, 2, _instruction)
    _operation(_in_place, 2, _instruction)
_operation(operator.invert, 1, "not_")


def _row_pointer(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    """Address of row `row` of a C-contiguous (rows, LANES) uint32 array."""
    # The pointer is of one word and counts in words: row 3 begins three rows of words behind the first.
    data = context.make_array(array_type)(context, builder, array).data
    first = builder.mul(row, ir.Constant(row.type, LANES))
    return builder.bitcast(builder.gep(data, [first]), _VECTOR.as_pointer())


def _is_words(array: Any) -> bool:
    # A view with other strides has no words side by side: a kernel fails to compile then, instead of
    # reading words of its neighbours.
    return isinstance(array, types.Array) and array.dtype == types.uint32 and array.layout == "C"


@intrinsic
def load(_typing: Any, array: Any, row: Any) -> Any:
    """The lanes in a row of a C-contiguous uint32 array with rows (over all leading axes) of LANES."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _row_pointer(context, builder, signature.args[0], *arguments)
        instruction = builder.load(pointer)
        instruction.align = 4  # rows of numpy arrays start at any word, where a vector's own alignment is 64 bytes
        return instruction

    return (lanes_type(array, types.int64), generate) if _is_words(array) else None


@intrinsic
def store(_typing: Any, array: Any, row: Any, lanes: Any) -> Any:
    """Write lanes to a row, addressed as in `load`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _row_pointer(context, builder, signature.args[0], arguments[0], arguments[1])
        builder.store(arguments[2], pointer).align = 4
        return context.get_dummy_value()

    return (types.void(array, types.int64, lanes_type), generate) if _is_words(array) else None


def _spread(builder: Any, word: Any) -> Any:
    # LLVM has no instruction for this. Put in lane 0 and shuffled from there it becomes the processor's own broadcast.
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), word, ir.Constant(_WORD, 0))
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_VECTOR, [0] * LANES))


@intrinsic
def spread(_typing: Any, word: Any) -> Any:
    """One word in every lane."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0])

    return lanes_type(types.uint32), generate


def _funnel(builder: Any, high: Any, low: Any, amount: Any) -> Any:
    name = f"llvm.fshl.v{LANES}i32"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), name)
    return builder.call(function, [high, low, _spread(builder, amount)])


@intrinsic
def funnel(_typing: Any, high: Any, low: Any, amount: Any) -> Any:
    """The upper words of pairs (high, low) after a shift left by the same number of bits, which counts modulo 32."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _funnel(builder, *arguments)

    return lanes_type(lanes_type, lanes_type, types.uint32), generate


@intrinsic
def rotate(_typing: Any, lanes: Any, amount: Any) -> Any:
    """Every lane rotated left by the same number of bits."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        # A funnel shift of a word beside itself, as LLVM has no instruction of its own for a rotation.
        return _funnel(builder, arguments[0], *arguments)

    return lanes_type(lanes_type, types.uint32), generate


@intrinsic
def bit_mask(_typing: Any, lanes: Any, bit: Any) -> Any:
    """All ones in lanes whose word has that bit, else zero."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        lanes, bit = arguments
        moved = builder.lshr(lanes, _spread(builder, bit))
        # 0 or 1, negated: no bit, or all of them.
        lowest = builder.and_(moved, ir.Constant(_VECTOR, [1] * LANES))
        return builder.neg(lowest)

    return lanes_type(lanes_type, types.uint32), generate


@intrinsic
def shift_right(_typing: Any, lanes: Any, amount: Any) -> Any:
    """Every lane moved right by the same number of bits, at most 31."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.lshr(arguments[0], _spread(builder, arguments[1]))

    return lanes_type(lanes_type, types.uint32), generate


@intrinsic
def bit_at(_typing: Any, lanes: Any) -> Any:
    """One bit in each lane, at the place that its word names; none where that is beyond the word."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        places, one = arguments[0], ir.Constant(_VECTOR, [1] * LANES)
        # LLVM leaves open what a shift by more than the word is; x86 and ARM make it zero, so that nothing is compared.
        inside = builder.icmp_unsigned("<", places, ir.Constant(_VECTOR, [32] * LANES))
        moved = builder.shl(one, builder.and_(places, ir.Constant(_VECTOR, [31] * LANES)))
        return builder.select(inside, moved, ir.Constant(_VECTOR, None))

    return lanes_type(lanes_type), generate


def _exchanged(builder: Any, lanes: Any, distance: int) -> Any:
    order = ir.Constant(ir.VectorType(_WORD, LANES), [lane ^ distance for lane in range(LANES)])
    return builder.shuffle_vector(lanes, lanes, order)


@intrinsic
def neighbours(_typing: Any, lanes: Any) -> Any:
    """Lanes 0 and 1 exchanged, 2 and 3, and so on."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _exchanged(builder, arguments[0], 1)

    return lanes_type(lanes_type), generate


@intrinsic
def next_pairs(_typing: Any, lanes: Any) -> Any:
    """Lanes 0 and 1 exchanged with 2 and 3, 4 and 5 with 6 and 7, and so on."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _exchanged(builder, arguments[0], 2)

    return lanes_type(lanes_type), generate


@intrinsic
def nonzero_mask(_typing: Any, lanes: Any) -> Any:
    """All ones in lanes that are not zero, else zero."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        # A comparison leaves one bit a lane, and its sign extended is all ones: 5 becomes 0xFFFFFFFF, 0 stays 0.
        return builder.sext(builder.icmp_unsigned("!=", arguments[0], ir.Constant(_VECTOR, None)), _VECTOR)

    return lanes_type(lanes_type), generate


@intrinsic
def below(_typing: Any, left: Any, right: Any) -> Any:
    """All ones in lanes whose left word is the smaller, unsigned, else zero."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.sext(builder.icmp_unsigned("<", *arguments), _VECTOR)

    return lanes_type(lanes_type, lanes_type), generate


@intrinsic
def largest(_typing: Any, left: Any, right: Any) -> Any:
    """Lane by lane the larger word, unsigned."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.select(builder.icmp_unsigned(">", *arguments), *arguments)

    return lanes_type(lanes_type, lanes_type), generate


@intrinsic
def smallest(_typing: Any, left: Any, right: Any) -> Any:
    """Lane by lane the smaller word, unsigned."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.select(builder.icmp_unsigned("<", *arguments), *arguments)

    return lanes_type(lanes_type, lanes_type), generate


@intrinsic
def bit_counts(_typing: Any, lanes: Any) -> Any:
    """Lane by lane how many bits are set."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        name = f"llvm.ctpop.v{LANES}i32"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), name)
        return builder.call(function, arguments)

    return lanes_type(lanes_type), generate


@intrinsic
def any_bit(_typing: Any, lanes: Any) -> Any:
    """Whether any lane is not zero."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        flags = builder.icmp_unsigned("!=", arguments[0], ir.Constant(_VECTOR, None))
        # The flags are one word of as many bits, which is compared once instead of lane by lane.
        packed = builder.bitcast(flags, ir.IntType(LANES))
        return builder.icmp_unsigned("!=", packed, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(lanes_type), generate


@intrinsic
def largest_word(_typing: Any, lanes: Any) -> Any:
    """The largest of the words, unsigned."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        # One reduction, which takes four halvings of sixteen words where a loop takes fifteen comparisons in a row.
        name = f"llvm.vector.reduce.umax.v{LANES}i32"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_WORD, [_VECTOR]), name)
        return builder.call(function, arguments)

    return types.uint32(lanes_type), generate


@intrinsic
def trailing_zeros(_context: Any, word: Any) -> Any:
    """Index of the lowest set bit of a uint64; 64 when none is set."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(*arguments, ir.Constant(ir.IntType(1), 0))

    return (types.int64(word), generate) if word == types.uint64 else None


@intrinsic
def set_bits(_context: Any, word: Any) -> Any:
    """How many bits of a uint64 are set."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(*arguments)

    return (types.int64(word), generate) if word == types.uint64 else None


@intrinsic
def leading_zeros(_context: Any, word: Any) -> Any:
    """Zeros above the highest set bit of a uint64; 64 when none is set."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(*arguments, ir.Constant(ir.IntType(1), 0))

    return (types.int64(word), generate) if word == types.uint64 else None
