"""The proof that the plan of a network of any layers cannot overflow.

As in `hardware.ranges`, only the integers of the plan enter, as Python's own. Every layer carries
bounds on its states, `low` and `high`; the proof is by induction over the turns:

- Within them outputs lie between those of the bounds, since every output rises with its state (the
  probabilities of a softmax: between 0 and a bound on their sum). What has been sent lies between
  these and 0, where it began.
- A sum of weighted outputs then has bounds, and so have its parts in any order of arrival: each
  term has bounds with 0 between them. Of probabilities, old and new ones may be mixed on the way,
  so that the parts may reach twice the bound of the sum.
- The targets that follow have to lie within `low` and `high`: then states, which move towards
  them, stay there.
- How far the logits of a softmax can move in a period follows from how far its sums can change, as
  in `hardware.ranges`; where it does not start at rest, also from how far it starts from there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amsim.starts import start_order

from .. import domain, kernels
from ..chips import chip
from ..errors import RangeError
from ..ranges import (
    COARSER,
    PRODUCT_BITS,
    Signal,
    exact,
    falling,
    normaliser_signals,
    probability_sum,
    rising,
    sums,
)
from ..units import TANH_BITS
from .plan import GraphPlan, Projection, Units, check_domain

Exact = NDArray[Any]  # of Python's integers
Box = tuple[Exact, Exact]
UNBOUNDED = (
    "its targets grow with the layers that they drive; take bounded units (Tanh, Sigmoid, Sign, "
    "Softmax) in the loop, or smaller weights"
)


def check(plan: GraphPlan) -> tuple[Signal, ...]:
    """Check every number of a plan, and prove that every signal fits.

    Raises
    ------
    ValueError, TypeError
        If a number is not what its rule allows.
    RangeError
        For the first signal that may not fit.
    """
    check_domain(plan)
    return prove(plan)


def prove(plan: GraphPlan) -> tuple[Signal, ...]:
    """Prove that every signal of a plan whose numbers are in their domain fits.

    Raises
    ------
    RangeError
        For the first signal that may not fit.
    """
    known = Bounds(plan)
    found = signals(plan, known)
    for signal in found:
        if signal.bits > signal.available:
            raise RangeError(signal.name, signal.bits, signal.available, signal.remedy)
    for name, units in plan.layers.items():
        low, high = known.targets[name]
        if (low < exact(units.low)).any() or (high > exact(units.high)).any():
            raise RangeError(f"state of {name}", None, _bits(plan)[0], UNBOUNDED)
    return found


def _bits(plan: GraphPlan) -> tuple[int, int]:
    """Of a state and of a message."""
    limits = chip(plan.chip).limits
    state = int(limits["state_bits"].value or 0)
    return state, min(state, int(limits["message_bits"].value or 0))


@dataclass(frozen=True, eq=False)
class Bounds:
    """Proven bounds for a plan whose states stay within their `low` and `high`."""

    plan: GraphPlan

    @cached_property
    def outputs(self) -> dict[str, Box]:
        """What a layer has sent, with 0 between the bounds."""
        found = {}
        for name, units in self.plan.layers.items():
            if units.normaliser is not None:
                p = probability_sum(units.normaliser, units.size)
                found[name] = (exact(0 * units.bias), exact(0 * units.bias) + p)
                continue
            low, high = exact(units.low), exact(units.high)
            if units.power > 1 and _base(units) >= 1 << kernels.POWER_BITS:
                low, high = 0 * low, 0 * high  # refused, and its powers would have no end
            low, high = exact(units.output(low)), exact(units.output(high))
            found[name] = np.minimum(low, 0), np.maximum(high, 0)
        return found

    @cached_property
    def totals(self) -> dict[str, Box]:
        """The sum of each projection."""
        return {each.name: self._total(each) for each in self.plan.projections}

    @cached_property
    def drives(self) -> dict[str, Box]:
        """The sums of all projections onto each layer, in its integers."""
        found = {}
        for name, units in self.plan.layers.items():
            low = high = exact(0 * units.bias)
            for each in self.plan.onto(name):
                down, up = self.totals[each.name]
                low, high = low + each.scaled(down), high + each.scaled(up)
            found[name] = low, high
        return found

    @cached_property
    def targets(self) -> dict[str, Box]:
        """What the states of each layer move towards."""
        found = {}
        for name, units in self.plan.layers.items():
            (low, high), bias = self.drives[name], exact(units.bias)
            found[name] = low + bias - units.input_limit, high + bias + units.input_limit
        return found

    def partial(self, each: Projection) -> int:
        """Bound on the parts of a sum, in any order of arrival."""
        low, high = self.totals[each.name]
        mixed = 2 if self.plan.layers[each.source].kind == "softmax" else 1
        return mixed * int(max(np.max(high), np.max(-low)))

    def distance(self, name: str) -> Exact:
        """Bound on |target - x|."""
        units, (low, high) = self.plan.layers[name], self.targets[name]
        return np.asarray(np.maximum(high - exact(units.low), exact(units.high) - low))

    def logits(self, name: str) -> tuple[int, int]:
        """Bounds on the logits of softmax units, and on their change in a period."""
        units = self.plan.layers[name]
        largest = np.maximum(exact(np.abs(units.low)), exact(np.abs(units.high)))
        moved = kernels.decay(self._lag(name), exact(units.decay))
        return int(np.max(units.logit(largest))), int(np.max(units.logit(moved))) + 1

    def _total(self, each: Projection) -> Box:
        low, high = self.outputs[each.source]
        if self.plan.layers[each.source].kind == "softmax":
            p = int(high[0])
            ends = each.weights.min(axis=1), each.weights.max(axis=1)
            bottom, top = (exact(end.astype(np.int64)) for end in ends)
            return np.minimum(bottom, 0) * p, np.maximum(top, 0) * p
        weights = each.weights
        return (
            -(sums(weights, -low, rising) + sums(weights, high, falling)),
            sums(weights, high, rising) + sums(weights, -low, falling),
        )

    def _lag(self, name: str) -> Exact:
        """Bound on |target - x| at the turns of a layer that starts where the cue puts it."""
        units, whole = self.plan.layers[name], self.distance(name)
        if name in self.plan.cued:
            return whole
        change = exact(0 * units.bias) + 2 * units.input_limit
        start = exact(0 * units.bias)
        known = self._known_at_start[name]
        for each in self.plan.onto(name):
            change = change + each.scaled(self._change(each)) + 1
            if each.source not in known or self.plan.layers[each.source].kind == "softmax":
                low, high = self.totals[each.name]
                start = start + (each.scaled(high) - each.scaled(low))
        follows = -(-(change + 1) * (1 << kernels.DECAY_BITS) // exact(units.decay)) + 1
        return np.asarray(np.minimum(whole, np.maximum(start + change, follows)))

    def _change(self, each: Projection) -> Exact:
        """Bound on the change of a sum in a period."""
        units, p = self.plan.layers[each.source], self.outputs[each.source][1]
        if units.kind == "softmax":
            largest = np.abs(each.weights.astype(np.int64)).max(axis=1)
            return exact(largest) * (2 * int(p[0]))
        return sums(each.weights, self._message(each.source), np.abs)

    def _message(self, name: str) -> Exact:
        """Bound on the change of what a layer has sent, in a period."""
        units, (low, high) = self.plan.layers[name], self.outputs[name]
        moved = kernels.decay(self.distance(name), exact(units.decay))
        change: Exact = high - low
        if units.kind == "identity" or (units.kind == "power" and units.power == 1):
            change = kernels.scale(moved, units.mantissa, units.shift) + 1
        elif units.kind in ("tanh", "sigmoid"):
            # Slope at most 1, or 1/4 of beta = 1; octaves are 2 x log2(e), or x log2(e); 1e-3
            # covers the approximation.
            scaled = (moved * units.mantissa).astype(np.float64)
            octaves = scaled / 2.0 ** (units.shift + TANH_BITS) + 2.0**-TANH_BITS
            slope = 0.5 if units.kind == "tanh" else 0.25
            steepest = units.level * (octaves * math.log(2) * slope * 1.01 + 1e-3)
            change = exact(np.ceil(np.minimum(steepest, domain.WIDE)).astype(np.int64)) + 2
        change = change + 2 * (units.threshold - 1)
        return np.asarray(np.minimum(high - low, change))

    @cached_property
    def _known_at_start(self) -> dict[str, set[str]]:
        """The layers whose output each layer starts from."""
        known, found = set(self.plan.cued), {}
        for group in start_order(self.plan.network, known):
            for name in group:
                found[name] = set(known)
            known |= set(group)
        return found


def _base(units: Units) -> int:
    """Bound on the base of a rectified power."""
    return int(np.max(kernels.scale(exact(np.maximum(units.high, 0)), units.mantissa, units.shift)))


def _argument(units: Units) -> Exact:
    """Bound on what the multiplier of the output takes."""
    largest = np.maximum(exact(np.abs(units.low)), exact(np.abs(units.high)))
    if units.kind in ("tanh", "sigmoid"):
        return np.asarray(np.minimum(largest, units.saturation))
    return np.asarray(largest)


def _product(size: Exact, mantissa: Exact | int) -> int:
    return int(np.max(size * mantissa))


def signals(plan: GraphPlan, known: Bounds | None = None) -> tuple[Signal, ...]:
    """Every signal with its proven bound, fitting or not."""
    known = Bounds(plan) if known is None else known
    found: list[Signal] = []
    for name in plan.layers:
        found += _layer_signals(plan, known, name)
    for each in plan.projections:
        found += _projection_signals(plan, known, each)
    return tuple(found)


def _layer_signals(plan: GraphPlan, known: Bounds, name: str) -> list[Signal]:
    units, (state, message) = plan.layers[name], _bits(plan)
    low, high = known.outputs[name]
    sizes = np.abs(np.array([exact(units.low), exact(units.high), *known.targets[name]]))
    sums_of_all = np.abs(np.array(known.drives[name]))
    drive, argument = known.distance(name), _argument(units)
    products = max(
        _product(drive, exact(units.decay)),
        _product(argument, units.mantissa),
        1 << 2 * max(kernels.POWER_BITS, 16),
    )
    found = [
        Signal(f"messages of {name}", int(np.max(high - low)), message, COARSER),
        Signal(f"state of {name}", int(np.max(sizes)), state, COARSER),
        Signal(f"sum of all that arrives at {name}", int(np.max(sums_of_all)), state, COARSER),
        Signal(f"target - state of {name}", int(np.max(drive)), state, COARSER),
        Signal(f"products of states of {name}", products, PRODUCT_BITS, COARSER),
    ]
    if units.kind in ("tanh", "sigmoid"):
        octaves = int(np.max(kernels.scale(argument, units.mantissa, units.shift)))
        found.append(Signal(f"octaves of {name}", octaves, state, COARSER))
    if units.kind == "power" and units.power > 1:
        base = _base(units)
        found.append(Signal(f"base of the power of {name}", base, kernels.POWER_BITS + 1, COARSER))
    return found + softmax_signals(plan, name, known)


def softmax_signals(plan: GraphPlan, name: str, known: Bounds | None = None) -> list[Signal]:
    """Those of a softmax and its normaliser; none for other layers."""
    units = plan.layers[name]
    if units.normaliser is None:
        return []
    known = Bounds(plan) if known is None else known
    logits = known.logits(name)
    return normaliser_signals(units.normaliser, units.size, logits, _bits(plan), f"{name}: ")


def _projection_signals(plan: GraphPlan, known: Bounds, each: Projection) -> list[Signal]:
    state, _ = _bits(plan)
    largest, partial = int(np.abs(each.weights.astype(np.int64)).max()), known.partial(each)
    products = partial * each.mantissa
    return [
        Signal(f"weights of {each.name}", largest, plan.weight_bits, "take more weight_bits"),
        Signal(f"sum of {each.name}", partial, state, COARSER),
        Signal(f"products of sums of {each.name}", products, PRODUCT_BITS, COARSER),
    ]
