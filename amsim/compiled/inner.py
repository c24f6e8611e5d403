"""Compiled functions that only compiled code calls: they have no machine code of their own.

numba translates every function on the way to machine code, with all that it calls: in a chain of
calls the innermost is optimised and translated once for each of them. A function of this kind hands
its callers the code from before that, and the outermost one does the rest for all at once.
"""

# numba's compiler has no types.
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite.binding import Linkage, parse_assembly  # type: ignore[import-untyped]
from numba._dynfunc import make_function
from numba.core import types
from numba.core.cgutils import normalize_ir_text
from numba.core.compiler import CompilerBase, Flags
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import (
    AnnotateTypes,
    BaseNativeLowering,
    InlineOverloads,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import (
    FixupArgs,
    GenericRewrites,
    InlineInlinables,
    IRProcessing,
    ReconstructSSA,
    TranslateByteCode,
)

from .contexts import remember
from .linked import Library


class _Library(Library):
    """Code that waits to be linked, and is optimised when it has been."""

    def add_ir_module(self, ir_module: Any) -> None:
        for function in ir_module.functions:
            if function.blocks and "alwaysinline" not in function.attributes:
                # Within its callers it would be optimised and translated once for each of them.
                function.attributes.add("noinline")
        # Verified with all else, once it has been linked.
        self._final_module.link_in(parse_assembly(normalize_ir_text(str(ir_module))))

    def finalize(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.external:
                function.linkage = "linkonce_odr"  # callers may bring several copies
        for library in self._linking_libraries:
            self.links |= getattr(library, "links", set())
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        """The code with all that it calls; what nothing before it calls would be dropped."""
        if self._shared_module is None:
            self._shared_module = self._final_module.clone()
            for library in self._callees():
                own = isinstance(library, _Library)
                module = library._final_module if own else library._get_module_for_linking()
                self._shared_module.link_in(module, preserve=True)
        return self._shared_module

    def _callees(self) -> list[Any]:
        found, waiting = [], list(self._linking_libraries)
        while waiting:
            library = waiting.pop()
            if library not in found:
                found.append(library)
                waiting += library._linking_libraries if isinstance(library, _Library) else []
        return found


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(BaseNativeLowering):
    """The lowering of numba, into such a library."""

    _name: Any = "amsim_inner_lowering"
    lowering_class = NativeLowering.lowering_class

    def run_pass(self, state: Any) -> bool:
        context = state.targetctx
        state.library = _Library(context.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        # What callers know the code by; nothing calls it from Python, so that it has no address.
        entry = make_function(
            lowered.fndesc.lookup_module(), state.func_id.func_name, "", 0, lowered.env, ()
        )
        context.insert_user_function(entry, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=entry)
        return True


_DEFAULTS = {name: option.default for name, option in Flags.options.items()}


class _Flags(Flags):
    """numba's flags, which it compares at every operation, without asking for each by its name."""

    def values(self) -> dict[str, Any]:
        return {**_DEFAULTS, **self._values}


# Those of numba that functions without closures, literals and contexts have a use of.
_STEPS = (
    TranslateByteCode,
    FixupArgs,
    IRProcessing,
    GenericRewrites,  # what is raised with a text alone needs no allocation
    InlineInlinables,
    ReconstructSSA,
    NopythonTypeInference,
    PreLowerStripPhis,
    InlineOverloads,
    IRLegalization,
    AnnotateTypes,
    _Lowering,
    NoPythonBackend,
)


class _Compiler(CompilerBase):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state.flags = _Flags(self.state.flags)
        remember(self.state)

    def define_pipelines(self) -> list[Any]:
        passes = PassManager("amsim_inner")
        for step in _STEPS:
            passes.add_pass(step, "")
        passes.finalize()
        return [passes]


class _ApartCompiler(_Compiler):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state.flags.noalias = True


class InnerDispatcher(CPUDispatcher):
    """A function for other compiled functions.

    Parameters
    ----------
    function : callable
    outer : callable
        Compiles a function for callers from Python, where there are any.
    options : dict
        Those of numba.
    apart : bool
        Whether the function is never given two arrays that overlap, one of which it writes to.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        outer: Callable[..., Any],
        options: dict[str, Any],
        apart: bool = False,
    ) -> None:
        # Not called from Python; and no expressions of whole arrays, for which code is rewritten.
        without = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "no_rewrites": True}
        compiler = _ApartCompiler if apart else _Compiler
        super().__init__(function, {}, {**options, **without}, compiler)
        self._outer, self._alone = outer, None

    @property
    def alone(self) -> Any:
        """A variant with machine code, for callers from Python."""
        if self._alone is None:
            self._alone = self._outer(self.py_func)
        return self._alone

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """What a call compiles: a number that is written out is one like any other."""
        return super().get_call_template(
            [types.unliteral(each) for each in args],
            {name: types.unliteral(each) for name, each in kws.items()},
        )

    def __call__(self, *arguments: Any) -> Any:
        return self.alone(*arguments)
