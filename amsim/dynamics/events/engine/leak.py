"""Units between events: exact exponentials, and when the next of them reaches a level. Compiled.

A unit follows x(t) = target - gap / e(t) with e(t) = exp(rate (t - base)), so that a message adds
w to its target and w e(t) to its gap, and the unit reaches a state x at e = gap / (target - x).
These crossings are compared by e, without a logarithm or a decay per unit.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import inner
from ....neurons import GROUPS, NORMALISER
from .rows import add_row, add_row_only, all_crossings, reaches, smallest

_BLOCK = 128
_REBASE = 16.0  # largest exponent: a gap then has not grown beyond e^16


@inner
def state_at(layout, state, i, t):
    """x of unit i at time t."""
    fixed = state.units[i].fixed
    if not np.isnan(fixed):
        return fixed
    elapsed = t - state.populations[layout.units[i].population].base
    return state.target[i] - state.gap[i] * math.exp(-elapsed * layout.units[i].rate)


@inner
def own_crossing(layout, state, p, i):
    """The crossing of unit i of population p."""
    now, gap = state.populations[p], state.gap[i]
    rising = gap > 0.0
    level = state.high[i] if rising else state.low[i]
    distance = state.target[i] - (level + now.shift)
    if not reaches(gap, distance):
        return np.inf
    e = gap / distance
    return e if layout.populations[p].rate > 0.0 else now.base + math.log(e) / layout.units[i].rate


@inner
def _find_first(layout, state, p):
    """Find the smallest crossing of a population, and when that is."""
    start, stop = layout.populations[p].start, layout.populations[p].stop
    _set_first(layout, state, p, smallest(state.crossing[start:stop]))


@inner
def _set_first(layout, state, p, first):
    rate, now = layout.populations[p].rate, state.populations[p]
    now.first = first
    if rate > 0.0 and first < np.inf:
        first = now.base + math.log(first) / rate
    now.due = first


@inner
def sends_at_levels(layout, p):
    """Whether messages of a population come from crossings of single units."""
    kind = layout.populations[p].kind
    return kind not in GROUPS and (kind == NORMALISER or not layout.rules[0].clocked)


@inner
def find_crossings(layout, state, p):
    """Find the crossings of a whole population."""
    population = layout.populations[p]
    start, stop = population.start, population.stop
    if population.rate > 0.0:
        all_crossings(
            state.target[start:stop],
            state.gap[start:stop],
            state.low[start:stop],
            state.high[start:stop],
            state.crossing[start:stop],
            state.populations[p].shift,
        )
    else:
        for i in range(start, stop):
            state.crossing[i] = own_crossing(layout, state, p, i)
    _find_first(layout, state, p)


@inner
def find_crossing(layout, state, p, i):
    """Find the crossing of unit i after its levels or its target have changed."""
    before, first = state.crossing[i], state.populations[p].first
    after = own_crossing(layout, state, p, i)
    state.crossing[i] = after
    if after <= first:
        _set_first(layout, state, p, after)
    elif before <= first:
        _find_first(layout, state, p)


@inner
def first_unit(layout, state, p):
    """The unit that crosses next; of several the one with the lowest index."""
    population, first = layout.populations[p], state.populations[p].first
    for start in range(population.start, population.stop, _BLOCK):
        stop = min(start + _BLOCK, population.stop)
        if smallest(state.crossing[start:stop]) == first:
            for i in range(start, stop):
                if state.crossing[i] == first:
                    return i
    return population.start


@inner
def rebase(layout, state, p, t):
    """Count the exponentials of a population from t on if they have grown large."""
    population, now = layout.populations[p], state.populations[p]
    elapsed = t - now.base
    if elapsed * population.fastest <= _REBASE:
        return False
    for i in range(population.start, population.stop):
        state.gap[i] *= math.exp(-elapsed * layout.units[i].rate)
    now.base = t
    return True


@inner
def shorten_wait(layout, state, p, t, change):
    """A group may now move faster, by `change` of each target at most: look at it earlier."""
    population, now = layout.populations[p], state.populations[p]
    now.budget -= now.speed * (t - now.since)
    now.since = t
    now.speed += 2.0 * population.parameter * population.fastest * change
    left = max(now.budget, 0.0)
    now.due = t + left / now.speed if left < np.inf else np.inf


@inner
def receive_broadcast(layout, state, q, j, delta, first, last):
    """Units first to last - 1 of projection q read a value from sender j, larger by delta.

    Parameters
    ----------
    layout, state, q, j, delta, first, last : Layout, State, int, int, float, int, int
    """
    projection, t = layout.projections[q], state.run[0].now
    p = projection.target
    population, levels = layout.populations[p], sends_at_levels(layout, p)
    start, stop = population.start + first, population.start + last
    begin = projection.weights + j * (population.stop - population.start) + first
    row, delta = layout.weights[begin : begin + stop - start], delta / population.leak
    target, gap = state.target[start:stop], state.gap[start:stop]
    all_hear = stop - start == population.stop - population.start
    rebased = rebase(layout, state, p, t)
    elapsed = t - state.populations[p].base
    e = math.exp(elapsed * population.rate)
    if not population.rate > 0.0:
        for k in range(stop - start):
            w = row[k] * delta
            target[k] += w
            gap[k] += w * math.exp(elapsed * layout.units[start + k].rate)
        if levels:
            find_crossings(layout, state, p)
    elif not levels:
        add_row_only(row, delta, e, target, gap)
    else:
        low, high = state.low[start:stop], state.high[start:stop]
        crossing, shift = state.crossing[start:stop], state.populations[p].shift
        earliest = add_row(row, delta, e, target, gap, low, high, crossing, shift)
        if all_hear:
            _set_first(layout, state, p, earliest)
        elif rebased:  # the exponentials of the others have another base now
            find_crossings(layout, state, p)
        else:
            _find_first(layout, state, p)
    if population.kind in GROUPS and not layout.rules[0].clocked:
        shorten_wait(layout, state, p, t, abs(delta) * projection.largest)


@inner
def look_again(layout, state):
    """Find when units send, after their rates have changed; states are counted from now on."""
    for p in range(len(layout.populations)):
        if sends_at_levels(layout, p):
            find_crossings(layout, state, p)
        elif layout.populations[p].kind in GROUPS and not layout.rules[0].clocked:
            state.populations[p].due = state.run[0].now


@inner
def receive(layout, state, i, change):
    """The target of unit i moves by `change`."""
    p, t = layout.units[i].population, state.run[0].now
    rebased = rebase(layout, state, p, t)
    state.target[i] += change
    state.gap[i] += change * math.exp((t - state.populations[p].base) * layout.units[i].rate)
    if not sends_at_levels(layout, p):
        if layout.populations[p].kind in GROUPS and not layout.rules[0].clocked:
            shorten_wait(layout, state, p, t, abs(change))
    elif rebased:
        find_crossings(layout, state, p)
    else:
        find_crossing(layout, state, p, i)
