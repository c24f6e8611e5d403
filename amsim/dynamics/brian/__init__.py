"""The Brian2 solver, and the builder of Brian2 networks that `hardware.export` shares."""

from .options import Brian2

__all__ = ["Brian2"]
