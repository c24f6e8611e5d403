"""Recall as a function that other frameworks differentiate: `jax.recall` and `torch.Recall`.

Both are imported when they are asked for, and need their framework; amsim itself does not.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

_MODULES = ["jax", "torch"]


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return _MODULES
