"""The plan of a network of any layers as scalars and arrays, and back without trust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amsim import Layer, Network, checks
from amsim.network_file import document_of, known_dtype, network_of

from ..domain import Table, rules
from ..errors import MappingError
from ..fixed_point import decay_mantissas, multiplier, whole
from ..units import Normaliser, values
from . import bounds, spec
from .plan import GraphPlan, Projection, Units
from .planner import logit, power_scale, saturating

Arrays = dict[str, Any]
_ROUNDED = 1e-9  # what scales may differ by
_NUMBERS = ("chip", "weight_bits", "dt", "steps")


def to_parts(plan: GraphPlan) -> tuple[dict[str, Any], Arrays]:
    """The plan as nested scalars and named arrays."""
    arrays: Arrays = {}

    def scalars(where: str, part: object) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in values(part).items():
            if isinstance(value, np.ndarray):
                arrays[f"{where}.{name}"] = value
            elif isinstance(value, Normaliser):
                found[name] = values(value)
            else:
                found[name] = value
        return found

    def put(array: NDArray[Any]) -> str:
        name = f"network.{sum(each.startswith('network.') for each in arrays)}"
        arrays[name] = array
        return name

    document = {
        "graph": {name: getattr(plan, name) for name in _NUMBERS} | {"cued": list(plan.cued)},
        "layers": {name: scalars(f"layers.{name}", x) for name, x in plan.layers.items()},
        "projections": [scalars(f"projections.{x.name}", x) for x in plan.projections],
        "network": document_of(plan.network, put),
    }
    return document, arrays


def restore(scalars: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> GraphPlan:
    """The plan that `to_parts` took apart, with every number checked and the proof repeated.

    Raises
    ------
    ValueError, TypeError
        If something is missing or too much, a number is not in its domain, a signal may not fit, or
        the numbers are those of another network.
    """
    _same_names("the plan", scalars, ("graph", "layers", "projections", "network"))
    _same_names("graph", scalars["graph"], (*_NUMBERS, "cued"))
    layers, links, cued = scalars["layers"], scalars["projections"], scalars["graph"]["cued"]
    checks.instance("layers", layers, Mapping, "an object with names")
    checks.instance("projections", links, list, "a list")
    checks.instance("cued", cued, list, "a list of layers")
    read: set[str] = set()

    def take(where: str, name: Any) -> NDArray[Any]:
        if not isinstance(name, str) or name not in arrays:
            raise ValueError(f"{where}: the arrays lack {checks.shown(name)}")
        read.add(name)
        return arrays[name]

    def part(where: str, kind: type, found: Any) -> dict[str, Any]:
        checks.instance(where, found, Mapping, "an object with names")
        tables = [n for n, rule in rules(kind).items() if isinstance(rule, Table)]
        names = [field.name for field in fields(kind) if field.name not in tables]
        _same_names(where, found, names)
        return {**found, **{name: take(where, f"{where}.{name}") for name in tables}}

    built = {}
    for name, found in layers.items():
        numbers = part(f"layers.{name}", Units, found)
        if numbers["normaliser"] is not None:
            where = f"layers.{name}.normaliser"
            numbers["normaliser"] = Normaliser(**part(where, Normaliser, numbers["normaliser"]))
        built[name] = Units(**numbers)
    projections = []
    for found in links:
        name = checks.text("a projection", found["name"] if isinstance(found, Mapping) else found)
        projections.append(Projection(**part(f"projections.{name}", Projection, found)))
    network = network_of(
        scalars["network"], lambda where, n: known_dtype(where, take(where, n)), Layer, Network
    )
    if unknown := sorted(set(arrays) - read):
        raise ValueError(f"{unknown[0]!r} is none of its arrays")
    plan = GraphPlan(
        network=network,
        cued=tuple(checks.text("cued", name) for name in cued),
        layers=built,
        projections=tuple(projections),
        **{name: scalars["graph"][name] for name in _NUMBERS},
    )
    _check_network(plan)
    bounds.check(plan)
    _check_origin(plan)
    return plan


def _same_names(where: str, found: Any, expected: Any) -> None:
    if not isinstance(found, Mapping):
        raise TypeError(f"{where} must have {', '.join(expected)}, got {checks.shown(found)}")
    if missing := [name for name in expected if name not in found]:
        raise ValueError(f"{where} lacks {', '.join(missing)}")
    if unknown := [name for name in found if name not in expected]:
        raise ValueError(f"{where} has {checks.shown(unknown[0])}, which is not known")


def _check_network(plan: GraphPlan) -> None:
    """Raise ValueError unless layers and projections are those of the network, by name and size."""
    try:
        graph = spec.read(plan.network)
    except MappingError as error:
        raise ValueError(f"its network cannot be mapped: {error}") from error
    if list(plan.layers) != list(graph.neurons):
        raise ValueError(
            f"its layers are {list(plan.layers)}, the network has {list(graph.neurons)}"
        )
    for name, row in graph.neurons.items():
        units, size = plan.layers[name], plan.network.layers[name].size
        found = (units.kind, units.power, np.size(units.bias))
        if found != (row.chip, row.exponent, size):
            raise ValueError(
                f"layers.{name}: kind, power and size are {found}, those of the network are "
                f"{(row.chip, row.exponent, size)}"
            )
    links = [(x.name, x.source, x.target, x.synapse) for x in graph.links]
    mine = [(x.name, x.source, x.target, x.synapse) for x in plan.projections]
    if links != mine:
        raise ValueError(f"its projections are {mine}, those of the network are {links}")


def _check_origin(plan: GraphPlan) -> None:
    """Raise ValueError unless weights, leaks, biases and multipliers are those of the network."""
    graph = spec.read(plan.network)
    for name, units in plan.layers.items():
        layer, row = plan.network.layers[name], graph.neurons[name]
        expected: dict[str, Any] = {
            "decay": decay_mantissas(name, layer.tau, plan.dt),
            "bias": whole(layer.bias, units.scale),
        }
        if units.normaliser is not None:
            multiplies = logit(row.parameter, units.normaliser.logit_bits, units.scale)
            expected |= dict(zip(("mantissa", "shift"), multiplies, strict=True))
            expected["threshold"] = 1  # every change of p is sent
        elif units.kind in ("tanh", "sigmoid"):
            expected |= saturating(units.kind, row.parameter, units.scale)
        for number, value in expected.items():
            _check(f"layers.{name}.{number}", getattr(units, number), value)
        _check_close(f"layers.{name}.output_scale", units.output_scale, _output_scale(units))
    for link, each in zip(graph.links, plan.projections, strict=True):
        weights = graph.weights[link.synapse]
        away = np.abs(each.weights - (weights.T if link.turned else weights) * each.weight_scale)
        if not away.max() < 1:  # however they were rounded
            raise ValueError(f"projections.{each.name}.weights are not those of the network")
        scale = plan.layers[each.target].scale
        per_output = each.weight_scale * plan.layers[each.source].output_scale
        found = (each.mantissa, each.shift)
        _check(
            f"projections.{each.name}: mantissa and shift", found, multiplier(scale / per_output)
        )
    for one in plan.projections:
        for other in plan.projections:
            if one.synapse == other.synapse:
                _check_close(
                    f"projections.{one.name}.weight_scale", one.weight_scale, other.weight_scale
                )


def _output_scale(units: Units) -> float:
    """Integers per unit of output, by the other numbers."""
    if units.normaliser is not None:
        return 2.0**units.normaliser.p_bits
    if units.kind in ("identity", "power"):
        return power_scale(units.scale, units.mantissa, units.shift, units.power, units.down)
    return float(units.level)


def _check(name: str, found: Any, expected: Any) -> None:
    if not np.array_equal(found, expected):
        raise ValueError(
            f"{name} is {checks.shown(found)}, by the network, dt and the scales it is "
            f"{checks.shown(expected)}: compile the network anew"
        )


def _check_close(name: str, found: float, expected: float) -> None:
    if not abs(found - expected) <= _ROUNDED * abs(expected):
        raise ValueError(f"{name} is {found!r}, by the other numbers it is {expected!r}")
