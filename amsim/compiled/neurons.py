"""Outputs of single units, their inverses and slopes, compiled; kinds are those of `neurons`.

Every function has a branch for every kind of a single unit and raises for any other.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ..neurons import EXPONENTIAL, IDENTITY, NORMALISER, RECTIFIED, SHARE, SIGMOID, SIGN, TANH
from .jit import compiled

LARGEST = 600.0  # exponents saturate here, as those of the Lagrangians do


@compiled
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
    raise ValueError("activation: no single unit is of this kind")


@compiled
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
    raise ValueError("inverse: no single unit is of this kind")


@compiled
def steepest(kind, parameter, reach):
    """The largest slope of an output while |x| <= reach.

    Infinite where there is no bound: signs jump, and so do shares when they hear their normaliser,
    and normalisers when they hear shares.
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
    raise ValueError("steepest: no single unit is of this kind")
