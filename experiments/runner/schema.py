"""The schema of run.json and of log lines, with the place of each fault.

A check takes a place, such as ``claims[2].measured``, and what stands there, and raises ValueError
or TypeError; those of `amsim.checks` are the leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from amsim import checks

Check: TypeAlias = Callable[[str, Any], object]

STATES = ("running", "complete", "interrupted", "broken off")


def optional(check: Check) -> Check:
    """Null, or what passes."""
    return lambda at, value: None if value is None else check(at, value)


def list_of(check: Check, *, least: int = 0, most: float = math.inf) -> Check:
    """A list of what passes, of so many entries."""

    def every(at: str, value: Any) -> None:
        if not isinstance(value, list):
            raise TypeError(f"{at} must be a list, got {checks.shown(value)}")
        if len(value) < least:
            raise ValueError(f"{at} must have at least {least} entries, got {len(value)}")
        if len(value) > most:
            raise ValueError(f"{at} must have at most {most} entries, got {len(value)}")
        for number, entry in enumerate(value):
            check(f"{at}[{number}]", entry)

    return every


def mapping_of(check: Check) -> Check:
    """An object whose values all pass."""

    def every(at: str, value: Any) -> None:
        for name, entry in _object(at, value).items():
            check(f"{at}.{name}", entry)

    return every


def entries(needed: Mapping[str, Check], more: Mapping[str, Check] | None = None) -> Check:
    """An object with these entries, and perhaps some of `more`; others are not looked at."""
    known = {**needed, **(more or {})}

    def every(at: str, value: Any) -> None:
        found = _object(at, value)
        for name, check in known.items():
            if name in found:
                check(f"{at}.{name}", found[name])
            elif name in needed:
                raise ValueError(f"{at}.{name} is missing")

    return every


def _object(at: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{at} must be an object, got {checks.shown(value)}")
    return value


def _setting(at: str, value: Any) -> None:
    """A parameter, or a value of one: text, a truth value or a finite number."""
    if not isinstance(value, (str, bool)):
        checks.number(at, value)


def _parameter(at: str, value: Any) -> None:
    (list_of(_setting, least=1) if isinstance(value, list) else _setting)(at, value)


_count = partial(checks.count, at_least=0, at_most=2**64 - 1)
# No unit takes a hundred thousand years, and the sum of a run's units stays a number of JSON.
_duration = partial(checks.number, at_least=0, at_most=3e12)
_total = partial(checks.number, at_least=0)
_text_or_null, _number_or_null = optional(checks.text), optional(checks.number)
_FAILURE: Mapping[str, Check] = {
    "unit": _count,
    "repeat": _count,
    "at": mapping_of(_setting),
    "error": checks.text,
}
_CLAIM: Mapping[str, Check] = {
    "text": checks.text, "measured": _number_or_null, "predicted": _number_or_null,
    "holds": optional(checks.flag),
}  # fmt: skip
_SESSION: Mapping[str, Check] = {
    "versions": mapping_of(_text_or_null), "commit": _text_or_null, "python": checks.text,
    "platform": checks.text, "processor": checks.text, "started": checks.text,
}  # fmt: skip
_UNITS: Mapping[str, Check] = {
    "total": _count,
    "measured": _count,
    "failed": _count,
    "seconds": _total,
}

# What run.json holds.
RECORD = entries(
    {
        "experiment": checks.text, "question": checks.text, "size": checks.text, "seed": _count,
        "repeats": _count, "parameters": mapping_of(_parameter),
        "labels": mapping_of(list_of(checks.text, least=2, most=2)),
        "status": partial(checks.choice, known=STATES), "units": entries({}, _UNITS),
        "failures": list_of(entries(_FAILURE)), "claims": list_of(entries(_CLAIM)),
        "problems": list_of(checks.text),
        "sessions": list_of(entries(_SESSION, {"host": checks.text, "process": _count}), least=1),
    },
    {"sha256": checks.text},
)  # fmt: skip

# What a line of the log holds; its results are those of a design.
ROW = entries(
    {"unit": _count, "seconds": _duration},
    {"error": checks.text, "traceback": checks.text},
)
