"""Random networks and cues that press on the ranges, for tests and benchmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import amsim as am

from .plan import Plan
from .planner import compile

Floats = NDArray[np.float64]


def network(rng: np.random.Generator) -> am.Network:
    """A network of 1 to 5 features and 1 to 6 memories with everything that can be mapped."""
    count, size = int(rng.integers(1, 7)), int(rng.integers(1, 6))
    patterns = _patterns(rng, count, size)
    visible: am.Lagrangian = am.Identity()
    if rng.random() < 0.5:
        visible = am.Sign() if rng.random() < 0.2 else am.Tanh(10 ** rng.uniform(-2, 3))
    hidden: am.Lagrangian = am.Softmax(10 ** rng.uniform(-2, 1.5))
    if rng.random() < 0.5:
        hidden = am.RectifiedPower(int(rng.integers(2, 5)))
        if isinstance(visible, am.Identity):
            hidden = am.ReLU()
            patterns = (
                patterns
                * rng.uniform(0.1, 1.1)
                / np.linalg.norm(patterns @ patterns.T, np.inf) ** 0.5
            )
    return am.dense_am(
        patterns,
        visible=visible,
        hidden=hidden,
        tau_visible=rng.uniform(0.2, 2.0, size) if rng.random() < 0.5 else 1.0,
        tau_hidden=float(rng.choice([0.0, 0.01, 0.1, 1.0])),
        bias_visible=rng.normal(0, 0.3, size) * (rng.random() < 0.5) * np.abs(patterns).max(),
        bias_hidden=rng.normal(0, 1.0, count) * (rng.random() < 0.5),
        similarity="euclidean" if rng.random() < 0.2 else "dot",
    )


def _patterns(rng: np.random.Generator, count: int, size: int) -> Floats:
    kind = rng.integers(3)
    if kind == 0:
        patterns = np.asarray(rng.choice([-1.0, 1.0], (count, size)), np.float64)
    elif kind == 1:
        patterns = rng.standard_normal((count, size)) * 10 ** rng.uniform(-2, 2)
    else:
        patterns = rng.integers(0, 17, (count, size)) / 16
    patterns[0, 0] = patterns[0, 0] or 1.0
    return np.asarray(patterns, dtype=np.float64)


def plan(rng: np.random.Generator, net: am.Network) -> Plan:
    """A plan for a network with random options; raises what `compile` raises."""
    largest = float(np.abs(net.synapses[0].weights).max())  # type: ignore[attr-defined]
    options: dict[str, Any] = {}
    if rng.random() < 0.5:
        options["dt"] = 10 ** rng.uniform(-2, 0.3)
    if rng.random() < 0.3:
        options["quantum"] = 10 ** rng.uniform(-4, 0) * largest
    if rng.random() < 0.3:
        options["cue_limit"] = largest * rng.uniform(0.1, 3)
    if rng.random() < 0.3:
        options["input_limits"] = {"visible": largest * rng.random(), "hidden": rng.random()}
    return compile(net, weight_bits=int(rng.integers(2, 9)), **options)


def hard_cues(rng: np.random.Generator, plan: Plan, count: int) -> Floats:
    """Cues at the limit: at corners, aligned with memories, and inside."""
    limit = int(plan.visible.limit.min()) / plan.visible.scale
    size = plan.units[1]
    corners = rng.choice([-1.0, 1.0], (count, size))
    rows = rng.integers(0, plan.units[0], count)
    aligned = np.sign(plan.weights[rows]) * rng.choice([-1.0, 1.0], (count, 1))
    inside = rng.uniform(-1, 1, (count, size))
    kinds = [rng.random((count, 1)) < 0.4, rng.random((count, 1)) < 0.7]
    return np.asarray(limit * np.select(kinds, [corners, aligned], inside))


def jumping_inputs(rng: np.random.Generator, plan: Plan, count: int) -> dict[str, Any]:
    """Inputs that jump between the allowed extremes from period to period."""
    found = {}
    for name, units in (("visible", plan.units[1]), ("hidden", plan.units[0])):
        layer = getattr(plan, name)
        if layer.input_limit:
            limit = (layer.input_limit - 1) / layer.scale
            found[name] = lambda _, limit=limit, units=units: (
                limit * rng.choice([-1.0, 1.0], (count, units))
            )
    return found
