"""The part of a plan that the nodes of NIR can hold."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amsim import Layer, Sign

from ..errors import MappingError
from ..graphs.plan import GraphPlan
from ..plan import Plan

Floats = NDArray[np.float64]
# A neuron with this time constant forgets within a step of snnTorch, which is as long.
STEP = 1e-4
_MOST_WEIGHTS = 1 << 26  # between features and pairs of memories


def losses(plan: Plan | GraphPlan) -> tuple[str, ...]:
    """What the graph leaves out, in words."""
    layers = plan.network.layers
    if isinstance(plan, GraphPlan):
        return _graph_losses(plan)
    missing = [
        f"the activation {layers[name].lagrangian!r} of layer {name!r}"
        for name in ("visible", "hidden")
        if getattr(plan, name).kind not in ("identity", "sign")
    ]
    if plan.visible.kind == "sign":
        missing.append("that sign(0) is 0 (a threshold makes it -1)")
    return (
        *missing,
        "integer states and their rounding",
        "the schedule of periods and rounds",
        f"that only changes of {plan.visible.threshold / plan.visible.output_scale:g} are sent",
    )


def _graph_losses(plan: GraphPlan) -> tuple[str, ...]:
    """`losses` of any layers."""
    layers = plan.network.layers
    found = [
        f"the activation {layers[name].lagrangian!r} of layer {name!r}"
        for name, units in plan.layers.items()
        if units.kind not in ("identity", "sign")
    ]
    if any(units.kind == "sign" for units in plan.layers.values()):
        found.append("that sign(0) is 0 (a threshold makes it -1)")
    found += [
        f"the bias of layer {name!r}, which no weights end in"
        for name, layer in layers.items()
        if layer.algebraic and layer.bias.any() and not plan.onto(name)
    ]
    return (*found, "integer states and their rounding", "the schedule of periods and rounds")


def graph_of(plan: Plan | GraphPlan, library: Any) -> Any:
    """Leaky integrators joined by the plan's rounded weights; see docs/export.md.

    Where NIR has no activation there is a `Scale` by 1, with the activation in its metadata. The
    sign of a feature is a threshold: W sign(v) = 2 W [v > 0] - W 1.
    """
    layers = plan.network.layers
    if isinstance(plan, GraphPlan):
        return _graph_of_layers(plan, library)
    weights = plan.weights / plan.weight_scale
    sign = isinstance(layers["visible"].lagrangian, Sign)
    to_hidden, offset = (2 * weights, -weights.sum(axis=1)) if sign else (weights, 0.0)
    nodes: dict[str, Any] = {}
    for name, layer in layers.items():
        shape = {"input": np.array([layer.size])}
        nodes[f"input_{name}"] = library.Input(input_type=shape)
        nodes[name] = _neurons(layer, library)
        nodes[f"{name}_activation"] = _activation(layer, library)
        nodes[f"output_{name}"] = library.Output(output_type={"output": shape["input"]})
    nodes["visible_to_hidden"] = _weights(to_hidden, offset, layers["hidden"], library)
    nodes["hidden_to_visible"] = _weights(weights.T, 0.0, layers["visible"], library)
    edges = []
    for name, other in (("visible", "hidden"), ("hidden", "visible")):
        edges += [
            (f"input_{name}", name),
            (name, f"{name}_activation"),
            (f"{name}_activation", f"{name}_to_{other}"),
            (f"{name}_to_{other}", other),
            (name, f"output_{name}"),
        ]
    return library.NIRGraph(nodes=nodes, edges=edges)


def _graph_of_layers(plan: GraphPlan, library: Any) -> Any:
    """`graph_of` any layers: a node of weights for each projection, by its name."""
    layers = plan.network.layers
    _check_names(tuple(layers))
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    for name, layer in layers.items():
        shape = {"input": np.array([layer.size])}
        nodes[f"input_{name}"] = library.Input(input_type=shape)
        nodes[name] = _neurons(layer, library)
        nodes[f"{name}_activation"] = _activation(layer, library)
        nodes[f"output_{name}"] = library.Output(output_type={"output": shape["input"]})
        edges += [
            (f"input_{name}", name),
            (name, f"{name}_activation"),
            (name, f"output_{name}"),
        ]
        # The bias of an algebraic layer comes with the first weights that end in it.
        bias = layer.bias if layer.algebraic else np.zeros(layer.size)
        for each in plan.onto(name):
            weights = each.weights / each.weight_scale
            offset = bias
            if isinstance(layers[each.source].lagrangian, Sign):
                weights, offset = 2 * weights, bias - weights.sum(axis=1)
            nodes[each.name] = _affine(weights, offset, library)
            edges += [(f"{each.source}_activation", each.name), (each.name, name)]
            bias = np.zeros(layer.size)
    return library.NIRGraph(nodes=nodes, edges=edges)


def _check_names(layers: tuple[str, ...]) -> None:
    """Raise MappingError if nodes of two layers would have one name."""
    for name in layers:
        for node in (f"input_{name}", f"{name}_activation", f"output_{name}"):
            if node in layers:
                raise MappingError(
                    f"layer {node!r} has the name of a node of layer {name!r}, and one of the two "
                    f"would be lost: give it another name"
                )


def winner_of(plan: Plan | GraphPlan, library: Any) -> Any:
    """One update of a softmax memory for large beta, with one input, of Affine and LIF nodes.

    The memory with the largest logit wins. A spiking unit for each ordered pair of memories tells
    whether the first is ahead, one for each memory whether it is ahead of all others, and what
    leaves are the features that it drives: W^T p + a.

    Raises
    ------
    MappingError
        If the plan has no softmax memories of features, or too many for all their pairs.
    """
    if isinstance(plan, GraphPlan) or plan.normaliser is None:
        raise MappingError(
            "lossy='spikes' writes which memory of a softmax wins: it takes plans of features and "
            "softmax memories (am.dense_am) alone"
        )
    weights, scale = plan.weights.astype(np.float64), plan.weight_scale
    count, size = weights.shape
    pairs = count * (count - 1)
    if not 0 < pairs * (size + count) <= _MOST_WEIGHTS:
        raise MappingError(
            f"lossy='spikes' has a unit for each of the {pairs:,} pairs of {count:,} memories, "
            f"from 2 memories on and up to {_MOST_WEIGHTS:,} weights: store more or fewer patterns"
        )
    ahead, behind = np.nonzero(~np.eye(count, dtype=bool))
    layers = plan.network.layers
    bias = layers["hidden"].bias * scale
    lead, offset = weights[ahead] - weights[behind], bias[ahead] - bias[behind]
    # Between 1/2 and 3/2, since neurons of sinabs may spike twice in a step; by a power of two, so
    # that whole numbers stay exact. A tie is no lead, also where a neuron spikes at its threshold.
    largest = float(np.max(np.abs(lead) @ _largest_outputs(plan) + np.abs(offset)))
    unit = 2.0 ** -(math.ceil(math.log2(max(largest, 1.0))) + 1)
    nodes = {
        "input": library.Input(input_type={"input": np.array([size])}),
        "compare": library.Affine(weight=unit * lead, bias=1 + unit * (offset - 0.25)),
        "ahead": _threshold_units(pairs, library),
        "count": library.Affine(
            weight=(np.arange(count)[:, None] == ahead).astype(np.float64),
            bias=np.full(count, 2.5 - count),
        ),
        "winner": _threshold_units(count, library),
        "recall": library.Affine(
            weight=np.ascontiguousarray(weights.T / scale), bias=np.array(layers["visible"].bias)
        ),
        "output": library.Output(output_type={"output": np.array([size])}),
    }
    names = list(nodes)
    return library.NIRGraph(nodes=nodes, edges=list(pairwise(names)))


def _largest_outputs(plan: Plan) -> Floats:
    """Bound on what features send, (D,)."""
    if plan.visible.kind != "identity":
        return np.ones(plan.units[1])
    return plan.visible.limit / plan.visible.scale


def _threshold_units(count: int, library: Any) -> Any:
    """Neurons that spike in every step in which more than 1 arrives."""
    ones = np.ones(count)
    return library.LIF(tau=STEP * ones, r=ones, v_leak=0 * ones, v_threshold=ones)


def describe(graph: Any) -> tuple[Any, ...]:
    """Nodes and edges of a graph as values that can be compared."""
    nodes = {name: _plain(node.to_dict()) for name, node in graph.nodes.items()}
    return nodes, sorted((str(a), str(b)) for a, b in graph.edges)


def _neurons(layer: Layer, library: Any) -> Any:
    """tau dx/dt = bias - x + R I; without tau, the sum of the inputs."""
    ones = np.ones(layer.size)
    if layer.algebraic:
        return library.Scale(scale=ones)
    return library.LI(tau=np.array(layer.tau), r=ones, v_leak=np.array(layer.bias))


def _activation(layer: Layer, library: Any) -> Any:
    if isinstance(layer.lagrangian, Sign):
        return library.Threshold(threshold=np.zeros(layer.size))
    return library.Scale(scale=np.ones(layer.size), metadata={"activation": repr(layer.lagrangian)})


def _weights(weights: Floats, offset: Floats | float, target: Layer, library: Any) -> Any:
    """Synapses, with the bias of a target that is no leaky integrator."""
    return _affine(
        weights, offset + (target.bias if target.algebraic else np.zeros(target.size)), library
    )


def _affine(weights: Floats, bias: Floats, library: Any) -> Any:
    if bias.any():
        return library.Affine(weight=np.ascontiguousarray(weights), bias=bias)
    return library.Linear(weight=np.ascontiguousarray(weights))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
