"""Networks and plans for other runtimes: Brian2 and NIR."""

from .brian2 import brian2
from .nir import nir, read_nir

__all__ = ["brian2", "nir", "read_nir"]


def __dir__() -> list[str]:
    return __all__
