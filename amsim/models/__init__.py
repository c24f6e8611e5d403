"""Constructors of the field's associative memories; each returns a `Network`."""

from .two_layer import dense_am

__all__ = ["dense_am"]
