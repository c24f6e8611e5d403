"""Compiled activations and inverses, and slopes, of the neurons in `amsim.neurons`.

Every function has a branch for every kind that it is for, single units or groups, and raises for
any other.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ..neurons import (
    ENTMAX,
    EXPONENTIAL,
    IDENTITY,
    NORMALISER,
    RECTIFIED,
    SHARE,
    SIGMOID,
    SIGN,
    SOFTMAX,
    TANH,
)
from .jit import inner, inner_inlined

LARGEST = 600.0  # exponents saturate here, as those of the Lagrangians do


@inner
def activation(kind, parameter, x):
    """Output of a unit; `parameter` is beta, or the exponent of a rectified power."""
    if kind in (IDENTITY, NORMALISER):
        return x
    if kind == SIGN:
        return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else 0.0)
    if kind == TANH:
        return math.tanh(parameter * x)
    if kind == SIGMOID:
        return 1.0 / (1.0 + math.exp(min(-parameter * x, LARGEST)))
    if kind == RECTIFIED:
        if not x > 0.0:
            return 0.0
        if parameter == 1.0:
            return x
        return min(x, math.exp(LARGEST / (parameter + 1.0))) ** parameter
    if kind in (EXPONENTIAL, SHARE):
        return math.exp(min(parameter * x, LARGEST))
    raise ValueError("amsim/compiled/neurons.py: activation has no branch for this kind")


@inner
def inverse(kind, parameter, y):
    """State at which the output of a unit reaches y; infinite if it never does."""
    if kind in (IDENTITY, NORMALISER):
        return y
    if kind == SIGN:
        return 0.0 if -1.0 < y <= 1.0 else math.copysign(np.inf, y)
    if kind == TANH:
        if not -1.0 < y < 1.0:
            return math.copysign(np.inf, y)
        return math.atanh(y) / parameter
    if kind == SIGMOID:
        if not 0.0 < y < 1.0:
            return math.copysign(np.inf, y - 0.5)
        return math.log(y / (1.0 - y)) / parameter
    if kind == RECTIFIED:
        if y < 0.0:
            return -np.inf
        x = y ** (1.0 / parameter)
        return x if x < math.exp(LARGEST / (parameter + 1.0)) else np.inf
    if kind in (EXPONENTIAL, SHARE):
        if y <= 0.0:
            return -np.inf
        x = math.log(y) / parameter
        return x if parameter * x < LARGEST else np.inf
    raise ValueError("amsim/compiled/neurons.py: inverse has no branch for this kind")


def steepest(kind: int, parameter: float, reach: float) -> float:
    """The largest slope of an output while |x| <= reach, of a group while all states move.

    Infinite where there is no bound: signs jump, and so do shares when their normaliser arrives,
    and normalisers when shares arrive. A run asks once: this is not compiled.
    """
    if kind == IDENTITY:
        return 1.0
    if kind == TANH:
        return parameter
    if kind == SIGMOID:
        return parameter / 4.0
    if kind == RECTIFIED:
        if parameter < 1.0:
            return np.inf
        return parameter * math.exp(min((parameter - 1.0) * math.log(max(reach, 1e-100)), LARGEST))
    if kind == EXPONENTIAL:
        return parameter * math.exp(min(parameter * reach, LARGEST))
    if kind in (SIGN, SHARE, NORMALISER):
        return np.inf
    if kind == SOFTMAX:  # sum_j |H_ij| = 2 beta p_i (1 - p_i)
        return parameter / 2.0
    if kind == ENTMAX:  # 2 beta s_i (1 - s_i / sum s), s <= 1
        return 2.0 * parameter
    raise ValueError("amsim/compiled/neurons.py: steepest has no branch for this kind")


# Groups with a threshold tau: an output is a function of u = beta (x - max x) - tau.


@inner_inlined
def share(kind, alpha, u):
    """Output of a unit that is u above its group's threshold, and its slope by u."""
    if kind != ENTMAX:
        raise ValueError("amsim/compiled/neurons.py: share has no branch for this kind")
    order = alpha - 1.0
    base = 1.0 + order * u
    if not base > 0.0:
        return 0.0, 0.0
    if order == 1.0:
        return base, 1.0
    output = base * base if order == 0.5 else math.exp(math.log1p(order * u) / order)
    return output, output / base


@inner
def height(kind, alpha, y):
    """u at which the output is y; infinite if it never is."""
    if kind != ENTMAX:
        raise ValueError("amsim/compiled/neurons.py: height has no branch for this kind")
    if not 0.0 <= y <= 1.0:
        return math.copysign(np.inf, y)
    order = alpha - 1.0
    return math.expm1(order * math.log(y)) / order if y > 0.0 else -1.0 / order


@inner
def threshold(kind, alpha, beta, x):
    """The largest state of a group, and tau; by the Newton steps of `Entmax`."""
    peak, tau, order = x[0], 0.0, alpha - 1.0
    for i in range(len(x)):
        peak = max(peak, x[i])
    while True:
        total = fall = 0.0
        for i in range(len(x)):
            output, slope = share(kind, alpha, beta * (x[i] - peak) - tau)
            total += output
            fall += slope
        moved = tau - total * math.expm1(-order * math.log(total)) / (order * fall)
        if not (total - 1.0 > 4e-16 * len(x) and moved > tau):
            return peak, tau
        tau = moved
