"""How many integers stand for a unit of each signal: as many as can be proven to fit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import domain, kernels, ranges
from .errors import RangeError
from .fixed_point import decay_mantissas, mantissa_of, too_wide, whole
from .plan import TANH_BITS, Hidden, Integers, Normaliser, Plan, Visible
from .spec import Floats, TwoLayer

_STATE = (1 << 23) - 1
# More bits of p than 14 where the sums have room: they cost messages of small p.
_P_BITS, _MOST_P_BITS, _SUM_BITS = 14, 16, 22
_LOGIT_BITS = (14, 13, 12, 11, 10)
# The largest integer that a message of a feature or of a rectified memory may be, and the least
# that its full range may be rounded to.
_LARGEST_MESSAGE, _LEAST_MESSAGE = (1 << 16) - 1, (1 << 4) - 1
_SATURATED = 17  # octaves after which tanh is 1 to 16 bits
_LOG2_E = 1 / math.log(2)
_ATTEMPTS = 12
# The bound on features exceeds their targets by this share, for what rounding adds.
_MARGIN = 2e-3
_MOST_STEPS, _LARGEST = 2000, 1e30
_CUE_STEPS = 8  # a cue has to be so many times what the leak's rounding hides


@dataclass(frozen=True, eq=False)
class Request:
    """What the user asked for, checked.

    Attributes
    ----------
    cue_limit, input_visible, input_hidden : float
        Largest absolute values.
    """

    spec: TwoLayer
    chip: str
    weight_bits: int
    weights: Integers
    weight_scale: float
    dt: float
    quantum: float
    cue_limit: float
    input_visible: float
    input_hidden: float


@dataclass(frozen=True, eq=False)
class Box:
    """Real bounds: |v|, |h|, f and the target of v, per unit."""

    visible: Floats
    hidden: Floats
    output: Floats
    target: Floats


def fit(request: Request) -> Plan:
    """The plan with the finest scales that fit; its `steps` are still 0.

    Raises
    ------
    RangeError
    """
    box = _box(request)
    shrink = {"visible": 1.0, "hidden": 1.0}
    for _ in range(_ATTEMPTS):
        plan = _draft(request, box, shrink["visible"], shrink["hidden"])
        misfits = [
            s for s in ranges.signals(plan) if s.bits > s.available and s.remedy == ranges.COARSER
        ]
        if not misfits:
            break
        for signal in misfits:
            layer = "hidden" if "hidden" in signal.name else "visible"
            shrink[layer] *= 0.999 * ((1 << (signal.available - 1)) - 1) / signal.largest
    return plan


def _box(request: Request) -> Box:
    """Invariant bounds of the dynamics with the rounded weights, in the units of the network."""
    spec = request.spec
    size = np.abs(request.weights) / request.weight_scale
    bias_hidden = np.abs(spec.hidden.bias) + request.input_hidden
    bias_visible = np.abs(spec.visible.bias) + request.input_visible
    visible = np.full(size.shape[1], request.cue_limit)
    for _ in range(_MOST_STEPS):
        message = visible if spec.visible_kind == "identity" else np.ones_like(visible)
        hidden = size @ message + bias_hidden
        if spec.hidden_kind == "softmax":
            # 1 + rounding of every p; the exact bound is in hardware.ranges.
            output = np.ones_like(hidden)
            target = size.max(axis=0) * (1.01 + len(size) / 2 ** (_P_BITS + 1)) + bias_visible
        else:
            output = hidden**spec.exponent
            target = _one_sign(request.weights, output) / request.weight_scale + bias_visible
        if (target * (1 + _MARGIN / 2) <= visible).all():
            return Box(visible, hidden, output, target)
        visible = np.maximum(visible, target * (1 + _MARGIN))
        if not visible.max() < _LARGEST:
            break
    raise RangeError("state of visible", None, 24, ranges.UNBOUNDED)


def _one_sign(weights: Integers, output: Floats) -> Floats:
    """Largest |sum| over outputs between 0 and their bound."""
    rising, falling = np.maximum(weights, 0).T @ output, np.maximum(-weights, 0).T @ output
    return np.maximum(rising, falling)


def _draft(request: Request, box: Box, shrink_visible: float, shrink_hidden: float) -> Plan:
    """A plan with the finest scales by an estimate, times two factors."""
    spec, weight_scale = request.spec, request.weight_scale
    full = box.visible if spec.visible_kind == "identity" else np.ones_like(box.visible)
    per_unit = weight_scale * float(box.hidden.max())
    output_scale = shrink_hidden * min(_STATE / per_unit, _LARGEST_MESSAGE / float(full.max()))
    if output_scale * full.max() < _LEAST_MESSAGE:
        raise too_wide("sum arriving at hidden", per_unit * _LEAST_MESSAGE / float(full.max()))
    f_scale, gain = _f_scale(request, box, shrink_visible)
    scale = weight_scale * f_scale * 2.0**gain
    _check_resolution(request, scale)
    visible = _visible(request, box, scale, gain, output_scale)
    hidden = _hidden(request, box, weight_scale * visible.output_scale, f_scale)
    plan = Plan(
        network=spec.network,
        chip=request.chip,
        weight_bits=request.weight_bits,
        dt=request.dt,
        steps=0,
        weights=request.weights.astype(np.int8),
        weight_scale=weight_scale,
        visible=visible,
        hidden=hidden,
        normaliser=None,
    )
    if spec.hidden_kind == "softmax":
        plan = _with_normaliser(plan, spec.beta)
    return _with_limit(plan)


def _check_resolution(request: Request, scale: float) -> None:
    """The leak rounds towards zero: a state stops short of its target by up to 4096 / mantissa."""
    mantissas = decay_mantissas("visible", request.spec.visible.tau, request.dt)
    needed = _CUE_STEPS * (1 << kernels.DECAY_BITS) / float(mantissas.min())
    if 0 < request.cue_limit * scale < needed:
        bits = 24 + math.ceil(math.log2(needed / (request.cue_limit * scale)))
        raise RangeError(
            "state of visible",
            bits,
            24,
            "cues are lost in the rounding of the leak, since targets are far larger than they; "
            "scale the patterns so that both are of one size, or take a larger dt",
        )


def _f_scale(request: Request, box: Box, shrink: float) -> tuple[float, int]:
    """Integers per unit of p or f, and the left shift of their sum."""
    weight_scale = request.weight_scale
    finest = shrink * _STATE / float((box.target + box.visible).max())
    if request.spec.hidden_kind == "softmax":
        room = math.floor(math.log2(finest / weight_scale)) - _P_BITS
        if room < 0:
            raise too_wide("state of visible", _STATE * 2.0**-room)
        f_scale = 2.0 ** (_P_BITS + max(0, min(room, _MOST_P_BITS - _P_BITS)))
    else:
        exponent, largest = request.spec.exponent, float(box.output.max())
        f_scale = min(finest / weight_scale, _LARGEST_MESSAGE / largest)
        if exponent > 1:
            base = 0.999 * (1 << kernels.POWER_BITS) / float(box.hidden.max())
            f_scale = min(f_scale, base**exponent / 2.0 ** (kernels.POWER_BITS * (exponent - 1)))
        if f_scale * largest < _LEAST_MESSAGE:
            needed = _LEAST_MESSAGE / largest * weight_scale * _STATE / finest
            raise too_wide("sum arriving at visible", needed)
    return f_scale, max(0, math.floor(math.log2(finest / (weight_scale * f_scale))))


def _visible(request: Request, box: Box, scale: float, gain: int, output_scale: float) -> Visible:
    spec, kind = request.spec, request.spec.visible_kind
    mantissa, shift, saturation, level = 0, 0, 0, 0
    if kind == "identity":
        mantissa, shift = mantissa_of(min(1.0, output_scale / scale))
        output_scale = scale * mantissa / 2.0**shift
    else:
        level = math.floor(output_scale)
        output_scale = float(level)
    if kind == "tanh":
        kind, mantissa, shift, saturation = _tanh(spec, scale)
    return Visible(
        kind=kind,
        decay=decay_mantissas("visible", spec.visible.tau, request.dt),
        bias=whole(spec.visible.bias, scale),
        limit=np.ceil(box.visible * scale).astype(np.int64),
        input_limit=math.ceil(request.input_visible * scale),
        gain=gain,
        mantissa=mantissa,
        shift=shift,
        saturation=saturation,
        level=level,
        threshold=max(1, round(min(request.quantum * output_scale, domain.WIDE))),
        scale=scale,
        output_scale=output_scale,
    )


def _hidden(request: Request, box: Box, scale: float, f_scale: float) -> Hidden:
    spec, exponent, down = request.spec, request.spec.exponent, 0
    mantissa, shift = 0, 0
    if spec.hidden_kind == "power":
        if exponent > 1:
            unit = 2.0 ** (kernels.POWER_BITS * (exponent - 1))
            largest = 0.999 * (1 << kernels.POWER_BITS) / float(box.hidden.max())
            down = math.floor(math.log2(largest**exponent / unit / f_scale) + 1e-9)
        mantissa, shift = _base(exponent, down, f_scale, scale)
    return Hidden(
        kind=spec.hidden_kind,
        decay=decay_mantissas("hidden", spec.hidden.tau, request.dt),
        bias=whole(spec.hidden.bias, scale),
        input_limit=math.ceil(request.input_hidden * scale),
        mantissa=mantissa,
        shift=shift,
        power=exponent,
        down=down,
        scale=scale,
        output_scale=f_scale,
    )


def _tanh(spec: TwoLayer, scale: float) -> tuple[str, int, int, int]:
    """Kind, mantissa, shift and saturation of tanh features."""
    octaves = 2 * spec.visible_beta * _LOG2_E / scale  # per integer of v
    if octaves >= _SATURATED:
        return "sign", 0, 0, 0  # tanh is saturated one integer away from 0
    saturation = min(math.ceil(_SATURATED / octaves), domain.WIDE)
    return "tanh", *mantissa_of(octaves * (1 << TANH_BITS)), saturation


def _base(exponent: int, down: int, f_scale: float, scale: float) -> tuple[int, int]:
    """Mantissa and shift from h to the base of a power."""
    unit = 2.0 ** (kernels.POWER_BITS * (exponent - 1))
    return mantissa_of((f_scale * unit * 2.0**down) ** (1 / exponent) / scale)


def _logit(beta: float, logit_bits: int, scale: float) -> tuple[int, int]:
    """Mantissa and shift from h to the logit."""
    return mantissa_of(beta * _LOG2_E * 2.0**logit_bits / scale)


def derived(plan: Plan, spec: TwoLayer) -> dict[str, Any]:
    """What the network, dt and the scales of a plan make of its leaks, biases and multipliers."""
    visible, hidden = plan.visible, plan.hidden
    found: dict[str, Any] = {}
    for name, part in (("visible", visible), ("hidden", hidden)):
        layer = getattr(spec, name)
        found[f"{name}.decay"] = decay_mantissas(name, layer.tau, plan.dt)
        found[f"{name}.bias"] = whole(layer.bias, part.scale)
    if spec.visible_kind == "tanh":
        names = ("kind", "mantissa", "shift", "saturation")
        tanh = zip(names, _tanh(spec, visible.scale), strict=True)
        found |= {f"visible.{name}": value for name, value in tanh}
    found["hidden.mantissa"], found["hidden.shift"] = (
        _base(spec.exponent, hidden.down, hidden.output_scale, hidden.scale)
        if plan.normaliser is None
        else _logit(spec.beta, plan.normaliser.logit_bits, hidden.scale)
    )
    return found


def _with_normaliser(plan: Plan, beta: float) -> Plan:
    """Logits with as many fractional bits as fit, and the rounds that they need."""
    for logit_bits in _LOGIT_BITS:
        mantissa, shift = _logit(beta, logit_bits, plan.hidden.scale)
        normaliser = Normaliser(
            logit_bits=logit_bits,
            sum_bits=_SUM_BITS,
            p_bits=int(math.log2(plan.hidden.output_scale)),
            rounds=1,
            headroom=0,
            floor=1 << max(1, math.ceil(math.log2(len(plan.weights)))),
        )
        hidden = replace(plan.hidden, mantissa=mantissa, shift=shift)
        plan = _with_limit(replace(plan, hidden=hidden, normaliser=normaliser))
        change = ranges.bounds(plan).logit_change
        normaliser = replace(normaliser, headroom=ranges.headroom_needed(change, logit_bits))
        rounds = ranges.rounds_needed(normaliser, change)
        plan = replace(plan, normaliser=replace(normaliser, rounds=rounds))
        if all(s.bits <= s.available for s in ranges.signals(plan) if s.remedy == ranges.SOFTER):
            break
    return plan


def _with_limit(plan: Plan) -> Plan:
    """Raise `visible.limit` until the targets of the features stay within it."""
    for _ in range(_ATTEMPTS):
        target = np.minimum(ranges.bounds(plan).visible, domain.WIDE).astype(np.int64)
        if (target <= plan.visible.limit).all():
            break
        limit = np.maximum(plan.visible.limit, target + (target >> 9))
        plan = replace(plan, visible=replace(plan.visible, limit=limit))
    return plan
