"""A faster engine for delays by link, in windows as long as the smallest. Compiled.

A message sent within a window arrives after its end, so all arrivals of a window are known when it
begins, and within it units do not depend on each other: each goes through the window alone, see
`window_unit`. The links of a receiver are neighbours, and so are the messages of a sender: memory
is read in its order.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import numpy as np

from ....compiled.jit import compiled, inner
from ....neurons import GROUPS
from .clocks import set_first_levels
from .sending import key_of_link, keys_of_message
from .state import BUSY, CROWDED, FULL, MANY, QUIET, STOPPED
from .window_group import group_through_window
from .window_unit import CLOSED, arrival_of, sort_by_time, through_window


@inner
def _fill_flight(layout, state, windows, place, m):
    """Message m is on its way at `place` of `flights`."""
    message, flight, fate = state.messages[m], windows.flights[place], windows.fates[place]
    i, before = message.unit, message.previous
    earlier = state.messages[before].value if before >= 0 else state.units[i].first
    flight.time, flight.change = message.time, message.value - earlier
    fate.value, fate.index = message.value, m


@inner
def _list_flights(layout, state, windows, begun):
    """List the messages that may be on their way, by sender."""
    messages, window, sent = state.messages, windows.window[0], state.run[0].messages
    while window.oldest < sent:
        oldest = messages[window.oldest]
        if oldest.time + 1.001 * window.longest >= begun:
            break
        windows.sending[oldest.unit].gone += 1
        window.oldest += 1
    place = slot = 0
    for i in range(len(state.units)):
        sending = windows.sending[i]
        sending.first = sending.cursor = place
        place += state.units[i].number - sending.gone + 1
    for m in range(window.oldest, sent):
        sending = windows.sending[messages[m].unit]
        _fill_flight(layout, state, windows, sending.cursor, m)
        if len(windows.held) > 0:
            number = sending.gone + sending.cursor - sending.first + 1
            fate = windows.fates[sending.cursor]
            fate.jitter, fate.drop = keys_of_message(layout, messages[m].unit, number)
        sending.cursor += 1
    for i in range(len(state.units)):
        windows.flights[windows.sending[i].cursor].time = np.inf
    for q in range(len(layout.projections)):
        source = layout.populations[layout.projections[q].source]
        for i in range(source.start, source.stop):
            sending, sender = windows.sending[i], windows.senders[slot]
            if sending.cursor > sending.first:
                sender.unit, sender.gone = i - source.start, sending.gone
                sender.flights = sending.first - sending.gone
                slot += 1
        windows.slots[q + 1] = slot


@inner
def _send_all(layout, state, windows):
    """Send the messages of a window, in the order of (time, unit)."""
    run, out, order = state.run[0], windows.out, windows.order
    leaving = windows.window[0].leaving
    for m in range(leaving):
        order[m] = m  # by units: this decides ties
    sort_by_time(out, order, leaving)
    for place in range(leaving):
        m = order[place]
        i, index = out[m].unit, run.messages
        message, unit = state.messages[index], state.units[i]
        message.time, message.value, message.unit = out[m].time, out[m].value, i
        message.previous = unit.latest
        unit.latest = index
        unit.number += 1
        run.messages += 1
        run.last_message = out[m].time
        if out[m].news and layout.rules[0].settles:
            run.check = out[m].time + layout.rules[0].transit


@compiled
def run_windows(layout, state, windows, stop, effort):
    """Events up to time `stop`, as `run_events`; a window may stay open if room is needed."""
    run, window, units = state.run[0], windows.window[0], len(state.units)
    before, steps = run.operations, 0
    if not run.begun:
        set_first_levels(layout, state)
    while True:
        begun = run.now
        if window.unit == CLOSED:
            if run.messages >= layout.rules[0].limit:
                return MANY
            if run.operations - before + steps > effort:
                return BUSY
            if run.check <= begun:
                return QUIET
            if begun >= stop:
                return STOPPED
            steps += len(layout.links) + units
            window.end = min(begun + window.width, stop, run.check)
            _list_flights(layout, state, windows, begun)
            window.unit = window.leaving = 0
            window.now = begun
        while window.unit < units:
            population = layout.populations[layout.units[window.unit].population]
            if population.kind in GROUPS:
                p = layout.units[window.unit].population
                ended = group_through_window(layout, state, windows, p, begun)
                if ended != STOPPED:
                    return ended
                window.unit = population.stop
            elif through_window(layout, state, windows, window.unit, begun):
                window.unit += 1
            else:
                return CROWDED
        if run.messages + window.leaving > len(state.messages):
            return FULL
        run.now = window.end
        for p in range(len(layout.populations)):
            state.populations[p].base = window.end
        _send_all(layout, state, windows)
        window.unit = CLOSED


@compiled
def count_late_and_lost(layout, state, windows):
    """At the end of a run, count messages that were lost, and those that came after a later one.

    A late message is an operation of the synapse, too, although it changes nothing.
    """
    run, sending, drop = state.run[0], windows.sending, layout.rules[0].drop
    for i in range(len(sending)):
        sending[i].gone = 0
    windows.window[0].oldest = 0
    _list_flights(layout, state, windows, -np.inf)
    for q in range(len(layout.projections)):
        projection = layout.projections[q]
        source = layout.populations[projection.source]
        target = layout.populations[projection.target]
        place = projection.register
        for receiver in range(target.stop - target.start):
            link = key_of_link(q, receiver)
            for i in range(source.start, source.stop):
                delay, earliest = layout.links[place].delay, np.inf
                for k in range(sending[i].cursor - 1, sending[i].first - 1, -1):
                    if drop == 0.0 and windows.flights[k].time + delay > run.now:
                        continue
                    arrival = arrival_of(layout, windows, k, delay, link)
                    late = earliest < arrival <= run.now
                    run.drops += arrival == np.inf
                    run.late += late
                    run.operations += late
                    earliest = min(earliest, arrival)
                place += 1
