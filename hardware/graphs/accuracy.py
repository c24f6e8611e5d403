"""How far from rest a `GraphPlan` may stop: bounds in the units of the network."""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from ..spec import Floats
from ..units import MANTISSA_BITS
from .bounds import Bounds
from .plan import GraphPlan, Units

# Relative error of a multiplier, and errors of the kernels: of tanh with its octaves rounded to 10
# bits, and of a probability, whose exponential and logarithm count.
_MULTIPLIER = 2.0**-MANTISSA_BITS
_TANH, _PROBABILITY = 1e-3, 2e-3


def residuals(plan: GraphPlan) -> dict[str, Floats]:
    """Bounds on |I + sum W g - x| of every unit where the integers no longer change.

    With I the bias, W the rounded weights and g the activations of the network; units that are
    clamped, and driven inputs, are left out. What counts: the leak, which rounds towards zero; the
    quantum and the rounding of outputs; the approximations of tanh, exp2 and log2; multipliers of
    16 bits; the rounding of sums and biases.

    Returns
    -------
    dict of str to ndarray (n,)
        By layer.

    Examples
    --------
    >>> import amsim as am
    >>> import hardware as hw
    >>> from hardware.graphs.accuracy import residuals
    >>> weights = [[[0.5, -0.5]], [[1.0]]]
    >>> chain = am.models.hierarchical_memory(weights, [am.Tanh(), am.Tanh(), am.Identity()])
    >>> {name: float(x.max()) < 3e-3 for name, x in residuals(hw.compile(chain)).items()}
    {'visible': True, 'hidden1': True, 'hidden2': True}
    """
    known, found = Bounds(plan), {}
    errors = {name: _output_error(plan, known, name) for name in plan.layers}
    for name, units in plan.layers.items():
        leak = (1 << kernels.DECAY_BITS) / units.decay
        error = (leak + 0.5) / units.scale
        for each in plan.onto(name):
            low, high = known.totals[each.name]
            size = np.maximum(high, -low).astype(np.float64) * each.mantissa / 2.0**each.shift
            weights = np.abs(each.weights.astype(np.float64)) / each.weight_scale
            rounded = (0.5 + _MULTIPLIER * size) / units.scale
            error = error + rounded + weights @ errors[each.source]
        found[name] = error
    return found


def _output_error(plan: GraphPlan, known: Bounds, name: str) -> Floats:
    """Bound on how far from the activation what a layer has sent may be, (n,)."""
    units = plan.layers[name]
    nothing = np.zeros(units.size)
    # What has not been announced, and the rounding of the last integer.
    silent = (units.threshold - 1 + _roundings(units)) / units.output_scale
    if units.normaliser is not None:
        logit, _ = known.logits(name)
        octaves = (_MULTIPLIER * logit + 1) / 2.0**units.normaliser.logit_bits
        return nothing + silent + 2 * math.log(2) * octaves + _PROBABILITY
    if units.kind == "sign":
        return nothing
    if units.kind in ("tanh", "sigmoid"):
        return nothing + silent + _TANH
    return nothing + silent


def _roundings(units: Units) -> float:
    """Integers of output that are lost in its roundings."""
    return units.power + 1.0 if units.kind == "power" and units.power > 1 else 0.5
