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
def next_tick(layout, state, i, k):
    """Schedule tick number k of unit i, at which it looks at its output."""
    rules, unit, now = layout.rules[0], layout.units[i], state.run[0].now
    u = unit_interval(mixed(mixed(rules.seed_tick, np.uint64(i)), np.uint64(k)))
    if rules.poisson > 0.0:
        t = now - math.log(u) / rules.poisson
    else:
        t = unit.phase + k * unit.period + rules.tick_jitter * (u - 0.5)
    push(state, max(t, now), TICK, k, i, False)
