"""Closed forms of the theory, to compare simulations with."""

from . import capacity, timing

__all__ = ["capacity", "timing"]


def __dir__() -> list[str]:
    return __all__
