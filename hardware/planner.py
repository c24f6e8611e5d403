"""From a network to a `Plan`: the largest integers that `hardware.ranges` can prove to fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from amsim import Network, checks

from . import domain, ranges
from .chips import CHIPS
from .chips import chip as chip_named
from .errors import LimitError, RangeError
from .plan import MOST_STEPS, Integers, Plan
from .scales import Request, fit
from .spec import Floats, TwoLayer, read

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
    cue_limit: float | None = None,
    input_limits: Mapping[str, float] | None = None,
) -> Plan:
    """Turn a network into integers for a chip, and prove that nothing overflows.

    Parameters
    ----------
    network : Network
        Layers "visible" (Identity, Tanh or Sign features) and "hidden" (Softmax, ReLU or
        RectifiedPower(whole n) memories) joined by one Dense synapse, as `amsim.dense_am` builds.
    chip : str, default "loihi2"
        One of `hardware.CHIPS`. For a chip of your own compile for "loihi2"; `hardware.place` and
        `hardware.validate` take your table.
    weight_bits : int, default 8
        2 to 8, sign included. Weights that are whole multiples of one number within these bits,
        such as -1 and +1, are exact.
    dt : float, optional
        Time of one period, in the unit of tau; 1/20 of the smallest time constant of the features
        by default.
    quantum : float, default 0
        Features announce changes of their output of at least this size; 0 announces every change
        of the integer.
    cue_limit : float, optional
        Largest absolute value of a feature in a cue; that of the patterns by default.
    input_limits : mapping of layer names to float, optional
        Largest absolute value of driven inputs (`run(..., inputs=...)`); 0 by default.

    Returns
    -------
    Plan

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
    spec = read(network)
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
    inputs = _input_limits(input_limits)
    weight_bits = checks.count("weight_bits", weight_bits, at_least=2, at_most=8)
    weights, weight_scale = quantise(spec.patterns, weight_bits)
    quantum = checks.number("quantum", quantum, at_least=0.0)
    request = Request(
        spec=spec,
        chip=chip,
        weight_bits=weight_bits,
        weights=weights,
        weight_scale=weight_scale,
        dt=_dt(spec, dt),
        quantum=quantum,
        cue_limit=_cue_limit(spec, cue_limit),
        input_visible=inputs["visible"],
        input_hidden=inputs["hidden"],
    )
    plan = _fitted(request)
    _check_quantum(quantum, plan)
    ranges.prove(plan)  # first: of a network that does not fit, it names the signal
    plan = replace(plan, steps=_steps(spec, plan))
    domain.check(plan)
    return plan


def quantise(patterns: Floats, bits: int) -> tuple[Integers, float]:
    """Round the patterns to integers of `bits` bits, sign included, with one scale for all.

    One scale keeps the two directions of every synapse equal, and with them the energy. The scale
    is the smallest at which the patterns are whole, if there is one: -1 and +1 stay -1 and +1, and
    the sums that they enter stay short.

    Returns
    -------
    weights : ndarray of int (K, D)
    scale : float
        Integers per unit of weight.

    Raises
    ------
    ValueError
        If all patterns are 0.

    Examples
    --------
    >>> quantise(np.array([[1.0, -0.5]]), 8)
    (array([[ 2, -1]]), 2.0)
    """
    levels = (1 << (bits - 1)) - 1
    sizes = np.unique(np.abs(patterns))
    largest = float(sizes[-1])
    if largest == 0:
        raise ValueError("all patterns are 0: nothing to store")
    whole = levels
    if len(sizes) <= levels + 1:
        for steps in range(1, levels + 1):
            scaled = sizes * (steps / largest)
            if np.abs(scaled - np.rint(scaled)).max() <= _EXACT * steps:
                whole = steps
                break
    scale = whole / largest
    return np.rint(patterns * scale).astype(np.int64), scale


def _dt(spec: TwoLayer, dt: float | None) -> float:
    if dt is not None:
        return checks.number("dt", dt, above=0.0)
    tau = spec.hidden.tau if spec.visible.algebraic else spec.visible.tau
    return float(np.min(tau)) / _STEPS_PER_TAU


def _fitted(request: Request) -> Plan:
    try:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return fit(request)
    except RangeError:
        raise
    except (ArithmeticError, ValueError) as error:
        size = float(np.abs(request.spec.patterns).max())
        raise ValueError(
            f"patterns up to {size:.3g}, with these biases and this beta, lead to numbers beyond "
            f"the range of floats ({error}): scale the network towards sizes of 1"
        ) from error


def _steps(spec: TwoLayer, plan: Plan) -> int:
    longest = max(float(np.max(spec.visible.tau)), float(np.max(spec.hidden.tau)))
    steps = plan.period * math.ceil(_HORIZON * longest / plan.dt)
    if steps > MOST_STEPS:
        raise ValueError(
            f"with dt={plan.dt:g} a recall takes {steps:,} steps, a plan has at most "
            f"{MOST_STEPS:,}: take a larger dt"
        )
    return steps


def _cue_limit(spec: TwoLayer, limit: float | None) -> float:
    return (
        float(np.abs(spec.patterns).max())
        if limit is None
        else checks.number("cue_limit", limit, at_least=0.0)
    )


def _check_quantum(quantum: float, plan: Plan) -> None:
    most = domain.WIDE / plan.visible.output_scale
    if quantum > most:
        raise ValueError(
            f"quantum must be at most {most:.4g} for this network, got {quantum:g}: no output of a "
            f"feature changes by so much, and nothing would be sent"
        )


def _input_limits(limits: Mapping[str, float] | None) -> dict[str, float]:
    known = {"visible": 0.0, "hidden": 0.0}
    if limits is None:
        return known
    checks.instance("input_limits", limits, Mapping, "a mapping of layer names to numbers")
    for name, limit in limits.items():
        if name not in known:
            raise ValueError(f"input_limits names {name!r}; the layers are visible, hidden")
        known[name] = checks.number(f"input_limits[{name!r}]", limit, at_least=0.0)
    return known
