"""Whether the integers of a plan are those of its network, for plans that come from a file."""

from __future__ import annotations

import numpy as np

from amsim import checks

from . import spec
from .errors import MappingError
from .plan import Plan
from .scales import derived

_ROUNDED = 1e-9  # what scales may differ by


def check_origin(plan: Plan) -> None:
    """Raise ValueError unless kinds, weights, scales and dynamics are those of the plan's network.

    The proof needs none of them. States are decoded with the scales, though, and compared with the
    network.
    """
    try:
        network = spec.read(plan.network)
    except MappingError as error:
        raise ValueError(f"its network cannot be mapped: {error}") from error
    _check_kinds(plan, network)
    _check_scales(plan)
    away = np.abs(plan.weights - network.patterns * plan.weight_scale)
    if not away.max() < 1:  # however they were rounded
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
