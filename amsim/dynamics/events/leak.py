"""Units between events: exact exponentials, and the next moment at which one may send. Compiled.

A unit follows x(t) = target - gap / e(t) with e(t) = exp(rate (t - base)), so that a message adds
w to its target and w e(t) to its gap, and the unit reaches a state x at e = gap / (target - x).
Times are compared by e, without a logarithm or a decay per unit.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ...compiled.jit import compiled, elementwise, inlined
from ...neurons import GROUPS, NORMALISER
from .state import FIXED, GAP, HIGH, KEY, LOW, NOW, OPERATIONS, OWNER, RATE, SHARE, TARGET

_INFINITY = 0x7FF0000000000000  # its bits
_BLOCK = 128
_REBASE = 16.0  # largest exponent: a gap then has not grown beyond e^16


@compiled
def state(engine, i, t):
    """x of unit i at time t."""
    units = engine.units
    if not np.isnan(units[FIXED, i]):
        return units[FIXED, i]
    elapsed = t - engine.populations[engine.ranks[OWNER, i]].base
    return units[TARGET, i] - units[GAP, i] * math.exp(-elapsed * units[RATE, i])


@elementwise
def _smallest(key, scratch):
    """Minimum of numbers >= 0, which are ordered as the integers with the same bits are.

    The compiler makes vectors of an integer minimum, not of a floating one.
    """
    bits, first = key.view(np.int64), np.int64(_INFINITY)
    for k in range(len(bits)):
        first = min(first, bits[k])
    scratch.view(np.int64)[0] = first
    return scratch[0]


@inlined
def _reaches(gap, distance):
    """Whether a target lies beyond the level; one that is the level itself does not."""
    return ((gap > 0.0) & (distance > 0.0)) | ((gap < 0.0) & (distance < 0.0))


@elementwise
def _keys(target, gap, low, high, key, shift):
    """Keys of units that share their rate."""
    for k in range(len(target)):
        rising = gap[k] > 0.0
        distance = target[k] - ((high[k] if rising else low[k]) + shift)
        e = gap[k] / distance
        key[k] = e if _reaches(gap[k], distance) else np.inf


@elementwise
def _add_row(row, delta, e, target, gap, low, high, key, shift):
    """Deliver a message to units that share their rate, and compute their keys."""
    for k in range(len(target)):
        w = row[k] * delta
        goal, span = target[k] + w, gap[k] + w * e
        target[k], gap[k] = goal, span
        rising = span > 0.0
        distance = goal - ((high[k] if rising else low[k]) + shift)
        reached = span / distance
        key[k] = reached if _reaches(span, distance) else np.inf


@elementwise
def _add_row_only(row, delta, e, target, gap):
    """Deliver a message to units whose keys are not needed."""
    for k in range(len(target)):
        w = row[k] * delta
        target[k] += w
        gap[k] += w * e


@compiled
def _own_key(units, population, i):
    """The key of one unit."""
    rising = units[GAP, i] > 0.0
    level = units[HIGH, i] if rising else units[LOW, i]
    distance = units[TARGET, i] - (level + population.shift)
    if not _reaches(units[GAP, i], distance):
        return np.inf
    e = units[GAP, i] / distance
    return e if population.rate > 0.0 else population.base + math.log(e) / units[RATE, i]


@compiled
def _set_first(units, population):
    """Note the smallest key of a population, and when that is."""
    start, stop = population.start, population.stop
    first = _smallest(units[KEY][start:stop], units[SHARE][start:stop])
    _note_first(population, first)


@compiled
def _note_first(population, first):
    population.first = first
    if population.rate > 0.0 and first < np.inf:
        first = population.base + math.log(first) / population.rate
    population.due = first


@compiled
def keyless(population, clocked):
    """Whether messages of a population do not come from crossings of single units."""
    return population.kind in GROUPS or (clocked and population.kind != NORMALISER)


@compiled
def refresh(units, population):
    """Compute the keys of a whole population."""
    start, stop = population.start, population.stop
    if population.rate > 0.0:
        _keys(
            units[TARGET][start:stop],
            units[GAP][start:stop],
            units[LOW][start:stop],
            units[HIGH][start:stop],
            units[KEY][start:stop],
            population.shift,
        )
    else:
        for i in range(start, stop):
            units[KEY, i] = _own_key(units, population, i)
    _set_first(units, population)


@compiled
def renew(units, population, i):
    """Compute the key of unit i after its levels or its target have changed."""
    before, units[KEY, i] = units[KEY, i], _own_key(units, population, i)
    if units[KEY, i] <= population.first:
        _note_first(population, units[KEY, i])
    elif before <= population.first:
        _set_first(units, population)


@compiled
def first_unit(units, population):
    """The unit that crosses next; of several the one with the lowest index."""
    keys, scratch = units[KEY], units[SHARE][population.start : population.stop]
    for start in range(population.start, population.stop, _BLOCK):
        stop = min(start + _BLOCK, population.stop)
        if _smallest(keys[start:stop], scratch) == population.first:
            for i in range(start, stop):
                if keys[i] == population.first:
                    return i
    return population.start


@compiled
def _rebase(units, population, t):
    """Count the exponentials of a population from t on if they have grown large."""
    elapsed = t - population.base
    if elapsed * population.fastest <= _REBASE:
        return False
    for i in range(population.start, population.stop):
        units[GAP, i] *= math.exp(-elapsed * units[RATE, i])
    population.base = t
    return True


@compiled
def _hurry(population, t, change):
    """A group may now move faster, by `change` of each target at most."""
    population.budget -= population.speed * (t - population.since)
    population.since = t
    population.speed += 2.0 * population.parameter * population.fastest * change
    left = max(population.budget, 0.0)
    population.due = t + left / population.speed if left < np.inf else np.inf


@compiled
def receive_row(engine, q, j, delta):
    """All units of projection q read a value from sender j that is larger by delta."""
    units, projection, t = engine.units, engine.projections[q], engine.clock[NOW]
    population, clocked = engine.populations[projection.target], engine.rules[0].clocked
    start, stop = population.start, population.stop
    begin = projection.weights + j * (stop - start)
    row, delta = engine.weights[begin : begin + stop - start], delta / population.leak
    target, gap = units[TARGET][start:stop], units[GAP][start:stop]
    engine.counts[OPERATIONS] += stop - start
    _rebase(units, population, t)
    elapsed = t - population.base
    e = math.exp(elapsed * population.rate)
    if not population.rate > 0.0:
        for k in range(stop - start):
            w = row[k] * delta
            target[k] += w
            gap[k] += w * math.exp(elapsed * units[RATE, start + k])
        if not keyless(population, clocked):
            refresh(units, population)
    elif keyless(population, clocked):
        _add_row_only(row, delta, e, target, gap)
    else:
        _add_row(
            row,
            delta,
            e,
            target,
            gap,
            units[LOW][start:stop],
            units[HIGH][start:stop],
            units[KEY][start:stop],
            population.shift,
        )
        _set_first(units, population)
    if population.kind in GROUPS and not clocked:
        _hurry(population, t, abs(delta) * projection.largest)


@compiled
def receive(engine, i, change):
    """The target of unit i moves by `change`."""
    units, t = engine.units, engine.clock[NOW]
    population, clocked = engine.populations[engine.ranks[OWNER, i]], engine.rules[0].clocked
    rebased = _rebase(units, population, t)
    units[TARGET, i] += change
    units[GAP, i] += change * math.exp((t - population.base) * units[RATE, i])
    if keyless(population, clocked):
        if population.kind in GROUPS and not clocked:
            _hurry(population, t, abs(change))
    elif rebased:
        refresh(units, population)
    else:
        renew(units, population, i)
