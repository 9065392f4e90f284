"""A function in front of a kernel's that looks whether its arguments are of the one kind that the kernel is for.

A call in Python costs less than to say in Python what the arguments are, and a small layer makes dozens of calls. So
each kept kernel has a guard, machine code like itself: where each argument is of exactly the types, axes, layout and
access of those it was made for, the guard goes on into the kernel. Else it returns ``NotImplemented``, and the call
takes the longer way. It compares pointers to types, which a process that loads it fills in
(`dataflows.kernels.helpers`).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from llvmlite import binding, ir

from dataflows.kernels.arguments import described, name_of_elements

# Where CPython and numpy keep what is looked at, in bytes from an object's start: stable since long, as compiled
# extension modules rely on it (Include/object.h, tupleobject.h; numpy's ndarraytypes.h: PyArrayObject_fields).
_TYPE, _SIZE, _ITEMS = 8, 16, 24
_AXES, _ELEMENTS, _FLAGS = 24, 56, 64
_OBJECT_BYTES, _TUPLE_BYTES = 16, 24  # heads of an object and of a tuple in such a Python
_C, _F, _WRITEABLE = 1, 2, 0x400  # bits of an array's flags

_BYTE, _INT, _LONG = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_POINTER = _BYTE.as_pointer()
_CALL = ir.FunctionType(_POINTER, [_POINTER] * 3)  # what Python calls: itself, arguments, named arguments
_SAME: dict[str | None, tuple[type, type]] = {
    "bool": (bool, np.bool_),
    "int64": (int, np.int64),
    "float64": (float, np.float64),
}
GUARD = "guard"


class NoGuardError(Exception):
    """There is an argument that no guard can tell."""


def guard_object(arguments: tuple[Any, ...], kernel_symbol: str) -> bytes:
    """An object file whose function `GUARD` calls `kernel_symbol` with arguments of the kind of these.

    Raises `NoGuardError`.
    """
    if (object.__basicsize__, tuple.__basicsize__) != (_OBJECT_BYTES, _TUPLE_BYTES):
        raise NoGuardError
    module = ir.Module()
    kernel = ir.Function(module, _CALL, kernel_symbol)
    guard = ir.Function(module, _CALL, GUARD)
    builder = ir.IRBuilder(guard.append_basic_block())
    checks = _Checks(module, guard, builder)
    checks.members(guard.args[1], arguments)
    builder.ret(builder.call(kernel, guard.args))
    return _assembled(module)


def _assembled(module: Any) -> bytes:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    # With addresses of 64 bits everywhere, as the objects of kernels: code may then lie anywhere in memory.
    machine = binding.Target.from_default_triple().create_target_machine(opt=2, codemodel="large", reloc="static")
    return machine.emit_object(binding.parse_assembly(str(module)))


class _Checks:
    """Writes the instructions of a guard."""

    def __init__(self, module: Any, guard: Any, builder: Any) -> None:
        self._module = module
        self._builder = builder
        self._guard = guard
        self._other = guard.append_basic_block("other")
        with builder.goto_block(self._other):
            answer = self._symbol("_Py_NotImplementedStruct")
            builder.call(ir.Function(module, ir.FunctionType(ir.VoidType(), [_POINTER]), "Py_IncRef"), [answer])
            builder.ret(answer)
        with builder.goto_entry_block():
            self._overflow = builder.alloca(_INT)
        signature = ir.FunctionType(_LONG, [_POINTER, _INT.as_pointer()])
        self._as_long = ir.Function(module, signature, "PyLong_AsLongLongAndOverflow")

    def members(self, pointer: Any, values: tuple[Any, ...]) -> None:
        """A tuple has as many members as `values`, of their kinds."""
        self._equal(self._field(pointer, _SIZE, _LONG), ir.Constant(_LONG, len(values)))
        for index, value in enumerate(values):
            self._kind(self._field(pointer, _ITEMS + 8 * index, _POINTER), value)

    def _kind(self, pointer: Any, value: Any) -> None:
        if value is None:
            self._equal(pointer, self._symbol("_Py_NoneStruct"))
            return
        kind = self._field(pointer, _TYPE, _POINTER)
        if isinstance(value, np.ndarray):
            self._equal(kind, self._symbol(_name_of(np.ndarray)))
            self._array(pointer, value)
        elif isinstance(value, tuple):
            self._equal(kind, self._symbol(_name_of(type(value))))
            self.members(pointer, value)
        else:
            self._number(pointer, kind, value)

    def _number(self, pointer: Any, kind: Any, value: Any) -> None:
        """A number of Python's or one of numpy's, which are the same to a kernel."""
        name = described(value)
        if name not in _SAME:
            if type(value) is int:
                raise NoGuardError  # beyond 2^63: too rare
            self._equal(kind, self._symbol(_name_of(type(value))))
            return
        own, numpys = _SAME[name]
        following, others = (self._guard.append_basic_block() for _ in range(2))
        is_own = self._builder.icmp_unsigned("==", kind, self._symbol(_name_of(own)))
        self._builder.cbranch(is_own, following, others)
        if own is int:
            self._builder.position_at_end(following)
            self._builder.call(self._as_long, [pointer, self._overflow])
            self._equal(self._builder.load(self._overflow), ir.Constant(_INT, 0))
            following = self._builder.block
        done = self._guard.append_basic_block()
        self._builder.position_at_end(following)
        self._builder.branch(done)
        self._builder.position_at_end(others)
        self._equal(kind, self._symbol(_name_of(numpys)))
        self._builder.branch(done)
        self._builder.position_at_end(done)

    def _array(self, pointer: Any, array: np.ndarray) -> None:
        self._equal(self._field(pointer, _AXES, _INT), ir.Constant(_INT, array.ndim))
        self._equal(self._field(pointer, _ELEMENTS, _POINTER), self._symbol(f"dtype {name_of_elements(array.dtype)}"))
        flags = array.flags
        # One that is contiguous both ways counts as C-contiguous, whatever its other bit says.
        looked_at = _WRITEABLE | (_C if flags.c_contiguous else _C | _F)
        expected = flags.num & looked_at
        found = self._builder.and_(self._field(pointer, _FLAGS, _INT), ir.Constant(_INT, looked_at))
        self._equal(found, ir.Constant(_INT, expected))

    def _equal(self, found: Any, expected: Any) -> None:
        following = self._guard.append_basic_block()
        self._builder.cbranch(self._builder.icmp_unsigned("==", found, expected), following, self._other)
        self._builder.position_at_end(following)

    def _field(self, pointer: Any, offset: int, kind: Any) -> Any:
        place = self._builder.gep(pointer, [ir.Constant(_LONG, offset)])
        return self._builder.load(self._builder.bitcast(place, kind.as_pointer()))

    def _symbol(self, name: str) -> Any:
        known = self._module.globals.get(name)
        if known is not None:
            return known
        symbol = ir.GlobalVariable(self._module, _BYTE, name)
        symbol.linkage = "external"
        return symbol


def _name_of(kind: type) -> str:
    name = f"type {kind.__module__}:{kind.__qualname__}"
    if getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is not kind:
        raise NoGuardError  # made inside a function: another process has no such name
    return name
