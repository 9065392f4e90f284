"""Kernels that other kernels call, for numba: made part of their callers' code, and no code of their own.

numba compiles whatever it is given to the end: it makes functions of a kernel that Python and C could call, optimizes
these with all that they call, and makes machine code of them. Of a kernel that other kernels call nothing of that is
used, as these take its instructions. Here such a kernel ends as optimized instructions of LLVM, which are kept for
other callers. Optimized in their callers only they would take a little less time to compile, but some callers come out
slower by a tenth or a third.

This leans on numba's pipelines and libraries more than on its documented interface. `compiler` therefore takes the
long way wherever this one fails.
"""

# ruff: noqa: SLF001 (libraries are made to be subclassed, but by numba)

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import llvmlite.binding as llvm
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult, DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.typed_passes import NativeLowering

from dataflows.kernels.helpers import helper_module


class LinkedLibrary(JITCodeLibrary):
    """Instructions for the libraries of callers: linked with what they call, and optimized, but not loaded."""

    def finalize(self) -> None:
        """Link what is called, and optimize; nothing can be added any more."""
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._optimize_final_module()
        self._final_module.verify()
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def serialized(self) -> tuple[str, bytes]:
        """Name and bitcode."""
        return self.name, self._get_module_for_linking().as_bitcode()

    @classmethod
    def loaded(cls, codegen: Any, name: str, bitcode: bytes) -> LinkedLibrary:
        """What has been serialized."""
        made = cls(codegen, name)
        made._final_module = made._shared_module = llvm.parse_bitcode(bitcode)
        made._finalized = True
        return made


@register_pass(mutates_CFG=True, analysis_only=False)
class _NameForCallers(LoweringPass):
    """Registers a lowered kernel under an object that stands for it in its callers."""

    _name = "name_for_callers"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> Any:
        """Says that the kernel has changed."""
        lowered = state["cr"]
        token = _token(lowered.fndesc, lowered.env, state.library)
        state.targetctx.insert_user_function(token, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=token)
        return True


def _token(described: Any, environment: Any, library: Any) -> Any:
    """What numba knows an overload by: a function for Python. This one has no address, and nobody calls it."""
    module, dynamic = SimpleNamespace(__name__=described.modname), helper_module("numba._dynfunc")
    return dynamic.make_function(module, described.qualname.split(".")[-1], "", 0, environment, (library,))


class LinkedCompiler(Compiler):
    """numba's compiler, which ends when the instructions are there."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        state = self.state
        state.flags.no_compile = state.flags.no_cpython_wrapper = state.flags.no_cfunc_wrapper = True

    def define_pipelines(self) -> list[Any]:
        """The ordinary one, with a library of this kind."""
        state = self.state
        state.library = LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        passes = DefaultPassBuilder.define_nopython_pipeline(state)
        passes.add_pass_after(_NameForCallers, NativeLowering)
        passes.finalize()
        return [passes]


def reduced(result: Any) -> tuple[Any, ...]:
    """A linked kernel's result as what can be pickled."""
    described = result.fndesc
    described.typemap = described.calltypes = None
    environments = tuple(result._find_referenced_environments())
    return (*result.library.serialized(), described, result.environment, result.signature, environments)


def rebuilt(target_context: Any, state: tuple[Any, ...]) -> Any:
    """The result again; environments live as long as it."""
    name, bitcode, described, environment, signature, environments = state
    library = LinkedLibrary.loaded(target_context.codegen(), name, bitcode)
    return CompileResult(
        typing_context=target_context.typing_context,
        target_context=target_context,
        entry_point=_token(described, environment, library),
        typing_error=None,
        type_annotation="",
        signature=signature,
        objectmode=False,
        lifted=(),
        fndesc=described,
        library=library,
        call_helper=None,
        environment=environment,
        metadata=None,
        reload_init=(),
        referenced_envs=environments,
    )
