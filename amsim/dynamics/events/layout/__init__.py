"""A network and its timing as the arrays that both event engines read."""

from .arrays import Layout
from .build import lay_out

__all__ = ["Layout", "lay_out"]
