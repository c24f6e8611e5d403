"""numba's contexts, which say what types and operations mean, with a memory.

numba finds out anew at every place what the sum of two numbers is, and how large a type, and
compiles a function of its own for `min` and `max` of every kind of numbers.
"""

# numba's contexts have no types.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import operator
from typing import Any

from numba.core import types
from numba.core.cpu import CPUContext
from numba.core.typing.context import Context
from numba.core.typing.templates import signature

_EXTREMES: Any = {max: operator.gt, min: operator.lt}
_OPERATORS = frozenset(each for each in vars(operator).values() if callable(each))


def remember(state: Any) -> None:
    """Let the compilation of a function use contexts with a memory."""
    state.typingctx = _TypingContext(state.typingctx)
    state.targetctx.__class__ = _TargetContext  # a copy that numba made for this function


def _operation(function: Any, arguments: Any) -> Any:
    """The operation that is called, if it is one of Python on numbers; else None."""
    key = getattr(function, "typing_key", None)
    if not (key in _OPERATORS or (key in _EXTREMES and len(arguments) > 1)):
        return None
    numbers = all(isinstance(each, (types.Number, types.Boolean)) for each in arguments)
    return key if numbers else None


class _TypingContext(Context):
    """A typing context that shares all with the one that is given."""

    def __init__(self, context: Context) -> None:
        self.__dict__ = context.__dict__

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        operation = _operation(func, args)
        if operation is None:
            return super().resolve_function_type(func, args, kws)
        known = self.__dict__.setdefault("_amsim_operations", {})
        if (func, args) not in known:
            if operation in _EXTREMES:
                numbers = [types.unliteral(each) for each in args]
                known[func, args] = signature(self.unify_types(*numbers), *numbers)
            else:
                known[func, args] = super().resolve_function_type(func, args, kws)
        return known[func, args]


class _TargetContext(CPUContext):
    def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
        compare = _EXTREMES.get(_operation(fn, sig.args))
        if compare is None:
            # Arrays are asked for their own `__array__` at every access, and have none.
            return super().get_function(fn, sig, _firstcall and fn != "__array__")
        kind = sig.return_type
        replaces = super().get_function(compare, signature(types.boolean, kind, kind))

        def extreme(builder: Any, arguments: Any, loc: Any = None) -> Any:
            """As Python has it: the first one, and what replaces it, which no NaN does."""
            pairs = zip(arguments, sig.args, strict=True)
            best, *others = (self.cast(builder, each, own, kind) for each, own in pairs)
            for other in others:
                best = builder.select(replaces(builder, (other, best)), other, best)
            return best

        return extreme

    def get_abi_sizeof(self, ty: Any) -> Any:
        known = self.__dict__.setdefault("_amsim_sizes", {})
        if str(ty) not in known:
            known[str(ty)] = super().get_abi_sizeof(ty)
        return known[str(ty)]
