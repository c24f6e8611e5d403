"""Groups of entmax units that share their threshold: when the next of them sends. Compiled.

An output depends on u_i = beta h_i - tau, and tau is convex in the states h. Where all
units of a group have one rate, states between events are linear in e = exp(-rate (t - now)), which
falls from 1 to 0: so u_i is concave in e, kinks of outputs and all. It lies below its tangent at
e = 1, so that no unit rises to its next level before the tangent does, and above its chord to a
later point, so that no unit falls to its level before the chord does. That point is the last at
which a tangent of a falling unit meets its level, beyond the crossing: both sides close in on it as
Newton's method does.

Units of several rates have |u_i'| <= w = beta (max h' - min h'), as tau' is a mean of the beta h'
and the leak shrinks each of them: the group is looked at again after gap / w, which converges as
bisection does.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ...compiled.jit import compiled
from ...compiled.neurons import share, threshold
from .leak import state
from .state import FIXED, HIGH, KEY, LOW, RATE, SHARE, TARGET

_CLOSE = 1e-12  # distance in u that counts as reached,
_CLOSE_BY_STEPS = 1e-9  # and for units of several rates


@compiled
def heights(engine, population, t):
    """Write the states of a group to SHARE; returns the largest, and tau."""
    start, stop, states = population.start, population.stop, engine.units[SHARE]
    for i in range(start, stop):
        states[i] = state(engine, i, t)
    return threshold(population.kind, population.alpha, population.parameter, states[start:stop])


@compiled
def entmax_output(engine, population, i, t):
    """Output of a unit."""
    peak, tau = heights(engine, population, t)
    u = population.parameter * (engine.units[SHARE, i] - peak) - tau
    value, _ = share(population.kind, population.alpha, u)
    return value


@compiled
def _pull(units, i):
    """Target less state; 0 where it is clamped."""
    return units[TARGET, i] - units[SHARE, i] if np.isnan(units[FIXED, i]) else 0.0


@compiled
def _drift(units, population, peak, tau):
    """d tau/dt, the smallest and the largest beta h', and the largest |h|."""
    beta, total, drift = population.parameter, 0.0, 0.0
    least = most = size = 0.0
    for i in range(population.start, population.stop):
        velocity = beta * units[RATE, i] * _pull(units, i)
        _, slope = share(population.kind, population.alpha, beta * (units[SHARE, i] - peak) - tau)
        total += slope
        drift += slope * velocity
        least, most = min(least, velocity), max(most, velocity)
        size = max(size, abs(units[SHARE, i]))
    return drift / total, least, most, size


@compiled
def next_height(engine, population, t):
    """Look at a group: (unit, direction) if a unit sends now, else (-1, 0.0) and the next look."""
    units, beta, rate = engine.units, population.parameter, population.rate
    start, stop = population.start, population.stop
    peak, tau = heights(engine, population, t)
    drift, least, most, size = _drift(units, population, peak, tau)
    close = (_CLOSE if rate > 0.0 else _CLOSE_BY_STEPS) + 4e-16 * beta * size
    budget, later = np.inf, 0.0
    for i in range(start, stop):
        u = beta * (units[SHARE, i] - peak) - tau
        velocity = beta * units[RATE, i] * _pull(units, i) - drift
        rise, fall = units[HIGH, i] - u, u - units[LOW, i]
        if rise <= close and velocity >= 0.0:
            return i, 1.0
        if fall <= close and velocity <= 0.0:
            return i, -1.0
        budget = min(budget, max(rise, close), max(fall, close))
        if velocity < 0.0 and rate > 0.0:
            later = max(later, 1.0 + rate * fall / velocity)
    speed = most - least
    wait = budget / speed
    if rate > 0.0:
        wait = max(wait, -math.log(_nearest(units, population, peak, tau, drift, later)) / rate)
    population.budget, population.speed, population.since = budget, speed, t
    # A step that time cannot resolve must not stop the clock.
    population.due = t + max(wait, 4e-16 * t)
    return -1, 0.0


@compiled
def _nearest(units, population, peak, tau, drift, later):
    """The largest e at which a unit may reach its level; 0 if none ever does."""
    beta, rate, nearest = population.parameter, population.rate, 0.0
    start, stop, states = population.start, population.stop, units[KEY]
    for i in range(start, stop):
        states[i] = units[SHARE, i] + _pull(units, i) * (1.0 - later)
    top, threshold_then = threshold(population.kind, population.alpha, beta, states[start:stop])
    for i in range(start, stop):
        u = beta * (units[SHARE, i] - peak) - tau
        then = beta * (states[i] - top) - threshold_then
        velocity = beta * rate * _pull(units, i) - drift
        if velocity > 0.0:
            nearest = max(nearest, 1.0 - rate * (units[HIGH, i] - u) / velocity)
        if then < units[LOW, i]:
            fall = max(u - units[LOW, i], 0.0)
            nearest = max(nearest, 1.0 - (1.0 - later) * fall / (u - then))
    return min(max(nearest, later), 1.0)
