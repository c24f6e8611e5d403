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
MANY = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, 12))
# How far from a guess they are at most, relative to the bracket. The nearest are as far as the last
# place moved the guess, as those that are nearer to each other than to the root tell rounding; or,
# where it moved hardly more than that, as near as is asked for.
_FAR, _HARDLY = 1e-3, 16.0
# Of the looks that are known: the bracket's ends and those before, which tell a guess at first. The
# oldest moves it by several times its error. The nearest places are this share of that from it.
KNOWN, _SAFE = 4, 2.0
# Between neighbouring numbers, relative to them.
_EPSILON = float(np.finfo(float).eps)
# What stands for 0 on the side that counts as crossed.
_TINY = 1e-300


@compiled
def first_nan(values):
    """Where the first NaN is among values (n,), or -1."""
    for k in range(len(values)):
        if math.isnan(values[k]):
            return k
    return -1


@compiled
def changes(values, order, places, times, before, cues, direction, found, looks):
    """List the looks before which 0 was crossed, by cue and time; how many there are.

    Parameters
    ----------
    values : float64 (n,)
        Of the looks in any order.
    order, places : int64 (n,)
        What sorts them by cue and time, and then their cues.
    times : float64 (n,)
        In that order.
    before : float64 (C, 2, KNOWN)
        Times and values of the last looks at each cue until now; NaN where there were none. Become
        those of these.
    cues : int64 (B,)
        Which cues those of these looks are there.
    direction : int
        1 for crossings from below, -1 from above, 0 for both.
    found : int64 (n,)
        Becomes their positions in the order.
    looks : float64 (n, 2, KNOWN)
        Become times and values of the look, which comes last, and of those before.
    """
    count = 0
    for k in range(len(order)):
        known, time, value = before[cues[places[k]]], times[k], values[order[k]]
        since, left = known[0, KNOWN - 1], known[1, KNOWN - 1]
        if time == since:  # the last look of before, again
            continue
        for i in range(KNOWN - 1):
            known[0, i], known[1, i] = known[0, i + 1], known[1, i + 1]
        if time < since:  # of a new piece, at whose beginning an input may have jumped
            for i in range(KNOWN - 1):
                known[0, i] = time
        known[0, KNOWN - 1], known[1, KNOWN - 1] = time, value
        rises, falls = left < 0.0 <= value, left > 0.0 >= value
        if (rises and direction >= 0) or (falls and direction <= 0):
            found[count] = k
            for i in range(KNOWN):
                looks[count, 0, i], looks[count, 1, i] = known[0, i], known[1, i]
            count += 1
    return count


def roots(
    function: Callable[[Array, NDArray[np.int64]], Array], looks: Array, shares: Array = FEW
) -> Array:
    """Where functions cross 0, each between its last two looks; the side is that of the last.

    Some places within a bracket are asked at once: spread, or on both sides of what the inverse
    interpolation through those before says. The spread ones make it a few times narrower in any
    case, and the others, where a function is smooth, some thousand times or more.

    Parameters
    ----------
    function : callable
        (places (m,), which (m,)) -> values (m,) of some of the functions; 0 counts as crossed, as
        functions of whole numbers are there from their jump on.
    looks : ndarray (n, 2, KNOWN)
        Times in this order, and the values of the functions there: the last but one is not 0, the
        last is 0 or of another sign; NaN where a time is not known.
    shares : ndarray
        Where places that are spread lie in a bracket, from 0 to 1: `FEW` for as few calls as can
        be, `MANY` for few places with many of them in each call.
    """
    left, count = len(looks), len(shares) - 2
    (x, f), which = np.empty((2, left, count + 2)), np.arange(left)
    least, found = np.empty(left), np.empty(left)
    begin(looks, shares, least, x, f)
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


@inner
def _surround(x, k, left, guess, right, far, near):
    """Places on both sides of a guess, from far ones to those that are near, by equal ratios.

    Parameters
    ----------
    x : float64 (n, places)
    k : int
        The row that they become.
    left, guess, right : float
        The guess, between the ends of its bracket.
    far, near : float
        How far from it they are at most, and at least.
    """
    last = x.shape[1] - 1
    half = last // 2
    below = min(far, 0.5 * (guess - left))
    above = min(far, 0.5 * (right - guess))
    x[k, 0], x[k, last] = left, right
    x[k, 1], x[k, last - 1] = guess - below, guess + above
    for i in range(2, half + 1):
        share = (i - 1) / (half - 1)
        x[k, i] = guess - min((near / below) ** share, 0.5 ** (i - 1)) * below
        x[k, last - i] = guess + min((near / above) ** share, 0.5 ** (i - 1)) * above


@inner
def _guess(x, f, start, stop):
    """Where the polynomial of x over f has f = 0, by the places from one to another.

    Not finite, or anywhere, where there is none.
    """
    top = 0.0
    for i in range(start, stop):
        top = max(top, abs(f[i]))
    total = 0.0
    for i in range(start + 1, stop):
        share = 1.0
        for j in range(start, stop):
            if j != i:
                share *= (f[j] / top) / (f[j] / top - f[i] / top)
        total += share * (x[i] - x[start])
    return x[start] + total


@inner
def _close(least, left, right):
    """Half of the length of a bracket that is short enough."""
    return max(least, 4.0 * _EPSILON * max(abs(left), abs(right)))


@inner
def _monotone(x, f):
    """The first of the looks since which times and values go one way."""
    first, rises = KNOWN - 2, f[KNOWN - 1] > f[KNOWN - 2]
    while first > 0 and x[first - 1] < x[first]:
        if f[first - 1] == f[first] or (f[first] > f[first - 1]) != rises:
            break
        first -= 1
    return first


@compiled
def begin(looks, shares, least, x, f):
    """Choose the first places in all brackets, near a guess where looks before tell one.

    Parameters
    ----------
    looks, shares : float64 (n, 2, KNOWN), float64 (places,)
        As for `roots`.
    least : float64 (n,)
        Becomes half of the length of a bracket that is short enough, but for rounding.
    x, f : float64 (n, places)
        Become the places, and the values at both ends.
    """
    last = len(shares) - 1
    for k in range(len(x)):
        times, values = looks[k, 0], looks[k, 1]
        left, right = times[KNOWN - 2], times[KNOWN - 1]
        least[k] = _ROOT * (right - left)
        f[k, 0], f[k, last] = values[KNOWN - 2], values[KNOWN - 1]
        first = _monotone(times, values)
        guess = _guess(times, values, first, KNOWN)
        far = abs(guess - _guess(times, values, first + 1, KNOWN))
        if first < KNOWN - 2 and far < 0.5 * (right - left) and left < guess <= right:
            close = _close(least[k], left, right)
            guess = min(max(guess, left + close), right - close)
            far = max(_SAFE * far, 1.5 * close)
            _spread(x, k, shares, max(left, guess - far), min(guess + far, right))
            x[k, 0], x[k, last] = left, right
        else:
            _spread(x, k, shares, left, right)


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
        close = _close(least[k], left, right)
        on[k] = width > 2.0 * close
        left_over += on[k]
        guess = _guess(x[k], f[k], 0, last + 1)
        off = abs(guess - _guess(x[k], f[k], 0, last))
        f[k, 0], f[k, last] = f[k, i - 1], f[k, i]
        if width < spread * before and left < guess <= right:
            guess = min(max(guess, left + close), right - close)
            near = width  # also where the guess by fewer places is none
            if off < width:
                near = off if off >= _HARDLY * close else 0.75 * close  # but for rounding
            _surround(x, k, left, guess, right, _FAR * width, near)
        else:
            _spread(x, k, shares, left, right)
    return left_over
