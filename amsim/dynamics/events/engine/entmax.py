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

from ....compiled.jit import inner
from ....compiled.neurons import share, threshold
from .leak import state_at

_CLOSE = 1e-12  # distance in u that counts as reached,
_CLOSE_BY_STEPS = 1e-9  # and for units of several rates


@inner
def heights(layout, state, p, t):
    """Write the states of group p to `scratch`; returns the largest, and tau."""
    population, states = layout.populations[p], state.scratch
    start, stop = population.start, population.stop
    for i in range(start, stop):
        states[i] = state_at(layout, state, i, t)
    return threshold(population.kind, population.alpha, population.parameter, states[start:stop])


@inner
def entmax_output(layout, state, p, i, t):
    """Output of unit i of group p."""
    population = layout.populations[p]
    peak, tau = heights(layout, state, p, t)
    u = population.parameter * (state.scratch[i] - peak) - tau
    value, _ = share(population.kind, population.alpha, u)
    return value


@inner
def _pull(state, i):
    """Target less state of unit i; 0 where it is clamped."""
    return state.target[i] - state.scratch[i] if np.isnan(state.units[i].fixed) else 0.0


@inner
def _drift(layout, state, p, peak, tau):
    """d tau/dt, the smallest and the largest beta h', and the largest |h|."""
    population, states = layout.populations[p], state.scratch
    beta, total, drift = population.parameter, 0.0, 0.0
    least = most = size = 0.0
    for i in range(population.start, population.stop):
        velocity = beta * layout.units[i].rate * _pull(state, i)
        _, slope = share(population.kind, population.alpha, beta * (states[i] - peak) - tau)
        total += slope
        drift += slope * velocity
        least, most = min(least, velocity), max(most, velocity)
        size = max(size, abs(states[i]))
    return drift / total, least, most, size


@inner
def next_height(layout, state, p, t):
    """Look at a group: (unit, direction) if a unit sends now, else (-1, 0.0) and the next look."""
    population, now, states = layout.populations[p], state.populations[p], state.scratch
    beta, rate = population.parameter, population.rate
    start, stop = population.start, population.stop
    peak, tau = heights(layout, state, p, t)
    drift, least, most, size = _drift(layout, state, p, peak, tau)
    close = (_CLOSE if rate > 0.0 else _CLOSE_BY_STEPS) + 4e-16 * beta * size
    budget, later = np.inf, 0.0
    for i in range(start, stop):
        u = beta * (states[i] - peak) - tau
        velocity = beta * layout.units[i].rate * _pull(state, i) - drift
        rise, fall = state.high[i] - u, u - state.low[i]
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
        wait = max(wait, -math.log(_nearest(layout, state, p, peak, tau, drift, later)) / rate)
    now.budget, now.speed, now.since = budget, speed, t
    # A step that time cannot resolve must not stop the clock.
    now.due = t + max(wait, 4e-16 * t)
    return -1, 0.0


@inner
def _nearest(layout, state, p, peak, tau, drift, later):
    """The largest e at which a unit may reach its level; 0 if none ever does.

    Parameters
    ----------
    layout : Layout
    state : State
    p : int
        The population.
    peak, tau : float
        Largest state, and threshold, now.
    drift : float
        d tau/dt.
    later : float
        The e up to which chords go.
    """
    population, states, then = layout.populations[p], state.scratch, state.crossing
    beta, rate, nearest = population.parameter, population.rate, 0.0
    start, stop = population.start, population.stop
    for i in range(start, stop):
        then[i] = states[i] + _pull(state, i) * (1.0 - later)
    top, tau_then = threshold(population.kind, population.alpha, beta, then[start:stop])
    for i in range(start, stop):
        u = beta * (states[i] - peak) - tau
        u_then = beta * (then[i] - top) - tau_then
        velocity = beta * rate * _pull(state, i) - drift
        if velocity > 0.0:
            nearest = max(nearest, 1.0 - rate * (state.high[i] - u) / velocity)
        if u_then < state.low[i]:
            fall = max(u - state.low[i], 0.0)
            nearest = max(nearest, 1.0 - (1.0 - later) * fall / (u - u_then))
    return min(max(nearest, later), 1.0)
