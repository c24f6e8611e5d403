"""Neuro-cores for a plan, and their places on the mesh of a chip or of a system of chips."""

from .layers import GraphPlacement
from .place import place
from .result import Placement

__all__ = ["GraphPlacement", "Placement", "place"]


def __dir__() -> list[str]:
    return __all__
