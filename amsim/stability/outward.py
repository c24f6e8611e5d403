"""Interval arithmetic rounded outwards: shares of a softmax, centres and radii of boxes.

Arrays are (batch, units) and float64.
"""

from __future__ import annotations

import numpy as np

from ..synapses import Array
from .boxes import EPS, TINY, Box

WIDE = 600.0  # exponents that far apart are not taken as they are
_SMALLEST = float(np.finfo(np.float64).tiny)


def softmax_bounds(beta: float, lo: Array, hi: Array) -> Box:
    """`Softmax.activation_bounds`: p_i with unit i at one end and all others at the other."""
    peak = hi.max(axis=1, keepdims=True)
    spread = beta * (peak - lo.min(axis=1, keepdims=True))
    near = spread[:, 0] < WIDE
    if near.all():
        return _rounded(*_by_exponentials(beta, lo, hi, peak, spread))
    low, high = np.zeros_like(lo), np.ones_like(hi)  # what holds for all states
    low[near], high[near] = _by_exponentials(beta, lo[near], hi[near], peak[near], spread[near])
    far = ~near & (spread[:, 0] < np.inf)
    low[far], high[far] = _by_logarithms(beta, lo[far], hi[far])
    return within_shares(low, high)


def within_shares(low: Array, high: Array) -> Box:
    """Bounds on shares rounded outwards, and within 0 and 1; both arrays are changed."""
    low, high = _rounded(low, high)
    # Below the smallest normal number rounding is absolute: there, [0, that] holds p.
    low *= low >= _SMALLEST
    return low, np.maximum(high, _SMALLEST, out=high)


def _rounded(low: Array, high: Array) -> Box:
    """`within_shares` of normal numbers, as all shares are of exponents that are not `WIDE`."""
    low *= 1 - 4 * EPS
    high *= 1 + 4 * EPS
    return low, np.minimum(high, 1.0, out=high)


def _by_exponentials(beta: float, lo: Array, hi: Array, peak: Array, spread: Array) -> Box:
    """With the largest bound, and the range of exponents, each (batch, 1)."""
    least, most = lo - peak, hi - peak
    for exponents in (least, most):
        exponents *= beta
        np.exp(exponents, out=exponents)
    # 2 eps per unit of an exponent, one per term of a sum, a few for what remains.
    error = 8 * lo.shape[1] * EPS * (1 + spread)
    low = shares(least, sums_of_others(most), 1 + error)
    return low, shares(most, sums_of_others(least), 1 - error)


def sums_of_others(x: Array) -> Array:
    """sum_{j != i} x_j of each row, for x >= 0; shape (rows, units)."""
    first = x.argmax(axis=1) + np.arange(0, x.size, x.shape[1])
    largest = x.take(first)
    x.put(first, 0.0)
    rest = x.sum(axis=1)
    x.put(first, largest)
    # Others are at least as large as what is taken from the sum: no more than half cancels.
    total: Array = (rest + largest)[:, None] - x
    total.put(first, rest)
    return total


def shares(own: Array, others: Array, factor: Array) -> Array:
    """own / (own + factor others), in place of the others."""
    others *= factor
    others += own
    return np.divide(own, others, out=others)


@np.errstate(over="ignore")  # what is too large a number divides 1
def _by_logarithms(beta: float, lo: Array, hi: Array) -> Box:
    error = 8 * lo.shape[1] * EPS
    return _shares_of_logarithms(beta, lo, hi, error), _shares_of_logarithms(beta, hi, lo, -error)


def _shares_of_logarithms(beta: float, own: Array, others: Array, error: float) -> Array:
    """`shares` of exp(beta own), exp(beta others), which may be too large or small a number."""
    if own.shape[1] == 1:
        return np.ones_like(own)
    rows, first, beside = np.arange(len(others)), others.argmax(axis=1), others.copy()
    beside[rows, first] = -np.inf
    largest, second = others[rows, first], beside.max(axis=1)
    terms = np.exp(beta * (beside - largest[:, None]))
    # Sums in units of exp(beta largest); for the largest itself of exp(beta second).
    total = (terms.sum(axis=1) + 1)[:, None] - terms
    total[rows, first] = np.exp(beta * (beside - second[:, None])).sum(axis=1)
    unit = np.repeat(largest[:, None], own.shape[1], axis=1)
    unit[rows, first] = second
    gap = beta * (unit - own)
    return np.asarray(1 / (1 + total * np.exp(gap + error * (1 + np.abs(gap)))))


def middle(low: Array, high: Array) -> Box:
    """Centre and radius of a box; centre +- radius contains it."""
    centre = low + high
    centre /= 2
    radius = np.abs(centre)
    # Products with numbers that are not normal are slow; the radius takes them in.
    if (tiny := radius < TINY).any():
        centre[tiny] = 0.0
    np.subtract(high, centre, out=radius)
    np.maximum(radius, centre - low, out=radius)
    radius *= 1 + 4 * EPS
    radius += TINY
    return centre, radius


def widened(box: Box, amount: Array | float) -> Box:
    """A box with its bounds moved outwards by an amount, and rounded outwards once more."""
    return np.nextafter(box[0] - amount, -np.inf), np.nextafter(box[1] + amount, np.inf)


def around(
    force: Array, spread: Array, error: Array, bias: Array, leak: float, winner: Array | None
) -> Box:
    """The box bias + force / leak +- (spread + 4 error / leak), less that of the winner if any.

    force is (batch, units), and so is spread, or (batch, 1); bias is (units,), error (batch,), at
    least 9 eps of any force in the row, and winner (batch,) or None.
    """
    # The division, the bias, the shift and the two bounds round once each: 8 eps of what they act
    # on, of a force and the winner's 2 errors.
    radius = (spread + 6 * error[:, None] / leak) * (1 + 8 * EPS)
    state = force / leak
    if bias.any():
        scale = np.abs(bias)
        radius = radius + 8 * EPS * (scale if winner is None else scale + scale[winner, None])
        state += bias
    if winner is None:
        return state - radius, state + radius
    own = np.arange(len(force)), winner
    state -= state[own][:, None]
    low, high = state - radius, state + radius
    low[own] = high[own] = 0.0
    return low, high
