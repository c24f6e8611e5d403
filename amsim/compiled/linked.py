"""Compiled functions that other compiled code calls at their address.

numba copies the code of a function into all that call it, and translates it again for each. A
function of this kind is translated once for its types, and linked by a name when a caller's code is
made or loaded.
"""

# numba's compiler has no types.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import hashlib
from copy import copy
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from llvmlite.binding import add_symbol  # type: ignore[import-untyped]
from numba.core.codegen import JITCodeLibrary
from numba.core.imputils import user_function
from numba.core.registry import CPUDispatcher
from numba.core.sigutils import normalize_signature


@dataclass(frozen=True)
class Link:
    """Tells the linker where a function is; the cache keeps it beside the code of each caller."""

    module: str
    function: str
    types: tuple[Any, ...]

    @property
    def symbol(self) -> str:
        digest = hashlib.sha256(str(self.types).encode()).hexdigest()[:16]
        return f"{self.module}.{self.function}.{digest}"

    def __call__(self) -> None:
        dispatcher = getattr(import_module(self.module), self.function)
        add_symbol(self.symbol, dispatcher.address(self.types))


class Library(JITCodeLibrary):
    """The code of a function, with the links that it needs."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.links: set[Link] = set()

    def finalize(self) -> None:
        for library in self._linking_libraries:
            self.links |= getattr(library, "links", set())
        super().finalize()


def library_of(code: Any) -> Any:
    """The library of what numba compiled or loaded."""
    return code._asdict()["library"]


class LinkedDispatcher(CPUDispatcher):
    """A function with machine code of its own, for Python and for other compiled functions."""

    def address(self, kinds: tuple[Any, ...]) -> int:
        """Of the code for arguments of these types, compiled or loaded if need be."""
        self.compile(kinds)
        code: Any = self.overloads[kinds]
        found: int = library_of(code).get_pointer_to_function(code.fndesc.llvm_func_name)
        return found

    def get_overload(self, sig: Any) -> Any:
        """What a compiled caller knows the code by."""
        kinds, _ = normalize_signature(sig)
        link = Link(self.py_func.__module__, self.py_func.__name__, kinds)
        link()
        code: Any = self.overloads[kinds]
        known = copy(code.fndesc)
        known.mangled_name = link.symbol
        call = user_function(known, ())

        def linked(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            context.active_code_library.links.add(link)
            return call(context, builder, signature, arguments)

        if link.symbol not in self.targetctx._defns:
            self.targetctx.insert_func_defn([(linked, link.symbol, kinds)])
        return link.symbol
