"""Weights that are learned from patterns: rules in closed form."""

from .rules import hebbian, pseudo_inverse, storkey

__all__ = ["hebbian", "pseudo_inverse", "storkey"]


def __dir__() -> list[str]:
    return __all__
