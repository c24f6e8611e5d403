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
        low, high = _by_exponentials(beta, lo, hi, peak, spread)
    else:
        low, high = np.zeros_like(lo), np.ones_like(hi)  # what holds for all states
        low[near], high[near] = _by_exponentials(beta, lo[near], hi[near], peak[near], spread[near])
        far = ~near & (spread[:, 0] < np.inf)
        low[far], high[far] = _by_logarithms(beta, lo[far], hi[far])
    return within_shares(low, high)


def within_shares(low: Array, high: Array) -> Box:
    """Bounds on shares rounded outwards, and within 0 and 1; both arrays are changed."""
    low *= 1 - 4 * EPS
    high *= 1 + 4 * EPS
    # Below the smallest normal number rounding is absolute: there, [0, that] holds p.
    low *= low >= _SMALLEST
    return low, np.minimum(np.maximum(high, _SMALLEST), 1.0)


def _by_exponentials(beta: float, lo: Array, hi: Array, peak: Array, spread: Array) -> Box:
    """With the largest bound, and the range of exponents, each (batch, 1)."""
    least, most = np.exp(beta * (lo - peak)), np.exp(beta * (hi - peak))
    # 2 eps per unit of an exponent, one per term of a sum, a few for what remains.
    error = 8 * lo.shape[1] * EPS * (1 + spread)
    return shares(least, most, 1 + error), shares(most, least, 1 - error)


def shares(own: Array, others: Array, factor: Array, outside: Array | float = 0.0) -> Array:
    """own_i / (own_i + factor (outside + sum_{j != i} others_j))."""
    rows, first, beside = _without_largest(others, 0.0)
    rest = beside.sum(axis=1)
    # Others are at least as large as what is taken from the sum: no more than half cancels.
    total = (rest + others[rows, first])[:, None] - beside
    total[rows, first] = rest
    total += outside
    total *= factor
    total += own
    return np.asarray(own / total)


@np.errstate(over="ignore")  # what is too large a number divides 1
def _by_logarithms(beta: float, lo: Array, hi: Array) -> Box:
    error = 8 * lo.shape[1] * EPS
    return _shares_of_logarithms(beta, lo, hi, error), _shares_of_logarithms(beta, hi, lo, -error)


def _shares_of_logarithms(beta: float, own: Array, others: Array, error: float) -> Array:
    """`shares` of exp(beta own), exp(beta others), which may be too large or small a number."""
    if own.shape[1] == 1:
        return np.ones_like(own)
    rows, first, beside = _without_largest(others, -np.inf)
    largest, second = others[rows, first], beside.max(axis=1)
    terms = np.exp(beta * (beside - largest[:, None]))
    # Sums in units of exp(beta largest); for the largest itself of exp(beta second).
    total = (terms.sum(axis=1) + 1)[:, None] - terms
    total[rows, first] = np.exp(beta * (beside - second[:, None])).sum(axis=1)
    unit = np.repeat(largest[:, None], own.shape[1], axis=1)
    unit[rows, first] = second
    gap = beta * (unit - own)
    return np.asarray(1 / (1 + total * np.exp(gap + error * (1 + np.abs(gap)))))


def _without_largest(others: Array, put: float) -> tuple[Array, Array, Array]:
    """Where the largest of each row is, and the others with `put` there."""
    rows, first, beside = np.arange(len(others)), others.argmax(axis=1), others.copy()
    beside[rows, first] = put
    return rows, first, beside


def middle(low: Array, high: Array) -> Box:
    """Centre and radius of a box; centre +- radius contains it."""
    centre = (low + high) / 2
    # Products with numbers that are not normal are slow; the radius takes them in.
    centre *= np.abs(centre) >= TINY
    radius = np.maximum(high - centre, centre - low)
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

    force, spread and bias are (batch, units), (batch, units) and (units,); error is (batch,),
    winner (batch,) or None.
    """
    state = force / leak
    scale = np.abs(state) + np.abs(bias)
    state += bias
    rows = np.arange(len(force))
    if winner is not None:
        scale += scale.max(axis=1, keepdims=True)
        state -= state[rows, winner][:, None]
    # 8 eps: the divisions, the bias, the shift and the two bounds round once each.
    radius = (spread + 4 * error[:, None] / leak) * (1 + 8 * EPS)
    scale *= 8 * EPS
    radius += scale
    if winner is not None:
        radius[rows, winner] = 0.0
    return state - radius, state + radius
