"""What a unit says, when it looks at its output, and the packets that it sends. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ...compiled.jit import compiled
from ...compiled.neurons import activation, height, inverse
from ...compiled.streams import mixed, unit_interval
from ...neurons import ENTMAX, GROUPS, SIGN
from .groups import output_of_group
from .leak import state
from .queue import push
from .state import (
    ALL,
    CHECK,
    DOWN,
    DROPS,
    FIXED,
    HIGH,
    LATEST,
    LOW,
    MESSAGES,
    NOW,
    NUMBER,
    OWNER,
    PERIOD,
    PHASE,
    SENT,
    SENT_LAST,
    TICK,
    UP,
)


@compiled
def output(engine, i, t):
    """g of unit i at time t."""
    population = engine.populations[engine.ranks[OWNER, i]]
    if population.kind in GROUPS:
        return output_of_group(engine, population, i, t)
    x = state(engine, i, t) - population.shift
    return activation(population.kind, population.parameter, x)


@compiled
def announce(engine, i, value, direction):
    """Set the levels of the next message; returns what this one says."""
    units, population = engine.units, engine.populations[engine.ranks[OWNER, i]]
    kind, parameter, quantum = population.kind, population.parameter, population.quantum
    said, further, back = value, quantum, quantum
    if engine.rules[0].ahead and kind != SIGN:
        said = value + 0.5 * quantum * direction
        further = quantum if direction != 0.0 else 0.5 * quantum
        back = 0.5 * quantum
        said = min(max(said, population.least), population.most)
    rising = direction >= 0.0
    units[UP, i] = value + (further if rising else back)
    units[DOWN, i] = value - (back if rising else further)
    if kind == ENTMAX:
        units[LOW, i] = height(kind, population.alpha, units[DOWN, i])
        units[HIGH, i] = height(kind, population.alpha, units[UP, i])
    elif np.isnan(units[FIXED, i]) and kind not in GROUPS:
        units[LOW, i] = inverse(kind, parameter, units[DOWN, i])
        units[HIGH, i] = inverse(kind, parameter, units[UP, i])
    return said


@compiled
def _quantile(jitter, u):
    """Jitter from a number in (0, 1)."""
    if len(jitter) == 1:
        return jitter[0] * u
    place = max(u * len(jitter) - 0.5, 0.0)
    k = min(int(place), len(jitter) - 2)
    return jitter[k] + min(place - k, 1.0) * (jitter[k + 1] - jitter[k])


@compiled
def _dispatch(engine, index, i, q, receiver, own_jitter, own_drop):
    """Put one packet on its way, or lose it; random numbers depend on unit, message and link."""
    rules, projection, t = engine.rules[0], engine.projections[q], engine.clock[NOW]
    j = i - engine.populations[projection.source].start
    place = projection.delay + j * projection.delay_sender
    arrival = t + engine.delays[place + max(receiver, 0) * projection.delay_receiver]
    lost = False
    if projection.weights >= 0:
        link = (np.uint64(q) << np.uint64(32)) + np.uint64(receiver + 1)
        if len(engine.jitter) > 0:
            arrival += _quantile(engine.jitter, unit_interval(mixed(own_jitter, link)))
        lost = unit_interval(mixed(own_drop, link)) < rules.drop
    if lost:
        engine.counts[DROPS] += 1
    if not lost or rules.zero:
        push(engine, arrival, q, index, receiver, lost)


@compiled
def emit(engine, i, value, direction):
    """Unit i sends its output `value` now; `direction` is where that is moving."""
    units, ranks, rules, t = engine.units, engine.ranks, engine.rules[0], engine.clock[NOW]
    population, index = engine.populations[ranks[OWNER, i]], engine.counts[MESSAGES]
    message = engine.messages[index]
    message.time, message.value = t, announce(engine, i, value, direction)
    message.unit, message.previous = i, ranks[LATEST, i]
    engine.counts[MESSAGES] += 1
    ranks[LATEST, i] = index
    ranks[NUMBER, i] += 1
    units[SENT, i] = engine.clock[SENT_LAST] = t
    if direction != 0.0 and rules.settles:
        engine.clock[CHECK] = t + rules.transit
    own, number = np.uint64(i), np.uint64(ranks[NUMBER, i])
    own_jitter = mixed(mixed(rules.seed_jitter, own), number)
    own_drop = mixed(mixed(rules.seed_drop, own), number)
    for k in range(population.outgoing, population.beyond):
        q = engine.outgoing[k]
        first, last = ALL, 0
        if rules.link and engine.projections[q].weights >= 0:
            target = engine.populations[engine.projections[q].target]
            first, last = 0, target.stop - target.start
        for receiver in range(first, last):
            _dispatch(engine, index, i, q, receiver, own_jitter, own_drop)


@compiled
def next_tick(engine, i, k):
    """Schedule look number k of unit i."""
    rules, units, now = engine.rules[0], engine.units, engine.clock[NOW]
    u = unit_interval(mixed(mixed(rules.seed_tick, np.uint64(i)), np.uint64(k)))
    if rules.poisson > 0.0:
        t = now - math.log(u) / rules.poisson
    else:
        t = units[PHASE, i] + k * units[PERIOD, i] + rules.tick_jitter * (u - 0.5)
    push(engine, max(t, now), TICK, k, i, False)
