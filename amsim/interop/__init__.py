"""Networks from other frameworks, recall as a function that these differentiate, forces.

`jax.recall`, `jax.force` and `torch.Recall` are imported when they are asked for, and need their
framework; amsim itself does not, and importers take NumPy arrays as well as tensors.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from .attention import ImportedAttention, from_attention, from_hopfield_layers
from .hamux import from_hamux
from .state import read_safetensors

__all__ = [
    "ImportedAttention",
    "from_attention",
    "from_hamux",
    "from_hopfield_layers",
    "read_safetensors",
]
_MODULES = ["jax", "torch"]


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_MODULES]
