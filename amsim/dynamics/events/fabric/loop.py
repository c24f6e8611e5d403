"""The engine for shared links: the general engine with servers on the way of messages. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import compiled, inner
from ....compiled.streams import mixed, unit_interval
from ....neurons import SIGN
from ..engine.clocks import begin, next_tick
from ..engine.leak import receive, receive_broadcast
from ..engine.loop import moved, next_population, next_sender, update_register
from ..engine.queue import pop, push
from ..engine.rest import at_rest
from ..engine.state import ALL, BEAT, BUSY, FULL, MANY, QUIET, STOPPED, TICK
from .arrays import (
    AT_BARRIERS,
    BABBLE,
    BABBLING,
    BARRIER,
    DEAD,
    FAILS,
    ON_A_LINK,
    RESTED,
    SERVED,
    SILENT,
    STUCK,
)
from .barrier import announce_barrier, begin_step, wait_for_barrier
from .serving import (
    ask_to_say,
    end_rest,
    end_service,
    enter,
    free_slot,
    kill,
    mute,
    note,
    note_news,
    stick,
)


@inner
def _read_at_barrier(layout, state, ways, traffic):
    """All that has arrived since the last barrier is read."""
    tally = traffic.tally[0]
    while tally.first >= 0:
        k = tally.first
        slot = traffic.slots[k]
        index = slot.message
        _read(layout, state, ways, slot.node, index, slot.parent, slot.left > 0)
        tally.first = slot.next
        free_slot(traffic, k)
        note_news(state, traffic, index, -1)


@inner
def _read(layout, state, ways, c, index, receiver, lost):
    """Message `index` reaches the registers of a part of its receivers, or of one of them.

    Parameters
    ----------
    layout, state, ways : bundles of arrays
    c, index : int
        A part, and a message.
    receiver : int
        The one of them, counted in its population, or ALL.
    lost : bool
        Whether the message was lost; they then read 0.
    """
    part, run = ways.parts[c], state.run[0]
    q = part.projection
    projection = layout.projections[q]
    population = layout.populations[projection.target]
    j = state.messages[index].unit - layout.populations[projection.source].start
    if projection.weights < 0:
        state.populations[projection.target].shift = state.messages[index].value
        if not layout.rules[0].clocked:
            state.populations[projection.target].scan = population.start
        return
    place = part.number if receiver == ALL else receiver
    delta = update_register(layout, state, q, index, place, lost)
    if receiver != ALL:
        place = projection.weights + j * (population.stop - population.start) + receiver
        change = layout.weights[place] * delta / population.leak
        run.operations += 1
        receive(layout, state, population.start + receiver, change)
    elif delta != 0.0:
        for r in range(part.first, part.last):
            first, last = ways.runs[r].first, ways.runs[r].last
            run.operations += last - first
            receive_broadcast(layout, state, q, j, delta, first, last)


@inner
def _look(layout, state, traffic, unit, what, number, by_barrier):
    """A unit looks at its output, at a tick or a heartbeat: whether it sends, and what.

    Parameters
    ----------
    layout, state, traffic : bundles of arrays
    unit, what, number : int
        The unit, TICK or BEAT, and the number of a tick.
    by_barrier : bool
        Whether units look at barriers.
    """
    rules, t = layout.rules[0], state.run[0].now
    value, direction = moved(layout, state, unit, t)
    silent = t - state.units[unit].sent_at
    sends = direction != 0.0 or silent >= rules.heartbeat * (1.0 - 1e-12)
    held = traffic.held[unit]
    waits = held.waiting or held.resting or held.mute
    if what == TICK:
        if by_barrier:
            traffic.tally[0].under_way -= 1
        else:
            next_tick(layout, state, unit, number + 1)
    else:
        last = t if sends or waits else state.units[unit].sent_at
        push(state, last + rules.heartbeat, BEAT, 0, unit, False)
    return sends and not waits, value, direction


@inner
def _babble(layout, state, ways, traffic, unit, k):
    """When message number k of a babbling unit is due."""
    u = unit_interval(mixed(mixed(ways.rules[0].seed_fault, np.uint64(unit)), np.uint64(k)))
    due = state.run[0].now - math.log(u) / traffic.held[unit].value
    push(state, due, BABBLE, k, unit, False)


@inner
def _fail(layout, state, ways, traffic, f):
    """Fault number f happens."""
    fault, tally, run = ways.faults[f], traffic.tally[0], state.run[0]
    if fault.kind == SILENT:
        mute(layout, state, ways, traffic, fault.which)
    elif fault.kind == STUCK:
        stick(layout, state, ways, traffic, fault.which, fault.value)
    elif fault.kind == BABBLING and not traffic.held[fault.which].mute:
        traffic.held[fault.which].value = fault.value
        _babble(layout, state, ways, traffic, fault.which, 0)
    elif fault.kind == DEAD:
        kill(layout, state, ways, traffic, fault.which)
    if ways.rules[0].counts:
        tally.since = run.now + layout.rules[0].transit
        run.check = np.inf if tally.news > 0 else tally.since


@compiled
def run_fabric(layout, state, ways, traffic, stop, effort):
    """Events up to time `stop`, until the cue is quiet, or for about `effort` operations."""
    run, rules, tally = state.run[0], layout.rules[0], traffic.tally[0]
    populations, room = layout.populations, ways.rules[0].room
    before, steps, by_barrier = run.operations, 0, ways.rules[0].step > 0.0
    if not run.begun:
        for f in range(len(ways.faults)):
            push(state, ways.faults[f].at, FAILS, f, 0, False)
        begin(layout, state)
    while True:
        steps += 20
        if run.operations - before + steps > effort:
            return BUSY
        if run.messages >= rules.limit:
            return MANY
        if (
            run.messages >= len(state.messages)
            or run.packets + room > len(state.queue)
            or tally.slots + room > len(traffic.slots)
        ):
            return FULL
        p, due = next_population(layout, state)
        arrival = state.queue[0].time if run.packets > 0 else np.inf
        # Of equal times, what is under way comes before messages, and both before the end.
        t = max(min(due, arrival, run.check), run.now)
        if t > stop:
            run.now = stop
            return STOPPED
        run.now = t
        sender, value, direction = -1, 0.0, 0.0
        if arrival <= t:
            packet = state.queue[0]
            what, index, unit, lost = packet.what, packet.index, packet.unit, packet.lost
            pop(state)
            if by_barrier and what >= 0 and ways.parts[what].hears == AT_BARRIERS:
                wait_for_barrier(traffic, what, index, unit, lost)
            elif what >= 0:
                _read(layout, state, ways, what, index, unit, lost)
                note(layout, state, traffic, index, -1)
            elif what == SERVED:
                end_service(layout, state, ways, traffic, unit)
            elif what == ON_A_LINK:
                enter(layout, state, ways, traffic, unit, index)
            elif what == FAILS:
                _fail(layout, state, ways, traffic, index)
            elif what == BARRIER:
                tally.announced = False
                if tally.under_way == 0:  # else a unit babbles
                    _read_at_barrier(layout, state, ways, traffic)
                    begin_step(layout, state, traffic)
            elif what == RESTED:
                sends, value, direction = end_rest(layout, state, ways, traffic, unit)
                if sends:
                    sender = unit
            elif what == BABBLE:
                if not traffic.held[unit].mute:
                    value, direction = moved(layout, state, unit, t)
                    if not (traffic.held[unit].waiting or traffic.held[unit].resting):
                        sender = unit
                    _babble(layout, state, ways, traffic, unit, index + 1)
            else:
                sends, value, direction = _look(
                    layout, state, traffic, unit, what, index, by_barrier
                )
                if sends:
                    sender = unit
        elif due <= t:
            sender, value, direction = next_sender(layout, state, p, t)
        elif at_rest(layout, state, t):
            return QUIET
        if sender >= 0:
            if populations[layout.units[sender].population].kind == SIGN and direction != 0.0:
                value = direction
            ask_to_say(layout, state, ways, traffic, sender, value, direction)
        if by_barrier and tally.under_way == 0 and not tally.announced:
            announce_barrier(state, ways, traffic)
