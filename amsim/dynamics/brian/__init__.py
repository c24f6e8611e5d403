"""Networks in Brian2: one builder, for `simulate` and for `hardware.export`."""

from .options import Brian2

__all__ = ["Brian2"]
