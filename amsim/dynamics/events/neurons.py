"""Outputs of single units and their inverses, compiled."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ...compiled.jit import compiled

# SOFTMAX units share their sum; a SHARE f = exp(beta (h - z)) hears of it by a NORMALISER.
IDENTITY, TANH, SIGMOID, RECTIFIED, EXPONENTIAL, SIGN, SOFTMAX, SHARE, NORMALISER = range(9)
_LARGEST = 600.0  # exponents saturate here, as those of the Lagrangians do


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
        return 1.0 / (1.0 + math.exp(min(-parameter * x, _LARGEST)))
    if kind == RECTIFIED:
        if not x > 0.0:
            return 0.0
        return min(x, math.exp(_LARGEST / (parameter + 1.0))) ** parameter
    return math.exp(min(parameter * x, _LARGEST))


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
        return x if x < math.exp(_LARGEST / (parameter + 1.0)) else np.inf
    if y <= 0.0:
        return -np.inf
    x = math.log(y) / parameter
    return x if parameter * x < _LARGEST else np.inf
