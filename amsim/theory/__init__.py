"""Closed forms: what theory says, to compare simulations with."""

from . import timing

__all__ = ["timing"]
