"""Compiled interval arithmetic, rounded outwards: products of weights, steps of tubes.

Arrays are (batch, units) but where something else is said. NaN is a bound of nothing: it stays NaN.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import numpy as np

from ..compiled.jit import allocating, reordered
from .boxes import EPS, TINY


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
def moved(lo, hi, low, high, least, most):
    """States that have gone a part of the way to [low, high]: the most where a bound goes outwards.

    Three operations on |x| + |f| round, x + p (f - x) with 0 <= p <= 1.
    """
    down, up = np.empty_like(lo), np.empty_like(hi)
    for row in range(len(lo)):
        for i in range(lo.shape[1]):
            x, f = lo[row, i], low[row, i]
            part = most[i] if f < x else least[i]
            down[row, i] = x + part * (f - x) - (4 * EPS * (abs(x) + abs(f)) + TINY)
            x, f = hi[row, i], high[row, i]
            part = most[i] if f > x else least[i]
            up[row, i] = x + part * (f - x) + (4 * EPS * (abs(x) + abs(f)) + TINY)
    return down, up


@allocating
def candidate(lo, hi, before_lo, before_hi, during_lo, during_hi, most, ahead, least, slack):
    """Boxes a little larger than where the states get that go on as in the last step.

    Parameters
    ----------
    lo, hi : (batch, units)
        Where they are.
    before_lo, before_hi, during_lo, during_hi : (batch, units)
        Where they were at the beginning of the last step, and within it.
    most : (units,)
        How far units go at most of the way to where they are driven.
    ahead : float
        By how many times what the last step added.
    least, slack : float
        Margins are `least`, and `slack` times `most`, of the largest state.
    """
    below, above = np.empty_like(lo), np.empty_like(hi)
    for row in range(len(lo)):
        size = 1e-30
        for i in range(lo.shape[1]):
            size = max(size, abs(lo[row, i]), abs(hi[row, i]))
        for i in range(lo.shape[1]):
            margin = (least + slack * most[i]) * size
            down = max(before_lo[row, i] - during_lo[row, i], 0.0)
            up = max(during_hi[row, i] - before_hi[row, i], 0.0)
            below[row, i] = lo[row, i] - ahead * down - margin
            above[row, i] = hi[row, i] + ahead * up + margin
    return below, above
