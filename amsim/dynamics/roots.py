"""`changes`, looks between which a function crosses 0, and `roots`: where, by few calls of it."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..compiled.jit import compiled, inner
from ..synapses import Array

# Of a root, relative to the way between the places at first.
_ROOT = 1e-14
# Where the places lie that are asked in one call, and the ends, in a bracket: even, so that it is
# five times narrower then; and such that the polynomial through them is good everywhere, so that
# two calls find what is smooth in a short one.
FEW = np.linspace(0.0, 1.0, 6)
MANY = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, 14))
# How far from a guess they are at most, relative to the bracket. The nearest are as far as the last
# place moved the guess, as those that are nearer to each other than to the root tell rounding; or,
# where it moved hardly more than that, as near as is asked for.
_FAR, _HARDLY = 1e-3, 16.0
# Between neighbouring numbers, relative to them.
_EPSILON = float(np.finfo(float).eps)
# What stands for 0 on the side that counts as crossed.
_TINY = 1e-300


@compiled
def changes(values, order, places, times, before, direction, found, starts, lefts):
    """List the looks before which 0 was crossed, by cue and time; how many there are.

    Parameters
    ----------
    values : float64 (n,)
        Of the looks in any order.
    order, places : int64 (n,)
        What sorts them by cue and time, and then their cues.
    times : float64 (n,)
        In that order.
    before : float64 (B,)
        The last value of each cue until now, which an input may have changed; NaN where there is
        none. Becomes the last of these.
    direction : int
        1 for crossings from below, -1 from above, 0 for both.
    found : int64 (n,)
        Becomes their positions in the order.
    starts, lefts : float64 (n,)
        Become the time of the look before, and the value there.
    """
    count, place, left, start = 0, places[0], before[places[0]], times[0]
    for k in range(len(order)):
        value, time = values[order[k]], times[k]
        if places[k] != place:
            before[place] = left
            place = places[k]
            left, start = before[place], time
        rises, falls = left < 0.0 <= value, left > 0.0 >= value
        if (rises and direction >= 0) or (falls and direction <= 0):
            found[count], starts[count], lefts[count] = k, start, left
            count += 1
        left, start = value, time
    before[place] = left
    return count


def roots(
    function: Callable[[Array, NDArray[np.int64]], Array],
    start: Array,
    stop: Array,
    values: Array,
    then: Array,
    shares: Array = FEW,
) -> Array:
    """Where functions cross 0, each between two places; the side is that of `stop`.

    Some places within a bracket are asked at once: spread, or on both sides of what the inverse
    interpolation through those before says. The spread ones make it a few times narrower in any
    case, and the others, where a function is smooth, some thousand times or more.

    Parameters
    ----------
    function : callable
        (places (m,), which (m,)) -> values (m,) of some of the functions; 0 counts as crossed, as
        functions of whole numbers are there from their jump on.
    start, stop : ndarray (n,)
        In this order.
    values, then : ndarray (n,)
        Of the functions there, the first not 0, the second 0 or of another sign.
    shares : ndarray
        Where places that are spread lie in a bracket, from 0 to 1: `FEW` for as few calls as can
        be, `MANY` for few places with many of them in each call.
    """
    count = len(shares) - 2
    x, f = np.empty((2, len(start), len(shares)))
    x[:, 0], x[:, -1], f[:, 0], f[:, -1] = start, stop, values, then
    least = _ROOT * (stop - start)
    found, which = stop.copy(), np.arange(len(start))
    spread_all(x, shares)
    left = len(which)
    while left:
        f[:, 1:-1] = function(x[:, 1:-1].ravel(), which.repeat(count)).reshape(-1, count)
        on = np.empty(len(which), np.bool_)
        left = narrow(x, f, shares, least, on)
        if left < len(which):
            found[which] = x[:, -1]
        if 0 < left < len(which):
            x, f, least, which = x[on], f[on], least[on], which[on]
    return found


@inner
def _spread(x, k, shares, left, right):
    """Places that are spread in a bracket."""
    last = len(shares) - 1
    x[k, 0], x[k, last] = left, right
    for i in range(1, last):
        x[k, i] = left + (right - left) * shares[i]


@compiled
def spread_all(x, shares):
    """Places that are spread in all brackets, whose ends are there."""
    for k in range(len(x)):
        _spread(x, k, shares, x[k, 0], x[k, len(shares) - 1])


@inner
def _surround(x, k, left, guess, right, near):
    """Places on both sides of a guess, from far ones to those that are near, by equal ratios."""
    last, width = x.shape[1] - 1, right - left
    half = last // 2
    below = min(_FAR * width, 0.5 * (guess - left))
    above = min(_FAR * width, 0.5 * (right - guess))
    x[k, 0], x[k, last] = left, right
    x[k, 1], x[k, last - 1] = guess - below, guess + above
    for i in range(2, half + 1):
        share = (i - 1) / (half - 1)
        x[k, i] = guess - min((near / below) ** share, 0.5 ** (i - 1)) * below
        x[k, last - i] = guess + min((near / above) ** share, 0.5 ** (i - 1)) * above


@inner
def _guess(x, f, k, count):
    """Where the polynomial of x over f has f = 0, by the first places so many.

    Not finite, or anywhere, where there is none.
    """
    top = 0.0
    for i in range(count):
        top = max(top, abs(f[k, i]))
    total = 0.0
    for i in range(1, count):
        share = 1.0
        for j in range(count):
            if j != i:
                share *= (f[k, j] / top) / (f[k, j] / top - f[k, i] / top)
        total += share * (x[k, i] - x[k, 0])
    return x[k, 0] + total


@compiled
def narrow(x, f, shares, least, on):
    """Make brackets narrower by the values within, and choose the places to ask next.

    Returns how many are too long yet.

    Parameters
    ----------
    x, f : float64 (n, places)
        Increasing places from one end of a bracket to the other, and the values there.
    shares : float64 (places,)
        Where those that are spread lie.
    least : float64 (n,)
        Half of the length of a bracket that is short enough, but for rounding.
    on : bool (n,)
        Becomes whether a bracket is longer.
    """
    last, left_over = x.shape[1] - 1, 0
    spread = 0.0  # the widest bracket that is no wider than after places that are spread
    for i in range(last):
        spread = max(spread, 1.1 * (shares[i + 1] - shares[i]))
    for k in range(len(x)):
        for i in range(1, last + 1):
            if f[k, i] == 0.0:
                f[k, i] = math.copysign(_TINY, -f[k, 0])
        i = 1
        while (f[k, i] > 0.0) == (f[k, 0] > 0.0):
            i += 1
        left, right = x[k, i - 1], x[k, i]
        width, before = right - left, x[k, last] - x[k, 0]
        close = max(least[k], 4.0 * _EPSILON * max(abs(left), abs(right)))
        on[k] = width > 2.0 * close
        left_over += on[k]
        guess = _guess(x, f, k, last + 1)
        off = abs(guess - _guess(x, f, k, last))
        f[k, 0], f[k, last] = f[k, i - 1], f[k, i]
        if width < spread * before and left < guess <= right:
            guess = min(max(guess, left + close), right - close)
            near = width  # also where the guess by fewer places is none
            if off < width:
                near = off if off >= _HARDLY * close else 0.75 * close  # but for rounding
            _surround(x, k, left, guess, right, near)
        else:
            _spread(x, k, shares, left, right)
    return left_over
