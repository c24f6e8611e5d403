"""What the numbers of a plan may be, and the check that those of one are.

The rules stand as data beside the numbers, as annotations in `hardware.units` and `hardware.plan`.
What the planner made and what a file holds are held to the same ones, by `check`; from numbers that
keep them `hardware.ranges` then proves that nothing overflows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np

from amsim import checks

from . import spec
from .errors import MappingError

if TYPE_CHECKING:
    from .plan import Plan

# Of a whole number that stands for a state, before the proof: all of them are exact as floats.
WIDE = 1 << 52
_ROUNDED = 1e-9  # what scales may differ by


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


def rules(part: type) -> dict[str, Any]:
    """The rule of each attribute of a part of a plan that has one."""
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


def check_origin(plan: Plan) -> None:
    """Raise ValueError unless kinds, weights, scales and dynamics are those of the plan's network.

    The proof needs none of them. States are decoded with the scales, though, and compared with the
    network.
    """
    from .scales import derived  # which imports this module

    try:
        network = spec.read(plan.network)
    except MappingError as error:
        raise ValueError(f"its network cannot be mapped: {error}") from error
    _check_kinds(plan, network)
    _check_scales(plan)
    away = np.abs(plan.weights - network.patterns * plan.weight_scale)
    if not away.max() <= 0.5 + _ROUNDED:
        place = tuple(int(i) for i in np.unravel_index(away.argmax(), away.shape))
        raise ValueError(
            f"weights{list(place)} is {plan.weights[place]}, the pattern of the network is "
            f"{network.patterns[place] * plan.weight_scale:.6g} at this weight_scale"
        )
    for name, expected in derived(plan, network).items():
        part, _, attribute = name.partition(".")
        found = getattr(getattr(plan, part), attribute)
        if not np.array_equal(found, expected):
            raise ValueError(
                f"{name} is {checks.shown(found)}, by the network, dt and the scales it is "
                f"{checks.shown(expected)}: compile the network anew"
            )


def _parts(plan: Plan) -> Iterator[tuple[str, Any]]:
    yield "", plan
    yield "visible.", plan.visible
    yield "hidden.", plan.hidden
    if plan.normaliser is not None:
        yield "normaliser.", plan.normaliser


def _check_kinds(plan: Plan, network: spec.TwoLayer) -> None:
    if network.patterns.shape != plan.weights.shape:
        raise ValueError(
            f"weights have shape {plan.weights.shape}, the patterns of the network have shape "
            f"{network.patterns.shape}"
        )
    # Steep tanh features are planned as signs.
    steep = network.visible_kind == "tanh" and plan.visible.kind == "sign"
    for name, found, expected in (
        ("visible.kind", plan.visible.kind, "sign" if steep else network.visible_kind),
        ("hidden.kind", plan.hidden.kind, network.hidden_kind),
        ("hidden.power", plan.hidden.power, network.exponent),
    ):
        if found != expected:
            raise ValueError(f"{name} is {found!r}, that of the network is {expected!r}")


def _check_scales(plan: Plan) -> None:
    """Scales of states are those of the sums of weights times outputs that they follow."""
    visible, hidden, normaliser = plan.visible, plan.hidden, plan.normaliser
    level = float(visible.level)
    if visible.kind == "identity":
        level = visible.scale * visible.mantissa / 2.0**visible.shift
    expected = {
        "visible.output_scale": (visible.output_scale, level),
        "hidden.scale": (hidden.scale, plan.weight_scale * visible.output_scale),
        "visible.scale": (
            visible.scale,
            plan.weight_scale * hidden.output_scale * 2.0**visible.gain,
        ),
    }
    if normaliser is not None:
        expected["hidden.output_scale"] = (hidden.output_scale, 2.0**normaliser.p_bits)
    for name, (found, other) in expected.items():
        if not abs(found - other) <= _ROUNDED * abs(other):
            raise ValueError(f"{name} is {found!r}, by the other numbers it is {other!r}")


def _has_rule(hint: Any) -> bool:
    return bool(getattr(hint, "__metadata__", ()))
