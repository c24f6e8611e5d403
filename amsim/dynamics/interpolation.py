"""States between two moments at which they and their slopes are known."""

from __future__ import annotations

import numpy as np

from ..synapses import Array


def cubic(
    start: Array, slope: Array, stop: Array, slope_then: Array, length: float, share: float
) -> Array:
    """The cubic through states and slopes at both ends, after a share of the way (Hermite)."""
    way = stop - start
    bend, bend_then = length * slope - way, way - length * slope_then
    left = 1.0 - share
    return np.asarray(start + share * way + share * left * (left * bend + share * bend_then))
