"""Lava 0.10.0 on Python 3.11 and later.

One module of it gives fields of dataclasses an object without a hash as a default, which Python
refuses since 3.11. While that module is imported, its classes have the hash of any object.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_MODULE = "lava.magma.compiler.var_model"


class _Finder(MetaPathFinder):
    """Finds that one module, whoever imports it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with _hashable_dataclasses():
            super().exec_module(module)


@contextmanager
def _hashable_dataclasses() -> Iterator[None]:
    """Give the dataclasses of that module a hash, and take it away in the end."""
    original: Any = dataclasses.dataclass
    without: list[Any] = []

    def dataclass(cls: Any = None, /, **options: Any) -> Any:
        if cls is None:
            return lambda decorated: dataclass(decorated, **options)
        made = original(cls, **options)
        if made.__module__ == _MODULE and made.__hash__ is None:
            made.__hash__ = object.__hash__
            without.append(made)
        return made

    patched: Any = dataclasses
    patched.dataclass = dataclass
    try:
        yield
    finally:
        patched.dataclass = original
        for made in without:
            made.__hash__ = None


def support() -> None:
    """From now on Lava can be imported here, by amsim, by other code and by forked children."""
    if sys.version_info >= (3, 11):
        sys.meta_path.insert(0, _Finder())
