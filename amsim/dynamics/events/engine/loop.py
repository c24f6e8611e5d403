"""The general engine: one event after the other, in the order of their times. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import numpy as np

from ....compiled.jit import compiled, inner
from ....neurons import GROUPS, SHARE, SIGN
from .clocks import begin, next_tick
from .groups import log_sum_exp, next_of_group
from .leak import (
    find_crossing,
    find_crossings,
    first_unit,
    receive,
    receive_broadcast,
    sends_at_levels,
    state_at,
)
from .queue import pop, push
from .rest import at_rest
from .sending import output, send
from .state import ALL, BEAT, BUSY, FULL, MANY, QUIET, STOPPED, TICK


@inner
def update_register(layout, state, q, index, receiver, lost):
    """Message `index` reaches its register: by how much the value changes."""
    projection, messages, run = layout.projections[q], state.messages, state.run[0]
    j = messages[index].unit - layout.populations[projection.source].start
    place = projection.register + j * projection.register_sender
    place += max(receiver, 0) * projection.register_receiver
    register = state.registers[place]
    if index < register.last_received:
        run.late += 1
        if not layout.rules[0].latest:
            return 0.0
    elif not lost:
        # The register has missed the news since the first message after the one that it holds.
        missed = index
        while messages[missed].previous > register.last_received:
            missed = messages[missed].previous
        run.staleness = max(run.staleness, run.now - messages[missed].time)
    value = 0.0 if lost else messages[index].value
    delta = value - register.value
    register.last_received, register.value = index, value
    return delta


@inner
def moved(layout, state, i, t):
    """Output of unit i, and whether it is a quantum above or below its last message: 1, -1 or 0."""
    value = output(layout, state, i, t)
    if value >= state.units[i].up:
        return value, 1.0
    return value, (-1.0 if value <= state.units[i].down else 0.0)


@inner
def next_population(layout, state):
    """The population that may send next, and when."""
    p, due = 0, np.inf
    for other in range(len(layout.populations)):
        scanned = state.populations[other].scan == layout.populations[other].stop
        turn = state.populations[other].due if scanned else state.run[0].now
        if turn < due:
            p, due = other, turn
    return p, due


@inner
def next_sender(layout, state, p, t):
    """The unit of population p that sends now, or -1; its output, and where that moves."""
    population, now, units = layout.populations[p], state.populations[p], state.units
    sender, value, direction = -1, 0.0, 0.0
    if now.scan < population.stop:
        # After a shift outputs may have jumped beyond their levels.
        while sender < 0 and now.scan < population.stop:
            value, direction = moved(layout, state, now.scan, t)
            if direction != 0.0:
                sender = now.scan
            now.scan += 1
        if now.scan == population.stop:
            find_crossings(layout, state, p)
        return sender, value, direction
    if population.kind in GROUPS:
        sender, direction = next_of_group(layout, state, p, t)
        if sender >= 0:
            now.due = t
    else:
        sender = first_unit(layout, state, p)
        direction = 1.0 if state.gap[sender] > 0.0 else -1.0
    return sender, (units[sender].up if direction > 0.0 else units[sender].down), direction


@compiled
def run_events(layout, state, stop, effort):
    """Events up to time `stop`, until the cue is quiet, or for about `effort` operations."""
    units, run, rules = state.units, state.run[0], layout.rules[0]
    populations, projections = layout.populations, layout.projections
    before = run.operations + run.steps
    if not run.begun:
        begin(layout, state)
    while True:
        run.steps += 20
        if run.operations + run.steps - before > effort:
            return BUSY
        if run.messages >= rules.limit:
            return MANY
        if run.messages >= len(state.messages) or run.packets + rules.fan + 2 > len(state.queue):
            return FULL
        p, due = next_population(layout, state)
        arrival = state.queue[0].time if run.packets > 0 else np.inf
        # Of equal times, arrivals come before messages, and both before the end.
        t = max(min(due, arrival, run.check), run.now)
        if t > stop:
            run.now = stop
            return STOPPED
        run.now = t
        sender, value, direction = -1, 0.0, 0.0
        receiver, change = -1, 0.0
        if arrival <= t:
            packet = state.queue[0]
            what, index, unit, lost = packet.what, packet.index, packet.unit, packet.lost
            pop(state)
            if what < 0:
                value, direction = moved(layout, state, unit, t)
                silent = t - units[unit].sent_at
                if direction != 0.0 or silent >= rules.heartbeat * (1.0 - 1e-12):
                    sender = unit
                if what == TICK:
                    next_tick(layout, state, unit, index + 1)
                else:
                    last = t if sender >= 0 else units[unit].sent_at
                    push(state, last + rules.heartbeat, BEAT, 0, unit, False)
            elif projections[what].weights < 0:
                target = projections[what].target
                state.populations[target].shift = state.messages[index].value
                if not rules.clocked:
                    state.populations[target].scan = populations[target].start
            else:
                delta = update_register(layout, state, what, index, unit, lost)
                projection = projections[what]
                j = state.messages[index].unit - populations[projection.source].start
                population = populations[projection.target]
                if unit == ALL:
                    if delta != 0.0:
                        size = population.stop - population.start
                        run.operations += size
                        receive_broadcast(layout, state, what, j, delta, 0, size)
                else:
                    place = projection.weights + j * (population.stop - population.start) + unit
                    receiver, change = population.start + unit, layout.weights[place] * delta
                    change /= population.leak
                    run.operations += 1
        elif due <= t:
            sender, value, direction = next_sender(layout, state, p, t)
        elif at_rest(layout, state, t):
            return QUIET
        if sender >= 0:
            p = layout.units[sender].population
            population = populations[p]
            if population.kind == SIGN and direction != 0.0:
                value = direction
            send(layout, state, sender, value, direction)
            if population.kind == SHARE:
                units[sender].last_sent = state_at(layout, state, sender, t)
                receiver = population.normaliser
                change = log_sum_exp(layout, state, p) - state.target[receiver]
            if sends_at_levels(layout, p) and state.populations[p].scan == population.stop:
                find_crossing(layout, state, p, sender)
        if receiver >= 0:
            receive(layout, state, receiver, change)
