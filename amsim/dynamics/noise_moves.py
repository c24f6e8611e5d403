"""What a unit with noise and its follower do in a given time, exactly, compiled.

A unit v and its follower y obey  dv = rate (N - v) dt + sqrt(2 rate) dW,  dy = lag (v - y) dt.
They are linear in what they begin with, in the drive N and in the noise W; all coefficients are
integrals of what passes from v to both. Those for short times are found by quadrature, without
differences of near numbers, and those for longer ones from their halves.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ..compiled.jit import inner

# Places of the coefficients: what is left of v and of y, and what of v reaches y;
V_LEFT, Y_LEFT, Y_OF_V = 0, 1, 2
# changes of both by a drive of 1, and by one that rises from 0 to 1 in that time;
V_WHOLE, V_RISE, Y_WHOLE, Y_RISE = 3, 4, 5, 6
# and their covariance by the noise.
VV, VY, YY = 7, 8, 9
MOVES = 10

# Of the quadrature of Gauss and Legendre from 0 to 1.
_NODES, _WEIGHTS = (0.5 * np.polynomial.legendre.leggauss(8)[i] + 0.5 * (1 - i) for i in (0, 1))


@inner
def _passed(rate, lag, age):
    """What of v has come to y after a time."""
    apart = abs(lag - rate) * age
    share = -math.expm1(-apart) / apart if apart > 0.0 else 1.0
    return lag * age * math.exp(-min(rate, lag) * age) * share if lag > 0.0 else 0.0


@inner
def _short(rate, lag, time, out):
    """As `moves`, likewise."""
    out[V_LEFT], out[Y_LEFT] = math.exp(-rate * time), math.exp(-lag * time)
    out[Y_OF_V] = _passed(rate, lag, time)
    out[V_WHOLE:] = 0.0
    for i in range(len(_NODES)):
        share = _NODES[i]
        left, weight = 1.0 - share, rate * time * _WEIGHTS[i]
        v, y = math.exp(-rate * time * share), _passed(rate, lag, time * share)
        out[V_WHOLE] += weight * v
        out[V_RISE] += weight * v * left
        out[Y_WHOLE] += weight * y
        out[Y_RISE] += weight * y * left
        out[VV] += 2.0 * weight * v * v
        out[VY] += 2.0 * weight * v * y
        out[YY] += 2.0 * weight * y * y


@inner
def _twice(out):
    """Coefficients for a time from those for its half."""
    v, y, passed = out[V_LEFT], out[Y_LEFT], out[Y_OF_V]
    vv, vy, yy = out[VV], out[VY], out[YY]
    v1, v2 = out[V_WHOLE], out[V_RISE]
    y1, y2 = out[Y_WHOLE], out[Y_RISE]
    out[V_LEFT], out[Y_LEFT], out[Y_OF_V] = v * v, y * y, passed * (v + y)
    out[V_WHOLE] = v * v1 + v1
    out[V_RISE] = 0.5 * (v * v2 + v1 + v2)
    out[Y_WHOLE] = passed * v1 + y * y1 + y1
    out[Y_RISE] = 0.5 * (passed * v2 + y * y2 + y1 + y2)
    out[VV] = v * v * vv + vv
    out[VY] = v * (passed * vv + y * vy) + vy
    out[YY] = passed * (passed * vv + 2.0 * y * vy) + y * y * yy + yy


@inner
def moves(rate, lag, time, out):
    """The coefficients (MOVES,) of a time; without a follower, lag is 0."""
    halvings, short = 0, time
    while max(rate, lag) * short > 1.0:
        short *= 0.5
        halvings += 1
    _short(rate, lag, short, out)
    for _ in range(halvings):
        _twice(out)


# Places of the coefficients of a bridge: shares of what v and y had of the noise at its beginning,
# and have at its end, and of three independent numbers.
KEEP_V, KEEP_V_OF_Y, KEEP_Y_OF_V, KEEP_Y = 0, 1, 2, 3
PULL_V, PULL_V_OF_Y, PULL_Y_OF_V, PULL_Y = 4, 5, 6, 7
DRAW_V, DRAW_Y_OF_V, DRAW_Y = 8, 9, 10
BRIDGE = 11


@inner
def spreads(vv, vy, yy):
    """Roots of a covariance: v and y are these times independent numbers, the second of both."""
    v = math.sqrt(max(vv, 0.0))
    tied = vy / v if v > 0.0 else 0.0
    return v, tied, math.sqrt(max(yy - tied * tied, 0.0))


@inner
def _gains(c_v, c_y, vv, vy, yy):
    """Shares of two numbers, of covariance vv, vy, yy, in the mean of one that goes with them."""
    along = vy / vv
    left = yy - along * vy
    of_y = (c_y - along * c_v) / left if left > 0.0 else 0.0
    return (c_v - of_y * vy) / vv, of_y


@inner
def bridge(a, b, out):
    """Coefficients (BRIDGE,) of the noise between two moments, from the moves before and behind.

    Given what v and y had of it at the first, and have at the second, they are normal, by the
    theorem of Bayes (Kalman).
    """
    vv, vy, yy = a[VV], a[VY], a[YY]
    # Covariances of now, the first letter, with the end.
    v_v, v_y = vv * b[V_LEFT], vv * b[Y_OF_V] + vy * b[Y_LEFT]
    y_v, y_y = vy * b[V_LEFT], vy * b[Y_OF_V] + yy * b[Y_LEFT]
    end_vv = b[V_LEFT] * v_v + b[VV]
    end_vy = b[V_LEFT] * v_y + b[VY]
    end_yy = b[Y_OF_V] * v_y + b[Y_LEFT] * y_y + b[YY]
    out[PULL_V], out[PULL_V_OF_Y] = _gains(v_v, v_y, end_vv, end_vy, end_yy)
    out[PULL_Y_OF_V], out[PULL_Y] = _gains(y_v, y_y, end_vv, end_vy, end_yy)
    # What is expected at the end, of what there was at the beginning.
    v, y = b[V_LEFT] * a[V_LEFT], b[Y_LEFT] * a[Y_LEFT]
    passed = b[Y_OF_V] * a[V_LEFT] + b[Y_LEFT] * a[Y_OF_V]
    out[KEEP_V] = a[V_LEFT] - out[PULL_V] * v - out[PULL_V_OF_Y] * passed
    out[KEEP_V_OF_Y] = -out[PULL_V_OF_Y] * y
    out[KEEP_Y_OF_V] = a[Y_OF_V] - out[PULL_Y_OF_V] * v - out[PULL_Y] * passed
    out[KEEP_Y] = a[Y_LEFT] - out[PULL_Y] * y
    vv -= out[PULL_V] * v_v + out[PULL_V_OF_Y] * v_y
    vy -= out[PULL_V] * y_v + out[PULL_V_OF_Y] * y_y
    yy -= out[PULL_Y_OF_V] * y_v + out[PULL_Y] * y_y
    out[DRAW_V], out[DRAW_Y_OF_V], out[DRAW_Y] = spreads(vv, vy, yy)
