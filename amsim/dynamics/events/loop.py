"""The engine: one event after the other, in the order of their times. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ...compiled.jit import compiled
from ...neurons import GROUPS, NORMALISER, SHARE, SIGN
from .groups import next_of_group
from .leak import first_unit, keyless, receive, receive_row, refresh, renew, state
from .queue import pop, push
from .sending import announce, emit, next_tick, output
from .state import (
    ALL,
    BEAT,
    BUSY,
    CHECK,
    DOWN,
    FIXED,
    FULL,
    GAP,
    LATE,
    MANY,
    MESSAGES,
    NOW,
    OPERATIONS,
    OWNER,
    PACKETS,
    QUIET,
    SAID,
    SENT,
    STALENESS,
    STOPPED,
    TARGET,
    TICK,
    UP,
)  # fmt: skip


@compiled
def _log_sum_exp(engine, population):
    """LSE of the states that the units of a population had when they last sent."""
    said, beta = engine.units[SAID], population.parameter
    peak, total = said[population.start], 0.0
    for i in range(population.start, population.stop):
        peak = max(peak, said[i])
    for i in range(population.start, population.stop):
        total += math.exp(beta * (said[i] - peak))
    return peak + math.log(total) / beta


@compiled
def _read(engine, q, index, receiver, lost):
    """A message reaches its register: by how much its value changes."""
    projection, messages, rules = engine.projections[q], engine.messages, engine.rules[0]
    j = messages[index].unit - engine.populations[projection.source].start
    place = projection.register + j * projection.register_sender
    place += max(receiver, 0) * projection.register_receiver
    heard = engine.heard[place]
    if index < heard:
        engine.counts[LATE] += 1
        if not rules.latest:
            return 0.0
    elif not lost:
        # The register has missed the news since the first message after the one that it holds.
        missed = index
        while messages[missed].previous > heard:
            missed = messages[missed].previous
        staleness = engine.clock[NOW] - messages[missed].time
        engine.clock[STALENESS] = max(engine.clock[STALENESS], staleness)
    value = 0.0 if lost else messages[index].value
    delta = value - engine.register[place]
    engine.heard[place], engine.register[place] = index, value
    return delta


@compiled
def _moved(engine, i, t):
    """Output of unit i, and whether it is a quantum above or below its last message: 1, -1 or 0."""
    value = output(engine, i, t)
    if value >= engine.units[UP, i]:
        return value, 1.0
    return value, (-1.0 if value <= engine.units[DOWN, i] else 0.0)


@compiled
def begin(engine):
    """Levels, keys and first looks at t = 0."""
    units, rules = engine.units, engine.rules[0]
    for p in range(len(engine.populations)):
        population = engine.populations[p]
        for i in range(population.start, population.stop):
            announce(engine, i, output(engine, i, 0.0), 0.0)
            if np.isnan(units[FIXED, i]) and population.kind != NORMALISER:
                if rules.clocked:
                    next_tick(engine, i, 0)
                elif rules.heartbeat < np.inf:
                    push(engine, rules.heartbeat, BEAT, 0, i, False)
        if not keyless(population, rules.clocked):
            refresh(units, population)
        elif not rules.clocked:
            population.due = 0.0


@compiled
def run(engine, stop, effort):
    """Events up to time `stop`, until the cue is quiet, or for about `effort` operations."""
    units, clock, count, rules = engine.units, engine.clock, engine.counts, engine.rules[0]
    populations, projections = engine.populations, engine.projections
    begun, steps = count[OPERATIONS], 0
    while True:
        steps += 20
        if count[OPERATIONS] - begun + steps > effort:
            return BUSY
        if count[MESSAGES] >= rules.limit:
            return MANY
        if count[MESSAGES] >= len(engine.messages) or count[PACKETS] + rules.fan + 2 > len(
            engine.queue
        ):
            return FULL
        p, due = 0, np.inf
        for other in range(len(populations)):
            scanned = populations[other].scan == populations[other].stop
            turn = populations[other].due if scanned else clock[NOW]
            if turn < due:
                p, due = other, turn
        arrival = engine.queue[0].time if count[PACKETS] > 0 else np.inf
        # Of equal times, arrivals come before messages, and both before the end.
        t = max(min(due, arrival, clock[CHECK]), clock[NOW])
        if t > stop:
            clock[NOW] = stop
            return STOPPED
        clock[NOW] = t
        sender, value, direction = -1, 0.0, 0.0
        receiver, change = -1, 0.0
        if arrival <= t:
            packet = engine.queue[0]
            what, index, unit, lost = packet.what, packet.index, packet.unit, packet.lost
            pop(engine)
            if what < 0:
                value, direction = _moved(engine, unit, t)
                if direction != 0.0 or t - units[SENT, unit] >= rules.heartbeat * (1.0 - 1e-12):
                    sender = unit
                if what == TICK:
                    next_tick(engine, unit, index + 1)
                else:
                    silent = t if sender >= 0 else units[SENT, unit]
                    push(engine, silent + rules.heartbeat, BEAT, 0, unit, False)
            elif projections[what].weights < 0:
                population = populations[projections[what].target]
                population.shift = engine.messages[index].value
                if not rules.clocked:
                    population.scan = population.start
            else:
                delta = _read(engine, what, index, unit, lost)
                projection = projections[what]
                j = engine.messages[index].unit - populations[projection.source].start
                target = populations[projection.target]
                if unit == ALL:
                    if delta != 0.0:
                        receive_row(engine, what, j, delta)
                else:
                    place = projection.weights + j * (target.stop - target.start) + unit
                    receiver, change = target.start + unit, engine.weights[place] * delta
                    change /= target.leak
                    count[OPERATIONS] += 1
        elif due <= t:
            population = populations[p]
            if population.scan < population.stop:
                # After a shift outputs may have jumped beyond their levels.
                while sender < 0 and population.scan < population.stop:
                    value, direction = _moved(engine, population.scan, t)
                    if direction != 0.0:
                        sender = population.scan
                    population.scan += 1
                if population.scan == population.stop:
                    refresh(units, population)
            elif population.kind in GROUPS:
                sender, direction = next_of_group(engine, population, t)
                value = units[UP if direction > 0.0 else DOWN, sender]
                if sender >= 0:
                    population.due = t
            else:
                sender = first_unit(units, population)
                direction = 1.0 if units[GAP, sender] > 0.0 else -1.0
                value = units[UP if direction > 0.0 else DOWN, sender]
        else:
            return QUIET
        if sender >= 0:
            population = populations[engine.ranks[OWNER, sender]]
            if population.kind == SIGN and direction != 0.0:
                value = direction
            emit(engine, sender, value, direction)
            if population.kind == SHARE:
                units[SAID, sender] = state(engine, sender, t)
                receiver = population.normaliser
                change = _log_sum_exp(engine, population) - units[TARGET, receiver]
            if not keyless(population, rules.clocked) and population.scan == population.stop:
                renew(units, population, sender)
        if receiver >= 0:
            receive(engine, receiver, change)
