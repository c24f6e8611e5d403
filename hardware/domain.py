"""What the numbers of a plan may be, and the check that those of one are.

The rules stand as data beside the numbers, as annotations in `hardware.units` and `hardware.plan`.
What the planner made and what a file holds are held to the same ones, by `check`; from numbers that
keep them `hardware.ranges` then proves that nothing overflows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np

from amsim import checks

if TYPE_CHECKING:
    from .plan import Plan

# Of a whole number that stands for a state, before the proof: all of them are exact as floats.
WIDE = 1 << 52


@dataclass(frozen=True)
class Count:
    """A whole number, both ends included."""

    least: int
    most: int

    def check(self, name: str, value: Any, sizes: Mapping[str, int]) -> None:
        """Raise for what breaks the rule."""
        checks.count(name, value, at_least=self.least, at_most=self.most)
        if not isinstance(value, int):
            raise TypeError(f"{name} must be an int of Python, got {type(value).__name__}")


@dataclass(frozen=True)
class Positive:
    """A finite float above 0."""

    def check(self, name: str, value: Any, sizes: Mapping[str, int]) -> None:
        """Raise for what breaks the rule."""
        checks.number(name, value, above=0.0)
        if not isinstance(value, float):
            raise TypeError(f"{name} must be a float, got {value!r}")


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def check(self, name: str, value: Any, sizes: Mapping[str, int]) -> None:
        """Raise for what breaks the rule."""
        checks.choice(name, value, self.words)


@dataclass(frozen=True)
class Table:
    """An array of whole numbers, both ends included.

    Attributes
    ----------
    axes : tuple of str
        "features" and "memories".
    least, most : int
    dtype : type
    """

    axes: tuple[str, ...]
    least: int
    most: int
    dtype: type = np.int64

    def check(self, name: str, value: Any, sizes: Mapping[str, int]) -> None:
        """Raise for what breaks the rule."""
        dtype: np.dtype[Any] = np.dtype(self.dtype)
        shape = tuple(sizes[axis] for axis in self.axes)
        if not isinstance(value, np.ndarray) or value.dtype != dtype or value.shape != shape:
            raise ValueError(
                f"{name} must be an array of {dtype} with shape {shape}, got {checks.shown(value)}"
            )
        wrong = np.argwhere((value < self.least) | (value > self.most))
        if len(wrong):
            place = tuple(wrong[0].tolist())
            raise ValueError(
                f"{name}{list(place)} must be from {self.least} to {self.most}, "
                f"got {int(value[place])}"
            )


def rules(part: type) -> Mapping[str, Any]:
    """The rule of each attribute of a part of a plan that has one."""
    return _rules(part)


@cache
def _rules(part: type) -> Mapping[str, Any]:
    hints = get_type_hints(part, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items() if _has_rule(hint)}


def check(plan: Plan) -> None:
    """Raise ValueError or TypeError, naming the number and its rule, unless all are kept."""
    shape: tuple[int, ...] = getattr(plan.weights, "shape", ())
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"weights must have shape (memories, features), got shape {shape}")
    sizes = {"memories": shape[0], "features": shape[1]}
    for prefix, part in _parts(plan):
        for name, rule in rules(type(part)).items():
            rule.check(prefix + name, getattr(part, name), sizes)
    if (plan.normaliser is None) != (plan.hidden.kind == "power"):
        raise ValueError("a normaliser belongs to softmax memories, and to no others")


def _parts(plan: Plan) -> Iterator[tuple[str, Any]]:
    yield "", plan
    yield "visible.", plan.visible
    yield "hidden.", plan.hidden
    if plan.normaliser is not None:
        yield "normaliser.", plan.normaliser


def _has_rule(hint: Any) -> bool:
    return bool(getattr(hint, "__metadata__", ()))
