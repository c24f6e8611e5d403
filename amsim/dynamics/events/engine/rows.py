"""What a message does to a row of units that share their rate: loops for vector units. Compiled."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from typing import Any

import numpy as np

from ....compiled.jit import inner_elementwise, inner_inlined
from ....compiled.vectors import smaller


@inner_inlined
def reaches(gap, distance):
    """Whether a target lies beyond the level; one that is the level itself does not."""
    return ((gap > 0.0) & (distance > 0.0)) | ((gap < 0.0) & (distance < 0.0))


@inner_inlined
def level_ahead(gap, low, high):
    """The level that a unit moves towards; both are read, since gathering one takes longer."""
    return high if gap > 0.0 else low


@inner_elementwise
def all_crossings(target, gap, low, high, crossing, shift):
    """Crossings of units that share their rate."""
    for k in range(len(target)):
        level = level_ahead(gap[k], low[k], high[k])
        distance = target[k] - (level + shift)
        e = gap[k] / distance
        crossing[k] = e if reaches(gap[k], distance) else np.inf


@inner_elementwise
def add_row(row, delta, e, target, gap, low, high, crossing, shift):
    """Deliver a message to units that share their rate; returns the smallest of their crossings.

    Parameters
    ----------
    row : ndarray of float64 (n,)
        Weights from the sender.
    delta : float
        By how much its output has changed.
    e : float
        exp(rate (t - base)) now.
    target, gap, low, high, crossing : ndarray of float64 (n,)
        The units, as in `State`.
    shift : float
        Of low and high.
    """
    first: Any = np.inf
    for k in range(len(target)):
        w = row[k] * delta
        goal, span = target[k] + w, gap[k] + w * e
        target[k], gap[k] = goal, span
        distance = goal - (level_ahead(span, low[k], high[k]) + shift)
        reached = span / distance
        crossing[k] = reached = reached if reaches(span, distance) else np.inf
        first = smaller(first, reached)
    return first


@inner_elementwise
def add_row_only(row, delta, e, target, gap):
    """Deliver a message to units whose crossings are not needed."""
    for k in range(len(target)):
        w = row[k] * delta
        target[k] += w
        gap[k] += w * e


@inner_elementwise
def smallest(numbers):
    """The smallest number."""
    first: Any = np.inf
    for k in range(len(numbers)):
        first = smaller(first, numbers[k])
    return first
