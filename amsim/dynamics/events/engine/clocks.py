"""What begins without a message: first levels, ticks of clocks and heartbeats. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import inner
from ....compiled.streams import mixed, unit_interval
from ....neurons import GROUPS, NORMALISER
from .leak import find_crossings, sends_at_levels
from .queue import push
from .sending import output, set_levels
from .state import BEAT, TICK


@inner
def set_first_levels(layout, state):
    """Levels of all units, and first looks at groups, at t = 0."""
    for i in range(len(state.units)):
        set_levels(layout, state, i, output(layout, state, i, 0.0), 0.0)
    for p in range(len(layout.populations)):
        if layout.populations[p].kind in GROUPS and not layout.rules[0].clocked:
            state.populations[p].due = 0.0
    state.run[0].begun = True


@inner
def begin(layout, state):
    """Levels, crossings and first ticks at t = 0."""
    rules = layout.rules[0]
    set_first_levels(layout, state)
    for p in range(len(layout.populations)):
        population = layout.populations[p]
        for i in range(population.start, population.stop):
            if np.isnan(state.units[i].fixed) and population.kind != NORMALISER:
                if rules.clocked:
                    next_tick(layout, state, i, 0)
                elif rules.heartbeat < np.inf:
                    push(state, rules.heartbeat, BEAT, 0, i, False)
        if sends_at_levels(layout, p):
            find_crossings(layout, state, p)


@inner
def tick_time(rules, unit, u, k):
    """When a periodic clock ticks for the k-th time; u in (0, 1) shifts that tick."""
    turn = k // rules.resync
    start = unit.phase + turn * rules.resync_time
    return start + (k - turn * rules.resync) * unit.period + rules.tick_jitter * (u - 0.5)


@inner
def tick_number(rules, unit, k):
    """The random number, in (0, 1), of tick k of a clock."""
    return unit_interval(mixed(mixed(rules.seed_tick, np.uint64(unit.clock)), np.uint64(k)))


@inner
def next_tick_after(layout, i, t):
    """The first tick of unit i's clock after time t."""
    rules, unit = layout.rules[0], layout.units[i]
    ticks = min(rules.resync, np.int64(1) << np.int64(52))
    span = rules.resync_time if rules.resync_time > 0.0 else ticks * unit.period
    turn = max(math.floor((t - unit.phase) / span), 0.0)
    k = np.int64(turn) * ticks
    k += np.int64(max((t - unit.phase - turn * span) / unit.period - 1.0, 0.0))
    tick = tick_time(rules, unit, tick_number(rules, unit, k), k)
    while tick <= t:
        k += 1
        tick = tick_time(rules, unit, tick_number(rules, unit, k), k)
    return tick


@inner
def next_tick(layout, state, i, k):
    """Schedule tick number k of unit i, at which it looks at its output."""
    rules, unit, now = layout.rules[0], layout.units[i], state.run[0].now
    u = tick_number(rules, unit, k)
    poisson = rules.poisson > 0.0
    t = now - math.log(u) / rules.poisson if poisson else tick_time(rules, unit, u, k)
    push(state, max(t, now), TICK, k, i, False)
