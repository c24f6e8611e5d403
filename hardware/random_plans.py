"""Random networks and cues that press on the ranges, for tests and benchmarks."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

import amsim as am

from .graphs.plan import GraphPlan
from .plan import Plan
from .planner import compile as compile_network
from .planner import compile_graph

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
    return cast(Plan, compile_network(net, weight_bits=int(rng.integers(2, 9)), **options))


def graph(rng: np.random.Generator) -> am.Network:
    """A network of 1 to 4 small layers of all kinds: a chain, a star, a ring, or a free graph."""
    sizes = [int(rng.integers(1, 6)) for _ in range(rng.integers(1, 5))]
    names = ["visible", *(f"hidden{i}" for i in range(1, len(sizes)))]
    bounded = rng.random() < 0.8  # of the others most have no bound, and are refused
    layers, algebraic = {}, False
    for name, size in zip(names, sizes, strict=True):
        algebraic = name != "visible" and not algebraic and rng.random() < 0.2
        layers[name] = am.Layer(
            size,
            _units(rng, bounded=bounded and rng.random() < 0.7),
            tau=0.0 if algebraic else rng.uniform(0.2, 2.0, size if rng.random() < 0.3 else None),
            bias=rng.normal(0, 0.5, size) * (rng.random() < 0.5),
        )
    return am.Network(layers, _synapses(rng, layers, 10 ** rng.uniform(-1, 0.5)))


def _units(rng: np.random.Generator, *, bounded: bool) -> am.Lagrangian:
    beta = 10 ** rng.uniform(-1, 1)
    if bounded:
        kinds = (am.Tanh(beta), am.Sigmoid(beta), am.Sign(), am.Softmax(beta), am.Softmax(beta))
        return kinds[rng.integers(len(kinds))]
    kinds_without = (am.Identity(), am.ReLU(), am.RectifiedPower(int(rng.integers(3, 5))))
    return kinds_without[rng.integers(len(kinds_without))]


def _synapses(
    rng: np.random.Generator, layers: dict[str, am.Layer], size: float
) -> list[am.Dense | am.Directed]:
    names = list(layers)
    shape = rng.choice(["chain", "star", "ring", "free"])
    pairs = list(zip(names[1:], names, strict=False))
    if shape == "star":
        pairs = [(name, names[0]) for name in names[1:]]
    elif shape == "ring":
        pairs.append((names[0], names[-1]))
    elif shape == "free":
        pairs += [(a, b) for a in names for b in names if rng.random() < 0.3]
    pairs = pairs or [(names[0], names[0])]
    found: list[am.Dense | am.Directed] = []
    for target, source in pairs:
        apart = not (layers[target].algebraic and layers[source].algebraic)
        if not apart:
            continue
        name = f"{target}-{source}-{len(found)}"
        weights = size * rng.standard_normal((layers[target].size, layers[source].size))
        if shape == "ring" or (target != source and rng.random() < 0.2):
            found.append(am.Directed(weights, source=source, target=target, name=name))
            continue
        symmetric = (weights + weights.T) / 2 if target == source else weights
        found.append(am.Dense(symmetric, between=(target, source), name=name))
    return found


def graph_plan(rng: np.random.Generator, net: am.Network) -> GraphPlan:
    """A plan for a network of any layers with random options; raises what `compile` raises."""
    options: dict[str, Any] = {}
    if rng.random() < 0.5:
        options["dt"] = 10 ** rng.uniform(-2, 0)
    if rng.random() < 0.3:
        options["quantum"] = 10 ** rng.uniform(-4, -1)
    if rng.random() < 0.3:
        options["input_limits"] = {name: rng.random() for name in net.layers}
    cued = [name for name in net.layers if name == "visible" or rng.random() < 0.2]
    options["cue_limit"] = {name: float(rng.uniform(0.1, 2)) for name in cued}
    return compile_graph(net, weight_bits=int(rng.integers(2, 9)), **options)


def graph_cues(rng: np.random.Generator, plan: GraphPlan, count: int) -> dict[str, Floats]:
    """Cues of all cued layers at the limits, and inside."""
    found = {}
    for name in plan.cued:
        units = plan.layers[name]
        corners = np.where(rng.random((count, units.size)) < 0.5, units.low, units.high)
        inside = rng.uniform(0, 1, (count, units.size)) * (rng.random((count, 1)) < 0.5)
        found[name] = np.trunc(corners * (1 - inside)) / units.scale
    return found


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


def jumping_inputs(rng: np.random.Generator, plan: Plan | GraphPlan, count: int) -> dict[str, Any]:
    """Inputs that jump between the allowed extremes from period to period."""
    layers: dict[str, Any] = {}
    if isinstance(plan, GraphPlan):
        layers |= plan.layers
    else:
        layers |= {"visible": plan.visible, "hidden": plan.hidden}
    found = {}
    for name, layer in layers.items():
        units = len(layer.bias)
        if layer.input_limit:
            limit = (layer.input_limit - 1) / layer.scale
            found[name] = lambda _, limit=limit, units=units: (
                limit * rng.choice([-1.0, 1.0], (count, units))
            )
    return found
