"""The decorators for compiled functions, and a cache on disk that follows the sources.

numba keeps the code of a function until the file that it stands in changes, and does not see an
edit of what the function calls elsewhere. The cache here holds while no source changes among the
function's module and all modules of the project that it imports, at any depth.
"""

# numba's caches have no types.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import gc
import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any


@contextmanager
def _garbage_left() -> Iterator[None]:
    """Leave garbage for later: Python would search all that numba builds, again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


with _garbage_left():
    import numba
    from numba.core.caching import FunctionCache
    from numba.core.compiler import Compiler
    from numba.core.registry import cpu_target
    from numba.core.runtime.nrt import rtsys

    from ..progress import announce_compilation
    from .contexts import remember
    from .inner import InnerDispatcher
    from .linked import Library, LinkedDispatcher, library_of

# The packages whose sources the cache follows.
PACKAGES = ("amsim", "hardware", "experiments")
# The import statements of a module, wherever they stand.
_IMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+import\s+(\([^)]*\)|[^\n]*)|import\s+(\S+))", re.M)


# Division by zero gives infinity, as in NumPy: no code for exceptions, and loops stay vectors. The
# threads of other Python code go on meanwhile.
_COMMON: Any = {"nogil": True, "error_model": "numpy"}
# What numba's decorator adds.
_NUMBA: Any = {"nopython": True, "boundscheck": None, **_COMMON}


class _Library(Library):
    """The code of a function that is called from Python."""

    counts = True  # references

    def _optimize_final_module(self) -> None:
        if self.counts:  # twice, for their sake
            super()._optimize_final_module()
            return
        passes = self._codegen._module_pass_manager()
        # Newer versions of numba hand over what built the passes, too.
        manager, *builder = passes if isinstance(passes, tuple) else (passes,)
        manager.run(self._final_module, *builder)


class _Compiler(Compiler):
    @_garbage_left()
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)  # the first one imports most of numba
        remember(self.state)

    @_garbage_left()
    def compile_extra(self, function: Any) -> Any:
        context = self.state.targetctx
        library = self.state["library"] = _Library(context.codegen(), function.__qualname__)
        library.counts = context.enable_nrt
        library.enable_object_caching()
        compiled = super().compile_extra(function)
        compiled.reload_init.extend(library.links)
        return compiled


def _decorator(**options: Any) -> Callable[[Any], Any]:
    """A decorator of the family; `options` are numba's."""

    def decorate(function: Any) -> Any:
        return _kept(numba.njit(**_COMMON, **options, pipeline_class=_Compiler)(function))

    return decorate


def _linked_decorator(**options: Any) -> Callable[[Any], Any]:
    """A decorator for functions whose code several compiled functions share."""

    def decorate(function: Any) -> Any:
        if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
            return function
        return _kept(LinkedDispatcher(function, {}, {**_NUMBA, **options}, _Compiler))

    return decorate


def _inner_decorator(apart: bool = False, **options: Any) -> Callable[[Any], Any]:
    """A decorator for functions that compiled code calls, and Python hardly ever."""
    outer = _decorator(**options)

    def decorate(function: Any) -> Any:
        if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
            return function
        return InnerDispatcher(function, outer, {**_NUMBA, **options}, apart)

    return decorate


# The family. Where nothing allocates, arrays are not counted (_nrt): counting takes most of a short
# call. numba refuses to compile an allocation without it.
compiled = _decorator(_nrt=False)
allocating = _decorator()
# Called by compiled code at its address: translated once, whatever calls it.
linked = _linked_decorator(_nrt=False)
# Called by compiled code, whose part it becomes when that is translated.
inner = _inner_decorator(_nrt=False)
# Likewise, for functions so small that a call costs more than they do.
inner_inlined = _inner_decorator(_nrt=False, forceinline=True)
# Becomes part of its caller: a chain of calls would compile the innermost once for each of them.
inlined = _decorator(_nrt=False, inline="always")
# Sums may be reordered and extremes ignore NaN, to use vector units; a sum of NaN is still NaN.
vectorised = _decorator(_nrt=False, fastmath={"reassoc", "nsz", "contract", "nnan"})
inner_vectorised = _inner_decorator(_nrt=False, fastmath={"reassoc", "nsz", "contract", "nnan"})
# The same for loops in which no sum may be reordered.
inner_elementwise = _inner_decorator(_nrt=False, fastmath={"nsz", "contract", "nnan"})
# Likewise, for functions that write to no array that overlaps another one of theirs: loops over
# more arrays than can be compared in each call are vectors, too.
inner_apart = _inner_decorator(True, _nrt=False, fastmath={"nsz", "contract", "nnan"})
# For sums whose error is bounded for any order, with NaN and infinities kept.
reordered = _decorator(fastmath={"reassoc", "contract"})


def is_compiled(function: Any) -> bool:
    """Whether numba compiles `function`; not so where it is switched off (NUMBA_DISABLE_JIT)."""
    return hasattr(function, "overloads")


def require_compiler(what: str) -> None:
    """Raise RuntimeError where numba is switched off."""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise RuntimeError(f"{what} needs compiled code; unset NUMBA_DISABLE_JIT")


def in_memory(function: Any, *arguments: Any) -> bool:
    """Whether a call with arguments of these types runs at once.

    Parameters
    ----------
    function : what a decorator of this module returned
    *arguments
        As for the call. Without any the answer is for the types of some call or other.
    """
    if not is_compiled(function):
        return True
    function = _with_code(function)
    if not arguments:
        return bool(function.overloads)
    return _types(function, arguments) in function.overloads


def on_disk(function: Any, *arguments: Any) -> bool:
    """Whether the cache holds the code for a call with arguments of these types.

    Without any arguments the answer is for the types of some call or other.
    """
    kept = getattr(_with_code(function), "_cache", None)
    if not isinstance(kept, _StampedCache):
        return False
    return kept.holds(_types(_with_code(function), arguments) if arguments else None)


def cache_folder(function: Any) -> Path | None:
    """Where the code of a function is kept between processes; None where nothing can be."""
    kept = getattr(_with_code(function), "_cache", None)
    return Path(kept.cache_path) if isinstance(kept, _StampedCache) else None


def announced(what: str, function: Any, *arguments: Any) -> AbstractContextManager[None]:
    """Tell a person who waits for a first call of `function`, to compile or load it.

    No thread is started where the code is in memory already.
    """
    if in_memory(function, *arguments):
        return nullcontext()
    return announce_compilation(what)


def _with_code(function: Any) -> Any:
    """What a call from Python runs."""
    return function.alone if isinstance(function, InnerDispatcher) else function


def _types(function: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(function.typeof_pyval(argument) for argument in arguments)


@cache
def sources(module: str) -> frozenset[str]:
    """Names of the project's modules that `module` imports, at any depth, and its own."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found and _file(name) is not None:
            found.add(name)
            waiting += _imports(name)
    return frozenset(found)


@cache
def stamp(module: str) -> str:
    """A hash of the texts of all `sources` of a module."""
    digest = hashlib.sha256()
    for name in sorted(sources(module)):
        digest.update(name.encode() + b"\0" + _text(name).encode() + b"\0")
    return digest.hexdigest()


@cache
def _file(module: str) -> Path | None:
    """The source of a module of the project; None for others, and for what is no module."""
    if module.partition(".")[0] not in PACKAGES:
        return None
    loaded = sys.modules.get(module)
    if loaded is not None:
        return Path(loaded.__file__) if loaded.__file__ else None
    parent, _, last = module.rpartition(".")
    if not parent:
        spec = find_spec(module)
        return Path(spec.origin) if spec and spec.origin else None
    package = _file(parent)
    if package is None or package.name != "__init__.py":
        return None
    for path in (package.with_name(f"{last}.py"), package.parent / last / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _text(module: str) -> str:
    path = _file(module)
    assert path is not None
    return path.read_text(encoding="utf-8")


@cache
def _imports(module: str) -> frozenset[str]:
    """What a module may import, by absolute name; `from a import b` may mean the module a.b."""
    path = _file(module)
    assert path is not None
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for source, names, plain in _IMPORT.findall(_text(module)):
        if plain:
            found.add(plain.strip(","))
        elif source.startswith(".") or source.partition(".")[0] in PACKAGES:
            base = resolve_name(source, package)
            modules = {f"{base}.{name}" for name in re.findall(r"\w+", names)}
            # `from .. import checks` takes nothing of what the package offers beside its modules.
            found |= modules if all(map(_file, modules)) else {base, *modules}
    return frozenset(found)


class _StampedCache(FunctionCache):
    """numba's cache of one function, in the folders that numba knows, by the stamp above."""

    def __init__(self, function: Any, allocates: bool) -> None:
        super().__init__(function)
        self._allocates = allocates
        self._cache_file._source_stamp = stamp(function.__module__)

    def holds(self, types: tuple[Any, ...] | None) -> bool:
        try:
            index = self._cache_file._load_index()
        except Exception:  # as below
            return False
        if types is None:
            return bool(index)
        return self._index_key(types, cpu_target.target_context.codegen()) in index

    def load_overload(self, types: Any, target: Any) -> Any:
        """The code for these types, if it is there.

        numba would first load all that it knows of types and arrays, several times as long as the
        code itself; only a compilation needs that, and begins with it.
        """
        try:
            if self._allocates:
                rtsys.initialize(target)
            code = self._load_overload(types, target)
            if code is not None:  # for those that are compiled with it
                library_of(code).links = set(code.reload_init)
            return code
        except Exception:  # a damaged file may raise anything; the code is compiled anew
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, types: Any, result: Any) -> None:
        from filelock import FileLock  # of which loading has no use

        # Two processes that save at once would give their code the same name. Where nothing can be
        # written, the code serves this process alone.
        with suppress(OSError), FileLock(f"{self._cache_file._index_path}.lock"):
            super().save_overload(types, result)


def _kept(dispatcher: Any) -> Any:
    """Give a compiled function the cache above; without a folder for it, none."""
    if is_compiled(dispatcher) and sources(dispatcher.py_func.__module__):
        with suppress(RuntimeError):  # numba found no folder that it may write to
            allocates = dispatcher.targetoptions.get("_nrt", True)
            dispatcher._cache = _StampedCache(dispatcher.py_func, allocates)
    return dispatcher
