"""Short ``repr`` and HTML tables of objects for notebooks.

Neither may fail, whatever the object holds: they are asked for in tracebacks, by debuggers, and for
objects that were never finished.
"""

from __future__ import annotations

import html
import reprlib
import sys
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar

import numpy as np

LONGEST = 400  # characters of a repr
_ENTRIES, _ROWS, _CELL = 6, 30, 200
Rows = Iterable[tuple[object, ...]]
Value = TypeVar("Value")

_words = reprlib.Repr()
_words.maxstring = _words.maxother = 80


def kernel() -> Any:
    """The shell of the Jupyter kernel that runs this, or None; IPython is not imported for that."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if type(shell).__name__ == "ZMQInteractiveShell" else None


def shortened(text: str, longest: int = LONGEST) -> str:
    """One line of at most `longest` characters."""
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else f"{line[: longest - 4]} ..."


def brief(value: object) -> str:
    """A value in a few words: of an array its shape, of a number six digits."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"array{value.shape}"
    if isinstance(value, (np.generic, np.ndarray)) and value.dtype.kind in "biufcUS":
        value = value.item()
    if isinstance(value, (float, complex)):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return f"{{{_some(f'{_words.repr(k)}: {brief(v)}' for k, v in value.items())}}}"
    if isinstance(value, (tuple, list)):
        left, right = "()" if isinstance(value, tuple) else "[]"
        comma = "," if left == "(" and len(value) == 1 else ""
        return f"{left}{_some(map(brief, value))}{comma}{right}"
    if isinstance(value, (str, bytes, int)):
        return _words.repr(value)
    return shortened(repr(value), _CELL)


def _some(parts: Iterable[str]) -> str:
    found: list[str] = []
    for part in parts:
        if len(found) == _ENTRIES:
            return ", ".join([*found, "..."])
        found.append(part)
    return ", ".join(found)


def span(values: Any) -> str:
    """One number if all values are equal, else the smallest and the largest."""
    low, high = np.min(values), np.max(values)
    return brief(low) if low == high else f"{brief(low)} to {brief(high)}"


def short(function: Callable[[Any], str]) -> Callable[[Any], str]:
    """Decorate a `__repr__`: one line of bounded length; the name of the class where it fails."""

    @wraps(function)
    def shown(self: Any) -> str:
        try:
            return shortened(function(self))
        except Exception:
            return f"<{type(self).__name__} that cannot be shown>"

    return shown


@short
def fields_repr(self: Any) -> str:
    """``__repr__ = fields_repr`` in a dataclass that holds arrays: its fields, each in brief."""
    assert is_dataclass(self)
    named = (f"{f.name}={brief(getattr(self, f.name))}" for f in fields(self) if f.repr)
    return f"{type(self).__name__}({', '.join(named)})"


class Named(Mapping[str, Value]):
    """A read-only mapping whose names Tab completes, and a wrong name lists.

    Parameters
    ----------
    what : str
        What one of its values is: "layer".
    values : mapping of str to object
    """

    def __init__(self, what: str, values: Mapping[str, Value]) -> None:
        self._what, self._values = what, dict(values)

    def __getitem__(self, name: str) -> Value:
        if name not in self._values:
            names = ", ".join(map(str, self._values))
            raise KeyError(f"no {self._what} {name!r}; there are: {names}")
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    # Those of `Mapping` ask for each value by its name.

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def values(self) -> ValuesView[Value]:
        return self._values.values()

    def items(self) -> ItemsView[str, Value]:
        return self._values.items()

    def __repr__(self) -> str:
        return repr(self._values)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._values)


def tabled(function: Callable[[Any], str]) -> Callable[[Any], str]:
    """Decorate a `_repr_html_`: what `repr` says, escaped, where it fails."""

    @wraps(function)
    def shown(self: Any) -> str:
        try:
            return function(self)
        except Exception:
            return f"<pre>{html.escape(repr(self))}</pre>"

    return shown


def table(title: str, rows: Rows, *, head: tuple[str, ...] = ()) -> str:
    """An HTML table: everything escaped, no scripts, no colours of its own.

    Parameters
    ----------
    title : str
    rows : iterable of tuples
        Strings are taken as they are, other cells in brief. Rows after the thirtieth are counted.
    head : tuple of str, optional
        Names of the columns; without them the first column names the rows.
    """
    found = list(rows)
    lines = ["<table>", f"<caption><b>{_cell(title)}</b></caption>"]
    if head:
        lines.append(_row(head, every="th"))
    lines += [_row(row, every="td" if head else "") for row in found[:_ROWS]]
    if len(found) > _ROWS:
        lines.append(_row((f"... and {len(found) - _ROWS} more",), every="td"))
    return "\n".join([*lines, "</table>"])


def _row(cells: tuple[object, ...], every: str) -> str:
    tags = [every or ("td" if k else "th") for k in range(len(cells))]
    style = ' style="text-align:left"'
    parts = (f"<{tag}{style}>{_cell(x)}</{tag}>" for tag, x in zip(tags, cells, strict=True))
    return f"<tr>{''.join(parts)}</tr>"


def _cell(value: object) -> str:
    return html.escape(shortened(value if isinstance(value, str) else brief(value), _CELL))


@tabled
def fields_html(self: Any) -> str:
    """``_repr_html_ = fields_html`` likewise: a table of its fields."""
    assert is_dataclass(self)
    named = ((f.name, getattr(self, f.name)) for f in fields(self) if f.repr)
    return table(type(self).__name__, named)
