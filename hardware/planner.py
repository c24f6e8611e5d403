"""From a network to a `Plan`: the largest integers that `hardware.ranges` can prove to fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from amsim import Dense, Network, checks

from . import domain, ranges
from .chips import CHIPS
from .chips import chip as chip_named
from .errors import LimitError, MappingError, RangeError
from .graphs import bounds
from .graphs import planner as graph_planner
from .graphs import spec as graph_spec
from .graphs.plan import GraphPlan, check_domain
from .plan import MOST_STEPS, Plan
from .rounding import ROUNDINGS, Rounding, rounded
from .scales import Request, fit
from .spec import Floats, TwoLayer, is_two_layers, read
from .units import Integers

_STEPS_PER_TAU = 20
_HORIZON = 16.0
_EXACT = 1e-9


def compile(
    network: Network,
    chip: str = "loihi2",
    weight_bits: int = 8,
    dt: float | None = None,
    *,
    quantum: float = 0.0,
    cue_limit: float | Mapping[str, float] | None = None,
    input_limits: Mapping[str, float] | None = None,
    rounding: Rounding = "nearest",
    seed: checks.Seed = 0,
) -> Plan | GraphPlan:
    """Turn a network into integers for a chip, and prove that nothing overflows.

    Parameters
    ----------
    network : Network
        Layers "visible" (Identity, Tanh or Sign features) and "hidden" (Softmax, ReLU or
        RectifiedPower(whole n) memories) joined by one Dense synapse, as `amsim.dense_am` builds,
        become a `Plan`. Any other layers of these kinds and Sigmoid, joined by Dense and Directed
        synapses, become a `GraphPlan`.
    chip : str, default "loihi2"
        One of `hardware.CHIPS`. For a chip of your own compile for "loihi2"; `hardware.place` and
        `hardware.validate` take your table.
    weight_bits : int, default 8
        2 to 8, sign included. Weights that are whole multiples of one number within these bits,
        such as -1 and +1, are exact.
    dt : float, optional
        Time of one period, in the unit of tau; 1/20 of the smallest time constant of the features
        (of the cued layers) by default.
    quantum : float, default 0
        Features (with a `GraphPlan` all layers but those of a softmax) announce changes of their
        output of at least this size; 0 announces every change of the integer.
    cue_limit : float, or mapping of layer names to float, optional
        Largest absolute value of a feature in a cue; that of the patterns by default, or, of a
        `GraphPlan`, of the weights between the first layer and others (1 if there are none). A
        mapping says which layers of a `GraphPlan` a cue gives; the first one by default.
    input_limits : mapping of layer names to float, optional
        Largest absolute value of driven inputs (`run(..., inputs=...)`); 0 by default.
    rounding : {"nearest", "stochastic", "learned"}, default "nearest"
        Of the weights. "stochastic" rounds up with the probability of the fraction, so that errors
        are independent, and 0 on average. "learned" chooses up or down so that damaged cues find
        their memory (`hardware.rounding.learned`), in every synapse that stores patterns in
        Softmax or RectifiedPower units; others go to the nearest.
    seed : seed, default 0
        Of the chance in the last two.

    Returns
    -------
    Plan or GraphPlan

    Raises
    ------
    MappingError
        If the network has a part that cannot be mapped; the message names it.
    RangeError
        If a signal does not fit; the message names it, the bits it needs and the remedy.
    LimitError
        If the chip cannot run such neurons.
    ValueError, TypeError
        If an argument is not usable.

    Examples
    --------
    >>> import amsim as am
    >>> import hardware as hw
    >>> patterns = am.patterns.random(5, 64, seed=0)
    >>> plan = hw.compile(am.dense_am(patterns))
    >>> plan.weights.shape, plan.weight_scale, plan.period
    ((5, 64), 1.0, 6)
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be an amsim.Network, got {type(network).__name__}")
    options = _Options(chip, weight_bits, dt, quantum, cue_limit, input_limits, rounding, seed)
    if is_two_layers(network):
        return _two_layers(read(network), options)
    return _graph(graph_spec.read(network), options)


def compile_graph(network: Network, **options: Any) -> GraphPlan:
    """`compile` by the planner of any layers, also for two."""
    return _graph(graph_spec.read(network), _Options(**options))


@dataclass(frozen=True, eq=False)
class _Options:
    """Those of `compile`; both planners ask for them by these methods, which check them."""

    chip: str = "loihi2"
    weight_bits: int = 8
    dt: float | None = None
    quantum: float = 0.0
    cue_limit: float | Mapping[str, float] | None = None
    input_limits: Mapping[str, float] | None = None
    rounding: Rounding = "nearest"
    seed: checks.Seed = 0

    def of_all(self, layers: tuple[str, ...]) -> dict[str, Any]:
        """What a request of any planner has; input limits by layer."""
        _check_chip(self.chip)
        return {
            "chip": self.chip,
            "input_limits": _input_limits(self.input_limits, layers),
            "weight_bits": checks.count("weight_bits", self.weight_bits, at_least=2, at_most=8),
            "quantum": checks.number("quantum", self.quantum, at_least=0.0),
        }

    def roundings(self) -> tuple[Rounding, np.random.Generator]:
        """How weights are rounded, and by what chance."""
        checks.choice("rounding", self.rounding, ROUNDINGS)
        return self.rounding, checks.generator(self.seed)


def _two_layers(spec: TwoLayer, options: _Options) -> Plan:
    """`compile` for features and memories."""
    given = options.of_all(("visible", "hidden"))
    inputs = given.pop("input_limits")
    size = float(np.abs(spec.patterns).max())
    weight_scale = scale_of(spec.patterns, given["weight_bits"])
    with _beyond_floats(size):
        bias = spec.hidden.bias * weight_scale * weight_scale
        weights = rounded(spec.patterns * weight_scale, *options.roundings(), bias=bias)
    request = Request(
        spec=spec,
        weights=weights,
        weight_scale=weight_scale,
        dt=_dt(spec, options.dt),
        cue_limit=_cue_limit(spec, options.cue_limit),
        input_visible=inputs["visible"],
        input_hidden=inputs["hidden"],
        **given,
    )
    with _beyond_floats(size):
        plan = fit(request)
    _check_quantum(request.quantum, plan.visible.output_scale)
    ranges.prove(plan)  # first: of a network that does not fit, it names the signal
    plan = replace(plan, steps=_steps(plan))
    domain.check(plan)
    return plan


def _graph(graph: graph_spec.Graph, options: _Options) -> GraphPlan:
    """`compile` for any other layers."""
    given = options.of_all(tuple(graph.network.layers))
    weights = _graph_weights(graph, given["weight_bits"], *options.roundings())
    cues = _cue_limits(graph, options.cue_limit)
    request = graph_planner.Request(
        graph=graph, weights=weights, dt=_graph_dt(graph.network, cues, options.dt),
        cue_limits=cues, **given,
    )  # fmt: skip
    with _beyond_floats(max(float(np.abs(each).max()) for each in graph.weights)):
        plan = graph_planner.fit(request)
    for units in plan.layers.values():
        if units.normaliser is None:
            _check_quantum(request.quantum, units.output_scale)
    bounds.prove(plan)
    plan = replace(plan, steps=_steps(plan))
    check_domain(plan)
    return plan


def _graph_weights(
    graph: graph_spec.Graph, bits: int, rounding: Rounding, rng: np.random.Generator
) -> tuple[tuple[Integers, float], ...]:
    """Whole numbers of every synapse, and their scale."""
    found, layers = [], graph.network.layers
    storing = [graph_spec.storing(graph, synapse) for synapse in graph.network.synapses]
    if rounding == "learned" and not any(storing):
        raise MappingError(
            "rounding='learned' is for synapses that store patterns in Softmax or RectifiedPower "
            "units, and this network has none: take 'nearest' or 'stochastic'"
        )
    for synapse, values, stored in zip(graph.network.synapses, graph.weights, storing, strict=True):
        if not values.any():
            raise ValueError(f"all weights of synapse {synapse.name!r} are 0: leave it out")
        scale = scale_of(values, bits)
        if rounding == "learned" and stored is not None:
            patterns = scale * (values.T if stored.turned else values)
            heard = patterns.any(axis=0)  # of units that no pattern has, damage tells nothing
            whole = np.zeros(patterns.shape, np.int64)
            bias = layers[stored.layer].bias * scale * scale
            whole[:, heard] = rounded(patterns[:, heard], rounding, rng, bias=bias)
            found.append((whole.T if stored.turned else whole, scale))
            continue
        how = "nearest" if rounding == "learned" else rounding
        symmetric = isinstance(synapse, Dense) and len(set(synapse.between)) == 1
        found.append((rounded(values * scale, how, rng, symmetric=symmetric), scale))
    return tuple(found)


def _check_chip(chip: str) -> None:
    """Raise for what no plan can be made for."""
    table = chip_named(chip)
    if not isinstance(chip, str) or chip not in CHIPS:
        raise ValueError(
            f"chip {table.name!r} is a table of your own, and a plan has the integers of a "
            f"published chip: compile for 'loihi2', and give your table to hardware.place or "
            f"hardware.validate, which say whether the plan fits"
        )
    if not table.programmable:
        raise LimitError(
            f"{chip} has fixed integrate-and-fire neurons and cannot run graded messages; "
            f"chip='loihi2' can. {chip} is here for prices only"
        )


def scale_of(patterns: Floats, bits: int) -> float:
    """Integers per unit of weight, for patterns in integers of `bits` bits, sign included.

    One scale keeps the two directions of every synapse equal, and with them the energy. It is the
    smallest at which the patterns are whole, if there is one: -1 and +1 stay -1 and +1, and the
    sums that they enter stay short.

    Raises
    ------
    ValueError
        If all patterns are 0.

    Examples
    --------
    >>> scale_of(np.array([[1.0, -0.5]]), 8)
    2.0
    """
    levels = (1 << (bits - 1)) - 1
    sizes = np.unique(np.abs(patterns))
    largest = float(sizes[-1])
    if largest == 0:
        raise ValueError("all patterns are 0: nothing to store")
    if len(sizes) <= levels + 1:
        for steps in range(1, levels + 1):
            scaled = sizes * (steps / largest)
            if np.abs(scaled - np.rint(scaled)).max() <= _EXACT * steps:
                return steps / largest
    return levels / largest


def _dt(spec: TwoLayer, dt: float | None) -> float:
    if dt is not None:
        return checks.number("dt", dt, above=0.0)
    tau = spec.hidden.tau if spec.visible.algebraic else spec.visible.tau
    return float(np.min(tau)) / _STEPS_PER_TAU


@contextmanager
def _beyond_floats(size: float) -> Iterator[None]:
    """Say what is wrong where numbers leave the range of floats."""
    try:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            yield
    except RangeError:
        raise
    except (ArithmeticError, ValueError) as error:
        raise ValueError(
            f"patterns up to {size:.3g}, with these biases and this beta, lead to numbers beyond "
            f"the range of floats ({error}): scale the network towards sizes of 1"
        ) from error


def _graph_dt(network: Network, cued: Mapping[str, float], dt: float | None) -> float:
    """1/20 of the smallest time constant of the cued layers, or of all if those are algebraic."""
    if dt is not None:
        return checks.number("dt", dt, above=0.0)
    every = [network.layers[name].tau for name in cued]
    every = [tau for tau in every if tau.any()] or [x.tau for x in network.dynamic.values()]
    return min(float(np.min(tau)) for tau in every) / _STEPS_PER_TAU


def _cue_limits(graph: graph_spec.Graph, limit: object) -> dict[str, float]:
    """Largest absolute value of a cue, by the layers that it gives."""
    layers = tuple(graph.network.layers)
    if isinstance(limit, Mapping):
        if not limit:
            raise ValueError("cue_limit names no layer: give those of a cue, and their limits")
        for name in limit:
            if name not in layers:
                raise ValueError(f"cue_limit names {name!r}; the layers are {', '.join(layers)}")
        numbers = limit.items()
        return {n: checks.number(f"cue_limit[{n!r}]", x, at_least=0.0) for n, x in numbers}
    if limit is not None:
        return {layers[0]: checks.number("cue_limit", limit, at_least=0.0)}
    touching = [
        float(np.abs(weights).max())
        for synapse, weights in zip(graph.network.synapses, graph.weights, strict=True)
        if layers[0] in synapse.between and len(set(synapse.between)) > 1
    ]
    return {layers[0]: max(touching, default=1.0)}


def _steps(plan: Plan | GraphPlan) -> int:
    longest = max(float(np.max(layer.tau)) for layer in plan.network.layers.values())
    steps = plan.period * math.ceil(_HORIZON * longest / plan.dt)
    if steps > MOST_STEPS:
        raise ValueError(
            f"with dt={plan.dt:g} a recall takes {steps:,} steps, a plan has at most "
            f"{MOST_STEPS:,}: take a larger dt"
        )
    return steps


def _cue_limit(spec: TwoLayer, limit: object) -> float:
    return (
        float(np.abs(spec.patterns).max())
        if limit is None
        else checks.number("cue_limit", limit, at_least=0.0)
    )


def _check_quantum(quantum: float, output_scale: float) -> None:
    most = domain.WIDE / output_scale
    if quantum > most:
        raise ValueError(
            f"quantum must be at most {most:.4g} for this network, got {quantum:g}: no output of a "
            f"feature changes by so much, and nothing would be sent"
        )


def _input_limits(limits: Mapping[str, float] | None, layers: tuple[str, ...]) -> dict[str, float]:
    known = dict.fromkeys(layers, 0.0)
    if limits is None:
        return known
    checks.instance("input_limits", limits, Mapping, "a mapping of layer names to numbers")
    for name, limit in limits.items():
        if name not in known:
            raise ValueError(f"input_limits names {name!r}; the layers are {', '.join(layers)}")
        known[name] = checks.number(f"input_limits[{name!r}]", limit, at_least=0.0)
    return known
