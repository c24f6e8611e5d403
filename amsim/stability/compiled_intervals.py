"""Compiled interval arithmetic: bounds of softmax shares, and centres and radii of boxes.

All bounds are rounded outwards, as in `intervals`. Arrays are (batch, units) and float64.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import numpy as np

from ..compiled.jit import allocating, reordered
from ..synapses import Array
from .boxes import EPS, TINY, Box

_WIDE = 600.0  # exponents that far apart are not taken as they are
_SMALLEST = float(np.finfo(np.float64).tiny)


def softmax_bounds(beta: float, lo: Array, hi: Array) -> Box:
    """`Softmax.activation_bounds`: p_i with unit i at one end and all others at the other."""
    peak = hi.max(axis=1, keepdims=True)
    # NumPy's exp is several times faster than a compiled one.
    least, most = np.exp(beta * (lo - peak)), np.exp(beta * (hi - peak))
    low, high = _softmax_bounds(beta, lo, hi, least, most)
    return low, high


@allocating
def _softmax_bounds(beta, lo, hi, least, most):
    low, high = np.empty_like(lo), np.empty_like(hi)
    units = lo.shape[1]
    for row in range(len(lo)):
        spread = beta * (np.max(hi[row]) - np.min(lo[row]))
        if spread < _WIDE:
            # 2 eps per unit of an exponent, one per term of a sum, a few for what remains.
            error = 8 * units * EPS * (1 + spread)
            _shares(least[row], most[row], 1 + error, low[row])
            _shares(most[row], least[row], 1 - error, high[row])
        elif not spread < np.inf:
            low[row], high[row] = 0.0, 1.0
        else:
            error = 8 * units * EPS
            _shares_by_logarithms(beta, lo[row], hi[row], error, low[row])
            _shares_by_logarithms(beta, hi[row], lo[row], -error, high[row])
        for i in range(units):
            p = low[row, i] * (1 - 4 * EPS)
            # Below the smallest normal number rounding is absolute: there, [0, that] holds p.
            low[row, i] = 0.0 if p < _SMALLEST else p
            high[row, i] = min(max(high[row, i] * (1 + 4 * EPS), _SMALLEST), 1.0)
    return low, high


@allocating
def _shares(own, others, factor, out):
    """own_i / (own_i + factor sum_{j != i} others_j)."""
    first = np.argmax(others)
    rest = 0.0
    for j in range(len(others)):
        if j != first:
            rest += others[j]
    for i in range(len(own)):
        # Others are at least as large as what is taken from the sum: no more than half cancels.
        total = rest if i == first else (rest + others[first]) - others[i]
        out[i] = own[i] / (own[i] + factor * total)


@allocating
def _shares_by_logarithms(beta, own, others, error, out):
    """The same for exp(beta own), exp(beta others), which may be too large or small a number."""
    first = np.argmax(others)
    second = -np.inf
    for j in range(len(others)):
        if j != first:
            second = max(second, others[j])
    rest, beside_first = 0.0, 0.0  # in units of exp(beta first) and exp(beta second)
    for j in range(len(others)):
        if j != first:
            out[j] = np.exp(beta * (others[j] - others[first]))
            rest += out[j]
            beside_first += np.exp(beta * (others[j] - second))
    for i in range(len(own)):
        if i == first:
            total, unit = beside_first, second
        else:
            total, unit = (rest + 1) - out[i], others[first]
        gap = beta * (unit - own[i])
        # A unit that is alone has total 0.
        out[i] = 1.0
        if total > 0:
            out[i] = 1 / (1 + total * np.exp(gap + error * (1 + abs(gap))))


@reordered
def difference_product(weights, back, winner, radius):
    """|W - W_w| r, one winner w per row; the weights are (sources, targets) if `back`."""
    out = np.zeros((len(radius), weights.shape[1 if back else 0]))
    for row in range(len(radius)):
        w = winner[row]
        if back:
            for i in range(weights.shape[0]):
                own = np.float64(weights[i, w])
                for target in range(weights.shape[1]):
                    out[row, target] += abs(np.float64(weights[i, target]) - own) * radius[row, i]
        else:
            for target in range(weights.shape[0]):
                total = 0.0
                for i in range(weights.shape[1]):
                    moved = abs(np.float64(weights[target, i]) - np.float64(weights[w, i]))
                    total += moved * radius[row, i]
                out[row, target] = total
    return out


@allocating
def middle(low, high):
    """Centre and radius of a box; centre +- radius contains it."""
    centre, radius = np.empty_like(low), np.empty_like(low)
    for row in range(low.shape[0]):
        for i in range(low.shape[1]):
            lo, hi = low[row, i], high[row, i]
            c = lo + (hi - lo) / 2
            # Products with numbers that are not normal are slow; the radius takes them in.
            if abs(c) < TINY:
                c = 0.0
            centre[row, i] = c
            radius[row, i] = max(hi - c, c - lo) * (1 + 4 * EPS) + TINY
    return centre, radius


@allocating
def around(force, spread, error, bias, leak, winner):
    """The box bias + force / leak +- (spread + 4 error / leak), less that of the winner if any.

    force, spread, bias and leak are (batch, units), (batch, units), (units,) and a number; error
    is (batch,), winner (batch,) or empty.
    """
    lo, hi = np.empty_like(force), np.empty_like(force)
    for row in range(force.shape[0]):
        own, largest = 0.0, 0.0
        if len(winner):
            w = winner[row]
            own = bias[w] + force[row, w] / leak
            for i in range(force.shape[1]):
                largest = max(largest, abs(bias[i]) + abs(force[row, i] / leak))
        for i in range(force.shape[1]):
            centre = force[row, i] / leak
            scale = abs(bias[i]) + abs(centre) + largest
            # 8 eps: the divisions, the bias, the shift and the two bounds round once each.
            radius = (spread[row, i] + 4 * error[row] / leak) * (1 + 8 * EPS) + 8 * EPS * scale
            state = (bias[i] + centre) - own
            lo[row, i], hi[row, i] = state - radius, state + radius
        if len(winner):
            lo[row, w] = hi[row, w] = 0.0
    return lo, hi
