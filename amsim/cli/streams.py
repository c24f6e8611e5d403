"""Standard streams that do not fail: replacements for closed and full ones, and for odd encodings.

A result that cannot be written is an error (`console.emit`). What else is said goes to stderr, and
is dropped where nothing takes it: the work goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .console import discard

_STRICT = ("strict", "surrogateescape")


@contextmanager
def streams() -> Iterator[None]:
    """Replace streams that are closed, and keep the others from raising for a sign or a note."""
    before = sys.stdin, sys.stderr
    _fill_descriptors()
    with open(os.devnull, "r+", encoding="utf-8") as nowhere, _escape_unencodable(sys.stdout):
        sys.stdin = before[0] or nowhere
        sys.stderr = _Notes(before[1] or nowhere)
        try:
            yield
        finally:
            sys.stdin, sys.stderr = before


def _fill_descriptors() -> None:
    """Open what is closed of 0, 1 and 2: the next file would take the number, and get the notes."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):  # the lowest number that is free is this one
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


@contextmanager
def _escape_unencodable(stream: Any) -> Iterator[None]:
    r"""Write as ``\xe9`` what the encoding of a stream does not have."""
    errors = getattr(stream, "errors", None)
    if errors not in _STRICT or not hasattr(stream, "reconfigure"):
        yield
        return
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        with suppress(OSError):
            stream.reconfigure(errors=errors)


class _Notes:
    """A stream that goes nowhere from the first write that fails."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError:
            discard(self._stream)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            discard(self._stream)
