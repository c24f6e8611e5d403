"""From a network of any layers to a `GraphPlan`: the finest scales that can be proven to fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from amsim import Layer

from .. import domain, kernels, ranges
from ..errors import RangeError
from ..fixed_point import decay_mantissas, multiplier, too_wide, whole
from ..spec import Floats
from ..units import TANH_BITS, Integers, Normaliser
from . import bounds
from .plan import GraphPlan, Projection, Units
from .spec import Graph

_STATE = (1 << 23) - 1
_ROOM = 0.995  # of the states: what is left takes the rounding of the bounds
_SUM_BITS, _P_BITS, _LEAST_P_BITS = 22, 16, 12
_LOGIT_BITS = (14, 13, 12, 11, 10)
_LARGEST_MESSAGE, _LEAST_MESSAGE = (1 << 16) - 1, (1 << 4) - 1
_SATURATED = 17  # octaves after which tanh is 1 to 16 bits
_LOG2_E = 1 / math.log(2)
_ATTEMPTS = 12
_MARGIN = 2e-3  # by which bounds exceed targets, for what rounding adds
_MOST_STEPS, _LARGEST = 4000, 1e30
# A cue has to be so many times what the leak's rounding hides, and what a layer rests at.
_CUE_STEPS, _REST_STEPS = 8, 64

Box = tuple[Floats, Floats]


@dataclass(frozen=True, eq=False)
class Request:
    """What the user asked for, checked.

    Attributes
    ----------
    weights : tuple of (ndarray of int, float)
        Of each synapse, with its scale.
    cue_limits, input_limits : dict of str to float
        Largest absolute values by layer; those without a cue are not in the first.
    """

    graph: Graph
    chip: str
    weight_bits: int
    weights: tuple[tuple[Integers, float], ...]
    dt: float
    quantum: float
    cue_limits: Mapping[str, float]
    input_limits: Mapping[str, float]

    def layer(self, name: str) -> Layer:
        """A layer of the network."""
        return self.graph.network.layers[name]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Real bounds: on states, outputs and what arrives, per unit."""

    states: dict[str, Box]
    outputs: dict[str, Box]
    drives: dict[str, Box]
    totals: dict[str, Box]


def fit(request: Request) -> GraphPlan:
    """The plan with the finest scales that fit; its `steps` are still 1.

    Raises
    ------
    RangeError
    """
    boxes = _boxes(request)
    shrink = dict.fromkeys(request.graph.neurons, 1.0)
    for _ in range(_ATTEMPTS):
        plan = _draft(request, boxes, shrink)
        misfits = [s for s in bounds.signals(plan) if s.bits > s.available and _coarser(s)]
        if not misfits:
            break
        for signal in misfits:
            name = next(n for n in (*shrink, "") if signal.name.endswith(f" {n}") or not n)
            source = signal.name.rpartition(" ")[2].partition("->")[0]
            factor = 0.999 * ((1 << (signal.available - 1)) - 1) / signal.largest
            shrink[name or source] *= factor
    return plan


def _coarser(signal: ranges.Signal) -> bool:
    return signal.remedy == ranges.COARSER


def _boxes(request: Request) -> Boxes:
    """Bounds that the dynamics with the rounded weights does not leave, by iteration."""
    states = {
        name: (np.full(layer.size, -limit), np.full(layer.size, limit))
        for name, layer in request.graph.network.layers.items()
        for limit in (request.cue_limits.get(name, 0.0),)
    }
    for _ in range(_MOST_STEPS):
        found = _image(request, states)
        wider, rests = {}, True
        for name, (low, high) in found.drives.items():
            bias, limit = request.layer(name).bias, request.input_limits.get(name, 0.0)
            target = low + bias - limit, high + bias + limit
            size = np.maximum(np.abs(target[0]), np.abs(target[1]))
            pad = _MARGIN * (size + 1e-3 * float(size.max()))
            before = states[name]
            inside = (target[0] - pad / 2 >= before[0]) & (target[1] + pad / 2 <= before[1])
            rests &= bool(inside.all())
            wider[name] = (
                np.minimum(before[0], target[0] - pad),
                np.maximum(before[1], target[1] + pad),
            )
        if rests:
            return found
        states = wider
        worst = max(states, key=lambda name: float(np.abs(states[name]).max()))
        if not np.abs(states[worst]).max() < _LARGEST:
            break
    raise RangeError(f"state of {worst}", None, 24, bounds.UNBOUNDED)


def _image(request: Request, states: dict[str, Box]) -> Boxes:
    """Outputs and sums within these states."""
    outputs = {name: _outputs(request, name, box) for name, box in states.items()}
    drives = {name: (0.0 * low, 0.0 * high) for name, (low, high) in states.items()}
    totals = {}
    for link in request.graph.links:
        weights, scale = _weights(request, link.synapse, turned=link.turned)
        low, high = outputs[link.source]
        up, down = np.maximum(weights, 0) / scale, np.minimum(weights, 0) / scale
        if request.graph.neurons[link.source].chip == "softmax":
            share = float(high[0])
            total = down.min(axis=1) * share, up.max(axis=1) * share
        else:
            total = up @ low + down @ high, up @ high + down @ low
        totals[link.name] = total
        before = drives[link.target]
        drives[link.target] = before[0] + total[0], before[1] + total[1]
    return Boxes(states, outputs, drives, totals)


def _outputs(request: Request, name: str, box: Box) -> Box:
    """Bounds on what a layer has sent, with 0 between them."""
    kind, lagrangian = request.graph.neurons[name].chip, request.layer(name).lagrangian
    low, high = box
    if kind == "softmax":  # 1 and the rounding of every p; the exact bound is that of the proof
        share = 1.01 + len(low) / 2 ** (_LEAST_P_BITS + 1)
        return 0.0 * low, 0.0 * high + share
    if kind == "sign":
        return 0.0 * low - 1.0, 0.0 * high + 1.0
    ends = (np.asarray(lagrangian.activation(end), np.float64) for end in box)
    least, most = ends
    return np.minimum(least, 0.0), np.maximum(most, 0.0)


def _weights(request: Request, synapse: int, *, turned: bool) -> tuple[Integers, float]:
    """Of one direction of a synapse, with a row for each target."""
    weights, scale = request.weights[synapse]
    return (weights.T if turned else weights), scale


def _draft(request: Request, boxes: Boxes, shrink: Mapping[str, float]) -> GraphPlan:
    """A plan with the finest scales by an estimate, times a factor for each layer."""
    layers = {name: _units(request, boxes, name, shrink[name]) for name in shrink}
    projections = []
    for link in request.graph.links:
        weights, scale = _weights(request, link.synapse, turned=link.turned)
        per_output = scale * layers[link.source].output_scale
        mantissa, shift = multiplier(layers[link.target].scale / per_output)
        projections.append(
            Projection(
                name=link.name,
                source=link.source,
                target=link.target,
                synapse=link.synapse,
                weights=np.ascontiguousarray(weights, np.int8),
                weight_scale=scale,
                mantissa=mantissa,
                shift=shift,
            )
        )
    plan = GraphPlan(
        network=request.graph.network,
        chip=request.chip,
        weight_bits=request.weight_bits,
        dt=request.dt,
        steps=1,
        cued=tuple(request.cue_limits),
        layers=layers,
        projections=tuple(projections),
    )
    plan = _with_limits(plan)
    for name, units in plan.layers.items():
        if units.normaliser is not None:
            plan = _with_normaliser(request, plan, name)
    return plan


def _units(request: Request, boxes: Boxes, name: str, shrink: float) -> Units:
    row, layer = request.graph.neurons[name], request.layer(name)
    limit = request.input_limits.get(name, 0.0)
    scale = shrink * _state_scale(boxes, name, layer, limit)
    _check_resolution(request, boxes, name, scale)
    output = shrink * _output_scale(request, boxes, name)
    numbers: dict[str, Any] = {"mantissa": 0, "shift": 0, "saturation": 0, "level": 0}
    numbers |= {"power": 1, "down": 0, "kind": row.chip}
    normaliser = None
    if row.chip == "softmax":
        bits = min(_P_BITS, math.floor(math.log2(output)))
        if bits < _LEAST_P_BITS:
            raise too_wide(f"messages of {name}", _STATE * 2.0 ** (_LEAST_P_BITS - bits))
        output = 2.0**bits
        normaliser = _normaliser(layer.size, bits)
        numbers |= dict(zip(("mantissa", "shift"), logit(row.parameter, 14, scale), strict=True))
    elif row.chip == "power":
        numbers |= _power(boxes, name, row.exponent, scale, output)
        output = power_scale(scale, **numbers)
    elif row.chip == "identity":
        mantissa, shift = multiplier(min(1.0, output / scale))
        numbers |= {"mantissa": mantissa, "shift": shift}
        output = scale * mantissa / 2.0**shift
    else:
        numbers["level"] = math.floor(min(output, _LARGEST_MESSAGE))  # of an output of 1
        output = float(numbers["level"])
        if row.chip != "sign":
            numbers |= saturating(row.chip, row.parameter, scale)
    low, high = boxes.states[name]
    return Units(
        decay=decay_mantissas(name, layer.tau, request.dt),
        bias=whole(layer.bias, scale),
        low=whole(np.floor(low * scale), 1.0),
        high=whole(np.ceil(high * scale), 1.0),
        input_limit=math.ceil(limit * scale),
        threshold=1
        if normaliser
        else max(1, round(min(request.quantum * output, float(domain.WIDE)))),
        scale=scale,
        output_scale=output,
        normaliser=normaliser,
        **numbers,
    )


def _state_scale(boxes: Boxes, name: str, layer: Layer, limit: float) -> float:
    """Integers per unit of state: target - state has to fit, and what arrives before the bias."""
    (low, high), (down, up) = boxes.states[name], boxes.drives[name]
    target = down + layer.bias - limit, up + layer.bias + limit
    sizes = (target[1] - low, high - target[0], up, -down, np.abs(low), np.abs(high))
    size = max(float(np.max(each)) for each in sizes)
    return _ROOM * _STATE / size if size > 0 else 1.0


def _output_scale(request: Request, boxes: Boxes, name: str) -> float:
    """Integers per unit of output: messages have to fit, and the sums that they enter."""
    low, high = boxes.outputs[name]
    most = float(np.max(high - low))
    if most == 0:
        return 1.0
    found = _LARGEST_MESSAGE / most
    mixed = 2.0 if request.graph.neurons[name].chip == "softmax" else 1.0
    for link in request.graph.links:
        if link.source == name:
            ends = boxes.totals[link.name]
            largest = mixed * max(float(np.max(ends[1])), float(np.max(-ends[0])))
            if largest > 0:
                found = min(found, _ROOM * _STATE / (request.weights[link.synapse][1] * largest))
    if found * most < _LEAST_MESSAGE:
        raise too_wide(f"sum of {name}", _STATE * _LEAST_MESSAGE / (found * most))
    return found


def _power(boxes: Boxes, name: str, exponent: int, scale: float, output: float) -> dict[str, int]:
    """Numbers of rectified units, for about these integers per unit of output."""
    if exponent == 1:
        mantissa, shift = multiplier(min(1.0, output / scale))
        return {"mantissa": mantissa, "shift": shift, "power": 1, "down": 0}
    low, high = boxes.states[name]
    # Units that hardly rise above 0, or never do, get no finer numbers than these.
    largest = max(float(high.max()), float(np.abs(low).max()) / (1 << 8)) or 1.0
    full = 0.99 * (1 << kernels.POWER_BITS) / largest  # of the base, per unit of state
    unit = 2.0 ** (kernels.POWER_BITS * (exponent - 1))
    down = min(16, max(0, math.floor(math.log2(full**exponent / unit / output) + 1e-9)))
    base = min(full, (output * unit * 2.0**down) ** (1 / exponent))
    mantissa, shift = multiplier(base / scale)
    return {"mantissa": mantissa, "shift": shift, "power": exponent, "down": down}


def power_scale(
    scale: float, mantissa: int, shift: int, power: int, down: int, **_: object
) -> float:
    """Integers per unit of output of rectified units, by their numbers."""
    base: float = scale * mantissa / 2.0**shift
    return base**power / 2.0 ** (kernels.POWER_BITS * (power - 1) + down)


def saturating(kind: str, beta: float, scale: float) -> dict[str, int]:
    """Mantissa, shift and saturation of tanh or sigmoid units."""
    octaves = (2 if kind == "tanh" else 1) * beta * _LOG2_E / scale  # per integer of state
    octaves = min(octaves, 2.0 * _SATURATED)  # then one integer from 0 is saturated in any case
    mantissa, shift = multiplier(octaves * (1 << TANH_BITS))
    saturation = min(math.ceil(_SATURATED / octaves), domain.WIDE)
    return {"mantissa": mantissa, "shift": shift, "saturation": saturation}


def logit(beta: float, logit_bits: int, scale: float) -> tuple[int, int]:
    """Mantissa and shift from a state to its logit."""
    return multiplier(beta * _LOG2_E * 2.0**logit_bits / scale)


def _normaliser(size: int, p_bits: int) -> Normaliser:
    return Normaliser(
        logit_bits=_LOGIT_BITS[0],
        sum_bits=_SUM_BITS,
        p_bits=p_bits,
        rounds=1,
        headroom=0,
        floor=1 << max(1, math.ceil(math.log2(size))),
    )


def _with_normaliser(request: Request, plan: GraphPlan, name: str) -> GraphPlan:
    """Logits of a layer with as many fractional bits as fit, and the rounds that they need."""
    beta = request.graph.neurons[name].parameter
    for logit_bits in _LOGIT_BITS:
        units = plan.layers[name]
        assert units.normaliser is not None
        mantissa, shift = logit(beta, logit_bits, units.scale)
        normaliser = replace(units.normaliser, logit_bits=logit_bits)
        units = replace(units, mantissa=mantissa, shift=shift, normaliser=normaliser)
        plan = plan.changed(**{name: units})
        _, change = bounds.Bounds(plan).logits(name)
        headroom = ranges.headroom_needed(change, logit_bits)
        normaliser = replace(normaliser, headroom=headroom)
        normaliser = replace(normaliser, rounds=ranges.rounds_needed(normaliser, change))
        plan = plan.changed(**{name: replace(units, normaliser=normaliser)})
        soft = [s for s in bounds.softmax_signals(plan, name) if s.remedy == ranges.SOFTER]
        if all(s.bits <= s.available for s in soft):
            break
    return plan


def _with_limits(plan: GraphPlan) -> GraphPlan:
    """Widen the bounds on states until their targets stay within them."""
    for _ in range(_ATTEMPTS):
        wider = {}
        for name, (low, high) in bounds.Bounds(plan).targets.items():
            units = plan.layers[name]
            down = np.maximum(low, -domain.WIDE).astype(np.int64)
            up = np.minimum(high, domain.WIDE).astype(np.int64)
            if (down < units.low).any() or (up > units.high).any():
                wider[name] = replace(
                    units,
                    low=np.minimum(units.low, down - (np.abs(down) >> 9)),
                    high=np.maximum(units.high, up + (np.abs(up) >> 9)),
                )
        if not wider:
            break
        plan = plan.changed(**wider)
    return plan


def _check_resolution(request: Request, boxes: Boxes, name: str, scale: float) -> None:
    """The leak rounds towards zero: a state stops short of its target by up to 4096 / mantissa."""
    limit, layer = request.cue_limits.get(name, 0.0), request.layer(name)
    mantissas = decay_mantissas(name, layer.tau, request.dt)
    hidden = (1 << kernels.DECAY_BITS) / float(mantissas.min())
    # Where the layer rests without driven input.
    rest = max(float(np.abs(end + layer.bias).max()) for end in boxes.drives[name])
    if 0 < rest * scale < _REST_STEPS * hidden:
        raise too_wide(f"state of {name}", _STATE * _REST_STEPS * hidden / (rest * scale))
    needed = _CUE_STEPS * hidden
    if 0 < limit * scale < needed:
        raise RangeError(
            f"state of {name}",
            24 + math.ceil(math.log2(needed / (limit * scale))),
            24,
            "cues are lost in the rounding of the leak, since targets are far larger than they; "
            "scale the weights so that both are of one size, or take a larger dt",
        )
