"""What chains of links do in a given time, exactly, and noise between two moments, compiled.

Each link z_i of a chain follows the one before,  dz_i = rate_i (z_(i-1) - z_i) dt,  and the first
has white noise,  sqrt(strength) dW.  Chains are linear in what they begin with, in what drives a
link besides, and in W; all coefficients are what of a link has come to a later one after a time, or
integrals of that. Those for short times are found without differences of near numbers, and those
for longer ones from their halves.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ..compiled.jit import inner

# Matrices (n, n) of a time for n links: what of a link is left in each; their covariance by the
# noise; and how they change by a drive of 1 on a link, and by one that rises from 0 to 1.
LEFT, LAW, WHOLE, RISE = 0, 1, 2, 3
MOVES = 4
# Those of a moment between two others: shares of what links were at the first one, and are at the
# second; WHOLE and RISE of a drive between these; and shares of independent numbers.
KEEP, PULL, DRAW = 0, 1, 4
BRIDGE = 5
# Matrices to compute with.
ROOM = 3

# Terms of a series for times of less than _SHORT of the fastest link.
_TERMS, _SHORT = 11, 0.0625
# Of the quadrature of Gauss and Legendre from 0 to 1.
_NODES, _WEIGHTS = (0.5 * np.polynomial.legendre.leggauss(5)[i] + 0.5 * (1 - i) for i in (0, 1))


@inner
def _fastest(rates):
    fastest = 0.0
    for i in range(len(rates)):
        fastest = max(fastest, rates[i])
    return fastest


@inner
def _passed(rates, time, term, out):
    """What of link k has come to link i after a short time: out[i, k].

    With e^(-fastest t) taken out, no term of the power series of the exponential is negative.
    """
    size, fastest = len(rates), _fastest(rates)
    left = math.exp(-fastest * time)
    for i in range(size):
        for k in range(size):
            out[i, k] = term[i, k] = left if i == k else 0.0
    for power in range(1, _TERMS):
        share = time / power
        for i in range(size - 1, -1, -1):
            stay, come = share * (fastest - rates[i]), share * rates[i]
            for k in range(i):
                term[i, k] = stay * term[i, k] + come * term[i - 1, k]
                out[i, k] += term[i, k]
            term[i, i] *= stay
            out[i, i] += term[i, i]


@inner
def _short(rates, strength, time, room, out):
    """As `moves`, likewise."""
    size, passed = len(rates), room[1]
    out[:] = 0.0
    _passed(rates, time, room[0], out[LEFT])
    for node in range(len(_NODES)):
        share, weight = _NODES[node], time * _WEIGHTS[node]
        _passed(rates, time * share, room[0], passed)
        for i in range(size):
            for k in range(size):
                moved = weight * rates[k] * passed[i, k]
                out[WHOLE, i, k] += moved
                out[RISE, i, k] += moved * (1.0 - share)
                out[LAW, i, k] += weight * strength * passed[i, 0] * passed[k, 0]


@inner
def _product(a, b, out):
    """out = a b."""
    size = len(a)
    for i in range(size):
        for k in range(size):
            total = 0.0
            for j in range(size):
                total += a[i, j] * b[j, k]
            out[i, k] = total


@inner
def _add_turned(a, b, out):
    """out += a b^T."""
    size = len(a)
    for i in range(size):
        for k in range(size):
            for j in range(size):
                out[i, k] += a[i, j] * b[k, j]


@inner
def copy_moves(values, out):
    """out = values, (MOVES, n, n)."""
    for plane in range(MOVES):
        for i in range(out.shape[1]):
            for k in range(out.shape[2]):
                out[plane, i, k] = values[plane, i, k]


@inner
def twice(room, out):
    """Moves of a time from those of its half."""
    size, left = len(room[0]), out[LEFT]
    _product(left, out[LAW], room[0])
    _add_turned(room[0], left, out[LAW])
    _product(left, out[WHOLE], room[0])
    _product(left, out[RISE], room[1])
    _product(left, left, room[2])
    for i in range(size):
        for k in range(size):
            half = out[WHOLE, i, k]
            out[WHOLE, i, k] = room[0, i, k] + half
            out[RISE, i, k] = 0.5 * (room[1, i, k] + half + out[RISE, i, k])
            left[i, k] = room[2, i, k]


@inner
def moves(rates, strength, time, room, out):
    """The moves (MOVES, n, n) of a time.

    Parameters
    ----------
    rates : float64 (n,)
    strength, time : float
    room : float64 (ROOM, n, n)
    out : float64 (MOVES, n, n)
    """
    halvings, short = 0, time
    while _fastest(rates) * short > _SHORT:
        short *= 0.5
        halvings += 1
    _short(rates, strength, short, room, out)
    for _ in range(halvings):
        twice(room, out)


@inner
def factor(law, lead, root):
    """The root of a covariance (Cholesky), lower with the first `lead` links behind all others.

    root[i, k] is the share of number k in link i.
    """
    size = len(law)
    for k in range(size):
        own = (lead + k) % size
        for place in range(size):
            i = (lead + place) % size
            rest = law[i, own]
            for j in range(k):
                rest -= root[i, j] * root[own, j]
            if place > k:
                root[i, k] = rest / root[own, k] if root[own, k] > 0.0 else 0.0
            else:
                root[i, k] = math.sqrt(max(rest, 0.0)) if place == k else 0.0


@inner
def _divide(row, root, out):
    """out: the row over the covariance whose root that is."""
    size = len(row)
    for k in range(size):
        rest = row[k]
        for j in range(k):
            rest -= root[k, j] * out[j]
        out[k] = rest / root[k, k] if root[k, k] > 0.0 else 0.0
    for k in range(size - 1, -1, -1):
        rest = out[k]
        for j in range(k + 1, size):
            rest -= root[j, k] * out[j]
        out[k] = rest / root[k, k] if root[k, k] > 0.0 else 0.0


@inner
def bridge(a, b, share, lead, blur, room, out):
    """Coefficients (BRIDGE, n, n) of links between two moments, from the moves to either.

    Given what links were at the first one, and are at the second, they are normal (Kalman); their
    covariance is found as a sum (Joseph), which loses no digits near either end. Of a colour, which
    nobody sees, only its mean may be known at the first moment. The last of the numbers serves the
    colour alone: without it there is the mean again, given all else.

    Parameters
    ----------
    a, b : float64 (MOVES, n, n)
        Since the first moment, and to the second.
    share : float
        The time of a, of both.
    lead : int
        1 if the first link is a colour, 0 else.
    blur : float
        Variance of the colour about its mean at the first moment.
    room : float64 (ROOM, n, n)
    out : float64 (BRIDGE, n, n)

    Returns
    -------
    float
        Variance of the colour about its mean between them.
    """
    size, pull = len(room[0]), out[PULL]
    with_end, of_end, root = room[0], room[1], room[2]
    with_end[:] = 0.0
    _add_turned(a[LAW], b[LEFT], with_end)
    _product(b[LEFT], with_end, of_end)
    for i in range(size):
        for k in range(size):
            of_end[i, k] += b[LAW, i, k]
    factor(of_end, 0, root)
    for i in range(size):
        _divide(with_end[i], root, pull[i])
    rest, part, law = room[0], room[1], room[2]
    _product(pull, b[LEFT], rest)
    for i in range(size):
        for k in range(size):
            rest[i, k] = (1.0 if i == k else 0.0) - rest[i, k]
    _product(rest, a[LEFT], out[KEEP])
    _product(rest, a[WHOLE], out[WHOLE])
    _product(rest, a[RISE], out[RISE])
    _product(pull, b[WHOLE], part)
    _product(pull, b[RISE], law)
    for i in range(size):
        for k in range(size):
            late = share * part[i, k] + (1.0 - share) * law[i, k]
            out[RISE, i, k] = share * out[RISE, i, k] - late
            out[WHOLE, i, k] -= part[i, k]
    law[:] = 0.0
    _product(rest, a[LAW], part)
    _add_turned(part, rest, law)
    _product(pull, b[LAW], part)
    _add_turned(part, pull, law)
    for i in range(size):
        for k in range(size):
            law[i, k] += blur * out[KEEP, i, 0] * out[KEEP, k, 0]
    factor(law, lead, out[DRAW])
    return lead * out[DRAW, 0, size - 1] ** 2
