"""Groups of softmax units that share their sum: when the next of them sends. Compiled.

Outputs of a group have no inverse, since all states move at once. What is bounded is how fast the
log-odds of an output change,

    d/dt log(p_i / (1 - p_i)) = beta (h_i' - <h'>_others),    at most  w = beta (max h' - min h'),

and their second derivative, |..| <= rate w + w^2 / 4, because the leak shrinks every h' and the
variance of h' is at most a quarter of its squared range (Popoviciu). From distance and velocity
follows a time before which no output reaches its next level; there the group is looked at again.
Near a level these looks converge as Newton's method does.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import inner
from .leak import state_at

_CLOSE = 1e-12  # distance in log-odds that counts as reached
_FAR = 0.1  # units this much farther from their levels than the nearest one are bounded by w alone


@inner
def _velocity(layout, state, i, x):
    """dx/dt of unit i in state x."""
    return (state.target[i] - x) * layout.units[i].rate if np.isnan(state.units[i].fixed) else 0.0


@inner
def shares(layout, state, p, t):
    """Write exp(beta (h - max h)) of group p to `scratch`.

    Returns the unit with the largest, the sum of the others, the sum weighted with h', the smallest
    and the largest h', and the largest |h|.
    """
    population, share = layout.populations[p], state.scratch
    beta, best = population.parameter, population.start
    size = rest = drift = least = most = 0.0
    for i in range(population.start, population.stop):
        share[i] = state_at(layout, state, i, t)
        size = max(size, abs(share[i]))
        if share[i] > share[best]:
            best = i
    peak = share[best]
    for i in range(population.start, population.stop):
        velocity = _velocity(layout, state, i, share[i])
        share[i] = math.exp(beta * (share[i] - peak))
        least, most = min(least, velocity), max(most, velocity)
        drift += share[i] * velocity
        if i != best:
            rest += share[i]
    return best, rest, drift, least, most, size


@inner
def softmax_output(layout, state, p, i, t):
    """Output of unit i of group p."""
    _, rest, _, _, _, _ = shares(layout, state, p, t)
    return state.scratch[i] / (1.0 + rest)


@inner
def _ratio(state, i, others, direction):
    """Odds of unit i over those of its next level, or the inverse if that lies below."""
    level = state.units[i].up if direction > 0.0 else state.units[i].down
    if not 0.0 < level < 1.0:
        return 0.0
    odds = state.scratch[i] * (1.0 - level) / (others * level)
    return odds if direction > 0.0 else 1.0 / odds


@inner
def next_share(layout, state, p, t):
    """Look at a group: (unit, direction) if a unit sends now, else (-1, 0.0) and the next look."""
    population, now, share = layout.populations[p], state.populations[p], state.scratch
    best, rest, drift, least, most, size = shares(layout, state, p, t)
    speed = population.parameter * (most - least)
    bend = speed * population.fastest + 0.25 * speed * speed
    close = _CLOSE + 4e-16 * population.parameter * size
    # Odds as ratios to those of the next level: 1 is there. One logarithm serves the whole group.
    nearest = 0.0
    for i in range(population.start, population.stop):
        others = rest if i == best else 1.0 + rest - share[i]
        nearest = max(nearest, _ratio(state, i, others, 1.0), _ratio(state, i, others, -1.0))
    budget = -math.log(nearest)
    wait = (budget - math.log(_FAR)) / speed
    for i in range(population.start, population.stop):
        others = rest if i == best else 1.0 + rest - share[i]
        for direction in (1.0, -1.0):
            ratio = _ratio(state, i, others, direction)
            if ratio > 0.0 and ratio >= _FAR * nearest:
                own = _velocity(layout, state, i, state_at(layout, state, i, t))
                velocity = population.parameter * (own - (drift - share[i] * own) / others)
                towards = direction * min(max(velocity, -speed), speed)
                gap = -math.log(ratio)
                if gap <= close and towards >= 0.0:
                    return i, direction
                gap = max(gap, close)
                wait = min(wait, 2.0 * gap / (towards + math.sqrt(towards**2 + 2.0 * bend * gap)))
    now.budget, now.speed, now.since = budget, speed, t
    # A step that time cannot resolve must not stop the clock.
    now.due = t + max(wait, 4e-16 * t)
    return -1, 0.0
