"""What the mapping refuses, as types."""

from __future__ import annotations


class MappingError(ValueError):
    """The network has a part that these units cannot compute; the message names it."""


class RangeError(ValueError):
    """A signal does not fit its integers.

    Attributes
    ----------
    signal : str
    bits : int or None
        What it needs; None if no number is enough.
    available : int
        What there is.
    """

    def __init__(self, signal: str, bits: int | None, available: int, remedy: str) -> None:
        needs = "has no bound" if bits is None else f"needs {bits} bits"
        there = "is 1 bit" if available == 1 else f"are {available} bits"
        super().__init__(f"{signal} {needs}, there {there}: {remedy}")
        self.signal, self.bits, self.available, self.remedy = signal, bits, available, remedy

    def __reduce__(self) -> tuple[type[RangeError], tuple[str, int | None, int, str]]:
        return RangeError, (self.signal, self.bits, self.available, self.remedy)


class LimitError(ValueError):
    """The plan exceeds what a chip has; the message names the limit and the nearest change."""


class NotPublicError(ValueError):
    """Nobody published this value, and none is invented; the message says what to give instead."""
